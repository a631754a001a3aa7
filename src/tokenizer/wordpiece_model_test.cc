#include "tokenizer/wordpiece_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace assay::tokenizer {
namespace {

using ::testing::ElementsAre;

Vocabulary MakeVocabulary(const std::vector<std::string>& tokens) {
  Vocabulary vocabulary;
  for (size_t i = 0; i < tokens.size(); ++i) {
    vocabulary.Add(tokens[i], static_cast<TokenId>(i), "test");
  }
  return vocabulary;
}

std::vector<std::string> Tokens(const SubwordModel& model, std::string_view word) {
  std::vector<ModelToken> tokens;
  model.Tokenize(word, tokens);
  std::vector<std::string> out;
  uint32_t done = 0;
  for (const ModelToken& token : tokens) {
    EXPECT_EQ(token.range.begin, done);
    done = token.range.end;
    out.push_back(*model.vocabulary().Token(token.id));
  }
  EXPECT_EQ(done, word.size());
  return out;
}

const std::vector<std::string> kTokens = {"[UNK]", "un", "unaff", "##aff",  "##able",  "##a",
                                          "##b",   "a",  "##",    "\u00E9", "##\u00E9"};

TEST(WordPieceModelTest, TakesTheLongestTokenAgainAndAgain) {
  const WordPieceModel model(MakeVocabulary(kTokens), {}, "test");
  EXPECT_THAT(Tokens(model, "unaffable"), ElementsAre("unaff", "##able"));
  EXPECT_THAT(Tokens(model, "unaab"), ElementsAre("un", "##a", "##a", "##b"));
  EXPECT_THAT(Tokens(model, "a\u00E9"), ElementsAre("a", "##\u00E9"));
}

TEST(WordPieceModelTest, AWordThatCannotBeCoveredIsUnknownAsAWhole) {
  const WordPieceModel model(MakeVocabulary(kTokens), {}, "test");
  EXPECT_THAT(Tokens(model, "unx"), ElementsAre("[UNK]"));
  EXPECT_THAT(Tokens(model, "b"), ElementsAre("[UNK]"));
}

TEST(WordPieceModelTest, LongWordsAreUnknownCountedInCharacters) {
  const WordPieceModel model(MakeVocabulary(kTokens), {.max_input_chars_per_word = 3}, "test");
  EXPECT_THAT(Tokens(model, "\u00E9\u00E9\u00E9"), ElementsAre("\u00E9", "##\u00E9", "##\u00E9"));
  EXPECT_THAT(Tokens(model, "aaaa"), ElementsAre("[UNK]"));
}

TEST(WordPieceModelTest, AnEmptyPrefixMakesEveryTokenAContinuation) {
  const WordPieceModel model(MakeVocabulary({"?", "a", "ab", "abc", "c"}),
                             {.unk_token = "?", .continuing_subword_prefix = ""}, "test");
  EXPECT_THAT(Tokens(model, "ababcc"), ElementsAre("ab", "abc", "c"));
}

TEST(WordPieceModelTest, WithoutContinuationsOnlyWholeWordsAreKnown) {
  const WordPieceModel model(MakeVocabulary({"[UNK]", "a"}), {}, "test");
  EXPECT_THAT(Tokens(model, "a"), ElementsAre("a"));
  EXPECT_THAT(Tokens(model, "aa"), ElementsAre("[UNK]"));
}

TEST(WordPieceModelTest, MissingUnknownTokenIsAnErrorWhenItIsNeeded) {
  const WordPieceModel model(MakeVocabulary({"a"}), {}, "test");
  std::vector<ModelToken> tokens;
  EXPECT_THROW(model.Tokenize("b", tokens), base::Error);
}

TEST(WordPieceModelTest, AMillionCharactersAreNotQuadratic) {
  const WordPieceModel model(MakeVocabulary({"[UNK]", "a", "##a"}),
                             {.max_input_chars_per_word = 2'000'000}, "test");
  std::vector<ModelToken> tokens;
  model.Tokenize(std::string(1'000'000, 'a'), tokens);
  EXPECT_EQ(tokens.size(), 1'000'000u);
}

TEST(WordLevelModelTest, AWordIsATokenOrUnknown) {
  const WordLevelModel model(MakeVocabulary({"<unk>", "a"}), "<unk>", "test");
  EXPECT_THAT(Tokens(model, "a"), ElementsAre("a"));
  EXPECT_THAT(Tokens(model, "aa"), ElementsAre("<unk>"));
}

}  // namespace
}  // namespace assay::tokenizer
