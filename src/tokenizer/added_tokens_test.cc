#include "tokenizer/added_tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace assay::tokenizer {
namespace {

using ::testing::ElementsAre;

// The parts of the text; those that are tokens in angle brackets.
std::vector<std::string> Cut(const std::vector<AddedToken>& tokens, std::string_view text) {
  AddedTokens added;
  for (const AddedToken& token : tokens) added.Add(token, Vocabulary(), "test");
  std::vector<std::string> out;
  for (const TextPart& part : added.CutText(text, false)) {
    const std::string piece(text.substr(part.range.begin, part.range.end - part.range.begin));
    out.push_back(part.id ? "<" + piece + ">" : piece);
  }
  return out;
}

TEST(AddedTokensTest, CutsLeftmostAndLongestFirst) {
  const std::vector<AddedToken> tokens = {
      {.content = "ab", .id = 1}, {.content = "abc", .id = 2}, {.content = "bcd", .id = 3}};
  EXPECT_THAT(Cut(tokens, "xabcdabab"), ElementsAre("x", "<abc>", "d", "<ab>", "<ab>"));
  EXPECT_THAT(Cut(tokens, ""), ElementsAre());
  EXPECT_THAT(Cut({}, "abc"), ElementsAre("abc"));
}

TEST(AddedTokensTest, StripsTakeWhiteSpaceAlong) {
  const AddedToken left{.content = "[M]", .id = 1, .lstrip = true};
  EXPECT_THAT(Cut({left}, "a \u3000[M] b"), ElementsAre("a", "< \u3000[M]>", " b"));
  const AddedToken right{.content = "[M]", .id = 1, .rstrip = true};
  EXPECT_THAT(Cut({right}, "a [M]\n [M]b"), ElementsAre("a ", "<[M]\n >", "<[M]>", "b"));
  const AddedToken both{.content = "[M]", .id = 1, .lstrip = true, .rstrip = true};
  EXPECT_THAT(Cut({both}, " [M] [M] "), ElementsAre("< [M] >", "<[M] >"));
}

TEST(AddedTokensTest, SingleWordsHaveNoWordCharactersBeside) {
  const AddedToken token{.content = "word", .id = 1, .single_word = true};
  EXPECT_THAT(Cut({token}, "word-word words sword \u00E9word _word"),
              ElementsAre("<word>", "-", "<word>", " words sword \u00E9word _word"));
}

TEST(AddedTokensTest, ContradictionsAreRefused) {
  Vocabulary model;
  model.Add("a", 0, "test");
  AddedTokens added;
  added.Add({.content = "a", .id = 0, .special = true}, model, "test");
  EXPECT_TRUE(added.IsSpecial(0));
  EXPECT_THROW(added.Add({.content = "b", .id = 0}, model, "test"), base::Error);
  EXPECT_THROW(added.Add({.content = "a", .id = 1}, model, "test"), base::Error);
  added.Add({.content = "c", .id = 5}, model, "test");
  EXPECT_THROW(added.Add({.content = "d", .id = 5}, model, "test"), base::Error);
  EXPECT_THROW(added.Add({.content = "c", .id = 6}, model, "test"), base::Error);
  EXPECT_FALSE(added.IsSpecial(5));
  EXPECT_FALSE(added.IsSpecial(77));
}

TEST(AddedTokensTest, NormalizedIsTheDefaultOfOrdinaryTokens) {
  const nlohmann::json ordinary = {{"id", 1}, {"content", "x"}};
  EXPECT_TRUE(ReadAddedToken(JsonNode(ordinary, "test")).normalized);
  const nlohmann::json special = {{"id", 1}, {"content", "x"}, {"special", true}};
  EXPECT_FALSE(ReadAddedToken(JsonNode(special, "test")).normalized);
}

}  // namespace
}  // namespace assay::tokenizer
