#include "tokenizer/bpe_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "base/error.h"
#include "base/rng.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/utf8.h"

namespace assay::tokenizer {

// Reaches the two ways to merge, which must agree.
class BpeModelPeer {
 public:
  static std::vector<ModelToken> ByScanning(const BpeModel& model, std::string_view word) {
    std::vector<ModelToken> tokens;
    model.AppendCharacters(word, tokens);
    model.MergeByScanning(tokens, 0);
    return tokens;
  }
  static std::vector<ModelToken> ByHeap(const BpeModel& model, std::string_view word) {
    std::vector<ModelToken> tokens;
    model.AppendCharacters(word, tokens);
    model.MergeByHeap(tokens, 0);
    return tokens;
  }
};

namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

BpeModel Make(const std::vector<std::string>& tokens, const MergePairs& merges,
              BpeOptions options = {}) {
  Vocabulary vocabulary;
  for (size_t i = 0; i < tokens.size(); ++i) {
    vocabulary.Add(tokens[i], static_cast<TokenId>(i), "test");
  }
  return BpeModel(std::move(vocabulary), merges, std::move(options), "test");
}

std::vector<std::string> Tokens(const BpeModel& model, std::string_view word) {
  std::vector<ModelToken> tokens;
  model.Tokenize(word, tokens);
  std::vector<std::string> out;
  for (const ModelToken& token : tokens) out.push_back(*model.vocabulary().Token(token.id));
  return out;
}

std::vector<Range> Ranges(const BpeModel& model, std::string_view word) {
  std::vector<ModelToken> tokens;
  model.Tokenize(word, tokens);
  std::vector<Range> out;
  for (const ModelToken& token : tokens) out.push_back(token.range);
  return out;
}

TEST(BpeModelTest, JoinsTheEarliestLearnedPairFirstLeftmostFirst) {
  const BpeModel model =
      Make({"a", "b", "c", "bc", "ab", "aa"}, {{"b", "c"}, {"a", "b"}, {"a", "a"}});
  EXPECT_THAT(Tokens(model, "abc"), ElementsAre("a", "bc"));
  EXPECT_THAT(Tokens(model, "abb"), ElementsAre("ab", "b"));
  EXPECT_THAT(Tokens(model, "aaa"), ElementsAre("aa", "a"));
  EXPECT_THAT(Ranges(model, "abc"), ElementsAre(Range{0, 1}, Range{1, 3}));
}

TEST(BpeModelTest, UnknownCharactersAreFusedOnlyWhenAskedFor) {
  const std::vector<std::string> tokens = {"?", "a"};
  const BpeModel apart = Make(tokens, {}, {.unk_token = "?"});
  EXPECT_THAT(Tokens(apart, "xya"), ElementsAre("?", "?", "a"));
  const BpeModel fused = Make(tokens, {}, {.unk_token = "?", .fuse_unk = true});
  EXPECT_THAT(Tokens(fused, "x\u00E9ay"), ElementsAre("?", "a", "?"));
  EXPECT_THAT(Ranges(fused, "x\u00E9ay"), ElementsAre(Range{0, 3}, Range{3, 4}, Range{4, 5}));
}

TEST(BpeModelTest, WithoutUnknownTokenCharactersAreLeftOut) {
  EXPECT_THAT(Ranges(Make({"a"}, {}), "xay"), ElementsAre(Range{1, 2}));
}

TEST(BpeModelTest, MissingUnknownTokenIsAnErrorWhenItIsNeeded) {
  const BpeModel model = Make({"a"}, {}, {.unk_token = "<unk>"});
  EXPECT_THAT(Tokens(model, "a"), ElementsAre("a"));
  EXPECT_THROW(Tokens(model, "x"), base::Error);
}

TEST(BpeModelTest, ByteFallbackGivesEachByteAToken) {
  const BpeModel model =
      Make({"?", "a", "<0xC3>", "<0xA9>"}, {}, {.unk_token = "?", .byte_fallback = true});
  EXPECT_THAT(Tokens(model, "a\u00E9"), ElementsAre("a", "<0xC3>", "<0xA9>"));
  EXPECT_THAT(Ranges(model, "a\u00E9"), ElementsAre(Range{0, 1}, Range{1, 2}, Range{2, 3}));
  EXPECT_THAT(Tokens(model, "\u00E8"), ElementsAre("?"));  // <0xA8> is missing
}

TEST(BpeModelTest, ContinuingPrefixIsWrittenOnce) {
  const BpeModel model = Make({"a", "##b", "##c", "ab", "abc"}, {{"a", "##b"}, {"ab", "##c"}},
                              {.continuing_subword_prefix = "##"});
  EXPECT_THAT(Tokens(model, "abc"), ElementsAre("abc"));
  EXPECT_THAT(Tokens(model, "acb"), ElementsAre("a", "##c", "##b"));
}

TEST(BpeModelTest, EndOfWordSuffixMarksTheLastCharacter) {
  const BpeModel model =
      Make({"a", "b", "b</w>", "ab</w>"}, {{"a", "b</w>"}}, {.end_of_word_suffix = "</w>"});
  EXPECT_THAT(Tokens(model, "ab"), ElementsAre("ab</w>"));
  EXPECT_THAT(Tokens(model, "abb"), ElementsAre("a", "b", "b</w>"));
}

TEST(BpeModelTest, IgnoreMergesTakesWholeWords) {
  const std::vector<std::string> tokens = {"a", "b", "ab"};
  EXPECT_THAT(Tokens(Make(tokens, {}), "ab"), ElementsAre("a", "b"));
  EXPECT_THAT(Tokens(Make(tokens, {}, {.ignore_merges = true}), "ab"), ElementsAre("ab"));
}

TEST(BpeModelTest, MergesOfMissingTokensAreNamed) {
  for (const MergePairs& merges : {MergePairs{{"a", "x"}}, MergePairs{{"a", "b"}}}) {
    try {
      Make({"a", "b"}, merges);
      FAIL();
    } catch (const base::Error& error) {
      EXPECT_EQ(error.kind(), base::ErrorKind::kBadInput);
      EXPECT_THAT(error.what(), HasSubstr("merge 0"));
    }
  }
}

// A vocabulary over three letters whose merges are drawn at random.
BpeModel RandomModel(uint64_t seed) {
  base::Rng rng(seed, "bpe model test");
  std::vector<std::string> tokens = {"a", "b", "c"};
  MergePairs merges;
  std::map<std::string, bool> seen;
  while (tokens.size() < 30) {
    const std::string left = tokens[rng.Below(tokens.size())];
    const std::string right = tokens[rng.Below(tokens.size())];
    if (!seen.try_emplace(left + right, true).second) continue;
    merges.emplace_back(left, right);
    tokens.push_back(left + right);
  }
  return Make(tokens, merges);
}

std::string RandomWord(base::Rng& rng, size_t length) {
  std::string word;
  for (size_t i = 0; i < length; ++i) word += static_cast<char>('a' + rng.Below(3));
  return word;
}

TEST(BpeModelTest, BothWaysToMergeAgree) {
  base::Rng rng(1, "words");
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const BpeModel model = RandomModel(seed);
    for (int i = 0; i < 40; ++i) {
      const std::string word = RandomWord(rng, 1 + rng.Below(48));
      EXPECT_EQ(BpeModelPeer::ByScanning(model, word), BpeModelPeer::ByHeap(model, word)) << word;
    }
  }
}

TEST(BpeModelTest, AMillionCharactersInOneWordAreNotQuadratic) {
  const BpeModel model = RandomModel(3);
  base::Rng rng(2, "words");
  const std::string word = RandomWord(rng, 1'000'000);
  std::vector<ModelToken> tokens;
  model.Tokenize(word, tokens);
  EXPECT_EQ(tokens.back().range.end, word.size());
  tokens.clear();
  model.Tokenize(std::string(1'000'000, 'a'), tokens);
  EXPECT_EQ(tokens.back().range.end, 1'000'000u);
}

TEST(BpeModelTest, AliasesOfBytesGiveTheSameTokensAsTheirText) {
  std::vector<std::string> tokens;
  for (int b = 0; b < 256; ++b) tokens.emplace_back(ByteAlias(static_cast<unsigned char>(b)));
  tokens.push_back("\u00C3\u00A9");
  const MergePairs merges = {{"\u00C3", "\u00A9"}};
  const std::string bytes = "a\u00E9\xFF ";
  for (const bool ignore_merges : {false, true}) {
    const BpeModel model = Make(tokens, merges, {.ignore_merges = ignore_merges});
    std::vector<ModelToken> quick, plain;
    model.TokenizeAliases(bytes, quick);
    model.Tokenize(BytesToAliases(bytes), plain);
    ASSERT_EQ(quick.size(), plain.size());
    for (size_t i = 0; i < quick.size(); ++i) EXPECT_EQ(quick[i].id, plain[i].id);
    EXPECT_EQ(quick[1].range, (Range{1, 3}));
  }
}

TEST(ReadMergesTextTest, SkipsTheVersionLineAndNamesBadLines) {
  EXPECT_EQ(ReadMergesText("#version: 0.2\na b\r\nab c\n", "merges.txt"),
            (MergePairs{{"a", "b"}, {"ab", "c"}}));
  EXPECT_TRUE(ReadMergesText("", "merges.txt").empty());
  for (const char* bad : {"a", "a b c", " a", "a "}) {
    EXPECT_THROW(ReadMergesText(bad, "merges.txt"), base::Error) << bad;
  }
}

}  // namespace
}  // namespace assay::tokenizer
