#include "tokenizer/pre_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "tokenizer/byte_level.h"

namespace assay::tokenizer {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;

Words SplitText(const json& component, std::string_view text) {
  Words words;
  words.text = AlignedText(text, 0);
  if (!text.empty()) words.ranges = {{0, static_cast<uint32_t>(text.size())}};
  ReadPreTokenizer(JsonNode(component, "test"))->Split(words);
  return words;
}

std::vector<std::string> WordsOf(const json& component, std::string_view text) {
  const Words words = SplitText(component, text);
  std::vector<std::string> out;
  for (const Range range : words.ranges) {
    const std::string word = words.text.text().substr(range.begin, range.end - range.begin);
    out.push_back(words.as_aliases ? BytesToAliases(word) : word);
  }
  return out;
}

json Type(const char* type) { return {{"type", type}}; }

json Split(const char* regex, const char* behavior, bool invert = false) {
  return {{"type", "Split"},
          {"pattern", {{"Regex", regex}}},
          {"behavior", behavior},
          {"invert", invert}};
}

TEST(PreTokenizerTest, ByteLevelCutsWordsAndWritesAliases) {
  const json plain = {{"type", "ByteLevel"}, {"add_prefix_space", false}};
  EXPECT_THAT(WordsOf(plain, "I'm \u00E9t"), ElementsAre("I", "'m", "\u0120\u00C3\u00A9t"));
  EXPECT_THAT(WordsOf(Type("ByteLevel"), "a b"), ElementsAre("\u0120a", "\u0120b"));
  EXPECT_THAT(WordsOf(Type("ByteLevel"), " a"), ElementsAre("\u0120a"));
  const json whole = {{"type", "ByteLevel"}, {"use_regex", false}};
  EXPECT_THAT(WordsOf(whole, "a b"), ElementsAre("\u0120a\u0120b"));
}

TEST(PreTokenizerTest, WhitespaceFamiliesDiffer) {
  const char* text = "It's 5.0\u2060%\u00A0ok_go";
  EXPECT_THAT(WordsOf(Type("Whitespace"), text),
              ElementsAre("It", "'", "s", "5", ".", "0", "\u2060%", "ok_go"));
  EXPECT_THAT(WordsOf(Type("WhitespaceSplit"), text), ElementsAre("It's", "5.0\u2060%", "ok_go"));
  EXPECT_THAT(WordsOf(Type("BertPreTokenizer"), text),
              ElementsAre("It", "'", "s", "5", ".", "0\u2060", "%", "ok", "_", "go"));
}

TEST(PreTokenizerTest, DigitsAreRunsOrSingle) {
  EXPECT_THAT(WordsOf(Type("Digits"), "a12\u00BD3b"), ElementsAre("a", "12\u00BD3", "b"));
  const json single = {{"type", "Digits"}, {"individual_digits", true}};
  EXPECT_THAT(WordsOf(single, "a12"), ElementsAre("a", "1", "2"));
}

TEST(PreTokenizerTest, PunctuationIsIsolatedUnlessToldOtherwise) {
  EXPECT_THAT(WordsOf(Type("Punctuation"), "a,+b"), ElementsAre("a", ",", "+", "b"));
  const json joined = {{"type", "Punctuation"}, {"behavior", "Contiguous"}};
  EXPECT_THAT(WordsOf(joined, "a,+b"), ElementsAre("a", ",+", "b"));
}

TEST(PreTokenizerTest, SplitTakesPatternsAndInversion) {
  EXPECT_THAT(WordsOf(Split(R"(\d)", "Isolated"), "a1b"), ElementsAre("a", "1", "b"));
  EXPECT_THAT(WordsOf(Split(R"(\d)", "Removed", true), "a1b2"), ElementsAre("1", "2"));
  const json literal = {
      {"type", "Split"}, {"pattern", {{"String", ".+"}}}, {"behavior", "MergedWithPrevious"}};
  EXPECT_THAT(WordsOf(literal, "a.+b"), ElementsAre("a.+", "b"));
  const json delimiter = {{"type", "CharDelimiterSplit"}, {"delimiter", "|"}};
  EXPECT_THAT(WordsOf(delimiter, "a||b"), ElementsAre("a", "b"));
}

TEST(PreTokenizerTest, MetaspaceMarksWordStarts) {
  const auto metaspace = [](const char* scheme) {
    return json{{"type", "Metaspace"}, {"replacement", "_"}, {"prepend_scheme", scheme}};
  };
  EXPECT_THAT(WordsOf(metaspace("always"), "ab  c"), ElementsAre("_ab", "_", "_c"));
  EXPECT_THAT(WordsOf(metaspace("always"), " a"), ElementsAre("_a"));
  EXPECT_THAT(WordsOf(metaspace("never"), "ab c"), ElementsAre("ab", "_c"));
  json whole = metaspace("first");
  whole["split"] = false;
  EXPECT_THAT(WordsOf(whole, "a b"), ElementsAre("_a_b"));
  const json old = {{"type", "Metaspace"}, {"replacement", "_"}, {"add_prefix_space", false}};
  EXPECT_THAT(WordsOf(old, "a b"), ElementsAre("a", "_b"));
}

TEST(PreTokenizerTest, MetaspaceFirstMarksOnlyTheStartOfTheText) {
  const json first = {{"type", "Metaspace"}, {"replacement", "_"}, {"prepend_scheme", "first"}};
  const json sequence = {{"type", "Sequence"}, {"pretokenizers", {Type("WhitespaceSplit"), first}}};
  EXPECT_THAT(WordsOf(sequence, "a b"), ElementsAre("_a", "b"));
}

TEST(PreTokenizerTest, StepsAfterByteLevelSeeAliases) {
  const json bytes = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}};
  const json sequence = {{"type", "Sequence"},
                         {"pretokenizers", {bytes, Split("\u0120", "Isolated")}}};
  EXPECT_THAT(WordsOf(sequence, "a b"), ElementsAre("a", "\u0120", "b"));
}

TEST(PreTokenizerTest, InsertedCharactersStandForNoText) {
  const Words words = SplitText(Type("ByteLevel"), "ab");
  EXPECT_EQ(words.text.text(), " ab");
  EXPECT_EQ(words.text.Origin({0, 1}), (Range{0, 0}));
  EXPECT_EQ(words.text.Origin({0, 2}), (Range{0, 1}));
}

TEST(PreTokenizerTest, UnknownTypesAndValuesAreRefused) {
  EXPECT_THROW(WordsOf(Type("UnicodeScripts"), ""), base::Error);
  EXPECT_THROW(WordsOf(Split("a", "Sometimes"), ""), base::Error);
  EXPECT_THROW(WordsOf({{"type", "Metaspace"}, {"prepend_scheme", "maybe"}}, ""), base::Error);
  EXPECT_THROW(WordsOf({{"type", "Metaspace"}, {"replacement", "ab"}}, ""), base::Error);
  EXPECT_THROW(
      WordsOf({{"type", "Split"}, {"pattern", {{"String", ""}}}, {"behavior", "Removed"}}, ""),
      base::Error);
}

}  // namespace
}  // namespace assay::tokenizer
