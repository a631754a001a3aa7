#include "model/transformer_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/model_testing.h"

namespace assay::model {
namespace {

using base::ErrorKind;
using nlohmann::json;
using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;

TransformerConfig With(const std::string& architecture, const json& changes = json::object()) {
  json config = TinyConfigJson(architecture);
  config.update(changes);
  return ParseTransformerConfig(config, "dir/config.json");
}

// The message of the error, which names the file.
std::string MessageWith(const std::string& architecture, const json& changes, ErrorKind kind) {
  const base::Error error = ErrorOf([&] { With(architecture, changes); });
  EXPECT_EQ(error.kind(), kind) << error.what();
  EXPECT_THAT(error.what(), HasSubstr("dir/config.json"));
  return error.what();
}

TEST(TransformerConfigTest, UnknownArchitecturesAreRefusedWithTheListOfKnownOnes) {
  EXPECT_THAT(MessageWith("gpt2", {{"model_type", "t5"}}, ErrorKind::kUnsupported),
              AllOf(HasSubstr("'t5'"), HasSubstr("gpt2"), HasSubstr("distilbert")));
  const base::Error error = ErrorOf([] { ParseTransformerConfig(json::object(), "c"); });
  EXPECT_EQ(error.kind(), ErrorKind::kUnsupported);
}

TEST(TransformerConfigTest, EverySizeIsNeededAndPositive) {
  for (const std::string architecture :
       {"gpt2", "gpt_neo", "gpt_neox", "llama", "bert", "distilbert"}) {
    const json whole = TinyConfigJson(architecture);
    for (const auto& [key, value] : whole.items()) {
      if (!value.is_number_integer()) continue;
      for (const json& bad : {json(0), json(-1), json("16"), json(1.5), json(1LL << 60)}) {
        EXPECT_THAT(MessageWith(architecture, {{key, bad}}, ErrorKind::kBadInput),
                    AllOf(HasSubstr("'" + key + "'"), HasSubstr(bad.dump())));
      }
    }
  }
  for (const char* key : {"n_layer", "n_embd", "n_head", "vocab_size"}) {
    json config = TinyConfigJson("gpt2");
    config.erase(key);
    const base::Error error = ErrorOf([&] { ParseTransformerConfig(config, "c"); });
    EXPECT_EQ(error.kind(), ErrorKind::kBadInput);
    EXPECT_THAT(error.what(), AllOf(HasSubstr(key), HasSubstr("missing")));
  }
}

TEST(TransformerConfigTest, HeadsMustDivide) {
  EXPECT_THAT(MessageWith("gpt2", {{"n_head", 5}}, ErrorKind::kBadInput),
              AllOf(HasSubstr("5 heads"), HasSubstr("16")));
  EXPECT_THAT(MessageWith("llama", {{"num_key_value_heads", 3}}, ErrorKind::kBadInput),
              AllOf(HasSubstr("3 key/value heads"), HasSubstr("4 heads")));
  EXPECT_THAT(MessageWith("llama", {{"head_dim", 5}}, ErrorKind::kBadInput), HasSubstr("5 rotary"));
}

TEST(TransformerConfigTest, WhatIsNotSupportedIsRefusedAndNotGuessed) {
  EXPECT_THAT(MessageWith("gpt2", {{"activation_function", "mish"}}, ErrorKind::kUnsupported),
              AllOf(HasSubstr("activation_function"), HasSubstr("'mish'")));
  EXPECT_THAT(MessageWith("llama", {{"rope_scaling", {{"type", "yarn"}, {"factor", 2}}}},
                          ErrorKind::kUnsupported),
              AllOf(HasSubstr("rope_scaling"), HasSubstr("yarn")));
  EXPECT_THAT(
      MessageWith("bert", {{"position_embedding_type", "relative_key"}}, ErrorKind::kUnsupported),
      HasSubstr("relative_key"));
  EXPECT_THAT(MessageWith("gpt_neo", {{"attention_layers", {"global", "sparse", "global"}}},
                          ErrorKind::kUnsupported),
              HasSubstr("'sparse'"));
}

TEST(TransformerConfigTest, MistypedValuesAreRefused) {
  MessageWith("gpt2", {{"layer_norm_epsilon", "1e-5"}}, ErrorKind::kBadInput);
  MessageWith("gpt2", {{"tie_word_embeddings", 1}}, ErrorKind::kBadInput);
  MessageWith("gpt2", {{"activation_function", 3}}, ErrorKind::kBadInput);
  MessageWith("gpt2", {{"bos_token_id", "<s>"}}, ErrorKind::kBadInput);
  MessageWith("llama", {{"rope_scaling", "linear"}}, ErrorKind::kBadInput);
  MessageWith("llama", {{"rope_scaling", {{"type", "linear"}}}}, ErrorKind::kBadInput);
  MessageWith("gpt_neo", {{"attention_layers", "global"}}, ErrorKind::kBadInput);
  EXPECT_EQ(ErrorOf([] { ParseTransformerConfig(json::array(), "c"); }).kind(),
            ErrorKind::kBadInput);
}

TEST(TransformerConfigTest, GptNeoLayersAlternateBetweenGlobalAndLocal) {
  EXPECT_THAT(With("gpt_neo").window, ElementsAre(0, kTinyWindow, 0));
  const json as_published = {{"attention_layers", nullptr},
                             {"num_layers", 4},
                             {"attention_types", json::parse(R"([[["global","local"],2]])")}};
  EXPECT_THAT(With("gpt_neo", as_published).window, ElementsAre(0, kTinyWindow, 0, kTinyWindow));
  EXPECT_THAT(MessageWith("gpt_neo", {{"attention_layers", {"global"}}}, ErrorKind::kBadInput),
              AllOf(HasSubstr("1 layers"), HasSubstr("3")));
  // Nothing is allocated for a count that no model has.
  const json hostile = {{"attention_layers", nullptr},
                        {"attention_types", json::parse(R"([[["global","local"],2000000000]])")}};
  MessageWith("gpt_neo", hostile, ErrorKind::kBadInput);
  EXPECT_THAT(With("gpt_neo").attention_scale, Each(1.0));
}

TEST(TransformerConfigTest, SlidingWindowsFollowTheArchitecture) {
  EXPECT_THAT(With("mistral").window, Each(kTinyWindow));
  EXPECT_THAT(With("mistral", {{"sliding_window", nullptr}}).window, Each(0));
  EXPECT_THAT(With("llama", {{"sliding_window", 4}}).window, Each(0));
  EXPECT_THAT(With("qwen2", {{"sliding_window", 4}, {"use_sliding_window", false}}).window,
              Each(0));
  EXPECT_THAT(
      With("qwen2", {{"sliding_window", 4}, {"use_sliding_window", true}, {"max_window_layers", 2}})
          .window,
      ElementsAre(0, 0, 4));
}

TEST(TransformerConfigTest, RotaryParametersAreReadInTheFormsOfOldAndNewFiles) {
  const json linear = {{"rope_type", "linear"}, {"factor", 2.0}};
  const auto old = With("llama", {{"rope_theta", 500.0}, {"rope_scaling", linear}}).rotary;
  json together = linear;
  together["rope_theta"] = 500.0;
  for (const auto& rotary : {old, With("llama", {{"rope_parameters", together}}).rotary}) {
    EXPECT_EQ(rotary->theta, 500);
    EXPECT_EQ(rotary->scaling, "linear");
    EXPECT_EQ(rotary->factor, 2);
    EXPECT_EQ(rotary->dims, 4);
  }
  json neox = TinyConfigJson("gpt_neox");
  neox.erase("rotary_pct");
  neox["hidden_size"] = 64;
  neox["rope_parameters"] = {
      {"rope_type", "default"}, {"rope_theta", 77.0}, {"partial_rotary_factor", 0.5}};
  const auto rotary = ParseTransformerConfig(neox, "c").rotary;
  EXPECT_EQ(rotary->dims, 8);
  EXPECT_EQ(rotary->theta, 77);
  neox.erase("rope_parameters");
  neox["rotary_emb_base"] = 55;
  EXPECT_EQ(ParseTransformerConfig(neox, "c").rotary->theta, 55);
  MessageWith("llama", {{"rope_parameters", {{"rope_type", "default"}}}}, ErrorKind::kBadInput);
  EXPECT_THAT(
      MessageWith("llama", {{"rope_parameters", {{"rope_type", "yarn"}, {"rope_theta", 1e4}}}},
                  ErrorKind::kUnsupported),
      HasSubstr("rope_parameters"));
}

TEST(TransformerConfigTest, DefaultsAreThoseOfHuggingFace) {
  const TransformerConfig gpt2 = With("gpt2");
  EXPECT_EQ(gpt2.activation, Activation::kGeluTanh);
  EXPECT_EQ(gpt2.d_mlp, 64);
  EXPECT_TRUE(gpt2.tied_unembedding);
  EXPECT_FALSE(With("llama").tied_unembedding);
  EXPECT_TRUE(With("qwen2").attention_bias);
  EXPECT_FALSE(With("qwen2").attention_output_bias);
  EXPECT_FALSE(With("mistral").attention_bias);
  EXPECT_TRUE(With("gpt_neox").parallel_residual);
  EXPECT_EQ(With("gpt_neox", {{"rotary_pct", nullptr}, {"hidden_size", 64}}).rotary->dims, 4);
  EXPECT_EQ(With("bert").norm_eps, 1e-12);
}

TEST(TransformerConfigTest, AFolderWithoutAConfigIsNamed) {
  const TemporaryFolder folder;
  const base::Error absent = ErrorOf([&] { ReadTransformerConfig(folder.path()); });
  EXPECT_EQ(absent.kind(), ErrorKind::kNotFound);
  EXPECT_THAT(absent.what(), HasSubstr((folder.path() / "config.json").string()));
  base::WriteFile(folder.path() / "config.json", "{\"model_type\": \"gpt2\",");
  EXPECT_EQ(ErrorOf([&] { ReadTransformerConfig(folder.path()); }).kind(), ErrorKind::kBadInput);
}

}  // namespace
}  // namespace assay::model
