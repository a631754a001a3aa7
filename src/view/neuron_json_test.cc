#include "view/neuron_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "view/view_testing.h"

namespace assay::view {
namespace {

TEST(NeuronJsonTest, HoldsEveryRow) {
  Vocabulary vocabulary;
  const NeuronRecords records = CapitalRecords(vocabulary);
  const auto json = NeuronJson(records, vocabulary.texts(), "tiny");
  EXPECT_EQ(json["schema"], "assay.neuron/1");
  EXPECT_EQ(json["layer"], 2);
  EXPECT_EQ(json["neuron"], 15);
  EXPECT_EQ(json["stats"]["tokens"], 1234567);
  const auto& example = json["examples"][0];
  EXPECT_EQ(example["kind"], "top");
  EXPECT_EQ(example["half"], "train");
  EXPECT_EQ(example["tokens"][4], " Paris");
  EXPECT_EQ(example["activations"].dump(), "[null,0.0,0.5,0.0,2.0,0.0,-0.1]")
      << "no digits that a float does not have";
  EXPECT_TRUE(json["examples"][1]["half"].is_null());
  EXPECT_EQ(json["prunings"][0]["outcome"], "reached");
  EXPECT_EQ(json["prompts"][0]["substitution"], nullptr);
  EXPECT_EQ(json["prompts"][1]["substitution"]["substitute"], " centre");
  EXPECT_EQ(json["prompts"][1]["importances"].dump(), "[[0.0,0.95,0.8,1.0]]");
  EXPECT_FALSE(json["prompts"][2]["kept"].get<bool>());
  EXPECT_EQ(json["scores"][2]["precision"], nullptr);
  EXPECT_EQ(json["scores"][2]["excluded"], "never fires");
}

TEST(NeuronJsonTest, WritesTheGraphAsATrie) {
  Vocabulary vocabulary;
  const NeuronRecords records = CapitalRecords(vocabulary);
  const auto graph = NeuronJson(records, vocabulary.texts(), "tiny")["graph"];
  EXPECT_EQ(graph["nodes"][0].dump(), R"({"id":0,"kind":"root","parent":0})");
  EXPECT_EQ(
      graph["nodes"][1].dump(),
      R"({"id":1,"kind":"activating","parent":0,"token":" Paris","token_id":0,"activation":1.0})");
  EXPECT_EQ(graph["nodes"][2].dump(),
            R"({"id":2,"kind":"context","parent":1,"token":" of","token_id":1,"importance":0.8})");
  EXPECT_EQ(graph["nodes"][4].dump(), R"({"id":4,"kind":"end","parent":3,"activation":1.0})");
}

TEST(NeuronJsonTest, MissingPartsAreNullOrEmpty) {
  const auto json = NeuronJson({}, {}, "");
  EXPECT_TRUE(json["stats"].is_null());
  EXPECT_TRUE(json["graph"].is_null());
  EXPECT_EQ(json["examples"].dump(), "[]");
}

TEST(NeuronJsonTest, TextIsUtf8WhateverTheTokens) {
  Vocabulary vocabulary;
  const NeuronRecords records = CapitalRecords(vocabulary);
  std::vector<std::string> texts = vocabulary.texts();
  for (const std::string& hostile : HostileTokens()) {
    std::fill(texts.begin(), texts.end(), hostile);
    const std::string text = WriteNeuronJson(records, texts, hostile);
    EXPECT_TRUE(base::IsUtf8(text));
    const auto parsed = nlohmann::json::parse(text);
    if (base::IsUtf8(hostile)) {
      EXPECT_EQ(parsed["examples"][0]["tokens"][0], hostile);
    }
  }
}

TEST(NeuronJsonTest, ExamplesOfEveryKindHaveItsName) {
  Vocabulary vocabulary;
  NeuronRecords records = CapitalRecords(vocabulary);
  const store::Example example = records.examples.front();
  records.examples.clear();
  for (int kind = 0; kind <= static_cast<int>(store::ExampleKind::kAbove); ++kind) {
    records.examples.push_back(example);
    records.examples.back().kind = static_cast<store::ExampleKind>(kind);
  }
  const auto json = NeuronJson(records, vocabulary.texts(), "tiny");
  std::vector<std::string> names;
  for (const auto& row : json["examples"]) names.push_back(row["kind"]);
  EXPECT_THAT(names, testing::ElementsAre("top", "bottom", "quantile", "given", "above"));
}

// Every key that is written stands in the document.
void ExpectDocumented(const nlohmann::ordered_json& value, const std::string& document) {
  if (value.is_object()) {
    for (const auto& [key, inner] : value.items()) {
      EXPECT_THAT(document, testing::HasSubstr("`" + key + "`"));
      ExpectDocumented(inner, document);
    }
  } else if (value.is_array()) {
    for (const auto& inner : value) ExpectDocumented(inner, document);
  }
}

TEST(NeuronJsonTest, SchemaIsDocumented) {
  Vocabulary vocabulary;
  const NeuronRecords records = CapitalRecords(vocabulary);
  const std::string document = base::ReadFile(ASSAY_SOURCE_DIR "/docs/neuron-json.md");
  EXPECT_THAT(document, testing::HasSubstr(std::string(kNeuronJsonSchema)));
  ExpectDocumented(NeuronJson(records, vocabulary.texts(), "tiny"), document);
}

}  // namespace
}  // namespace assay::view
