#include "tokenizer/bpe_trainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/error.h"
#include "tokenizer/tokenizer.h"

namespace assay::tokenizer {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;

std::unique_ptr<Tokenizer> Load(const TrainedBpe& trained) {
  return LoadTokenizerJson(trained.tokenizer.dump(), "trained tokenizer");
}

TEST(BpeTrainerTest, MergesTheMostFrequentPairFirst) {
  // Words: "low" x3, " low" x2, "lot" x1. Pairs: l-o 6, o-w 5, " "-l 2, o-t 1.
  const std::vector<std::string> texts = {"low low low", "low", "low", "lot"};
  const TrainedBpe trained = TrainBpe(texts, {.vocab_size = 257 + 3});
  EXPECT_EQ(trained.tokenizer["model"]["merges"], (nlohmann::json{"l o", "lo w", "\u0120 low"}));
  EXPECT_EQ(trained.tokenizer["model"]["vocab"]["low"], 258);
}

TEST(BpeTrainerTest, GivesTiesToTheSmallerIds) {
  const std::vector<std::string> texts = {"zy", "zy", "ba", "ba", "ab", "ab"};
  const TrainedBpe trained = TrainBpe(texts, {.vocab_size = 257 + 3});
  EXPECT_EQ(trained.tokenizer["model"]["merges"], (nlohmann::json{"a b", "b a", "z y"}));
}

TEST(BpeTrainerTest, CountsRunsOfOneLetterWithoutOverlap) {
  const std::vector<std::string> texts = {"aaaaa", "aaaaa"};
  const TrainedBpe trained = TrainBpe(texts, {.vocab_size = 257 + 4});
  // aa aa a: "aa a" and "aa aa" are equally frequent, and the letter has the smaller id.
  EXPECT_EQ(trained.tokenizer["model"]["merges"], (nlohmann::json{"a a", "aa a", "aa aaa"}));
  EXPECT_EQ(trained.vocab_size, 257 + 3);
}

TEST(BpeTrainerTest, StopsAtTheSmallestPairCount) {
  const std::vector<std::string> texts = {"ab", "ab", "cd"};
  EXPECT_EQ(TrainBpe(texts, {.vocab_size = 1000}).vocab_size, 258);
  EXPECT_EQ(TrainBpe(texts, {.vocab_size = 1000, .min_pair_count = 1}).vocab_size, 259);
  EXPECT_EQ(TrainBpe(texts, {.vocab_size = 1000, .min_pair_count = 3}).vocab_size, 257);
}

TEST(BpeTrainerTest, TextsSurviveTrainingWritingLoadingEncodingAndDecoding) {
  const fs::path folder = fs::path(testing::TempDir()) / "trained_tokenizer";
  const std::vector<std::string> texts = {"The cat sat on the mat. The cat's mat!",
                                          "Größe, 寿司 and 🍣\n\n  indented",
                                          "It's 1999, isn't it? The cat sat on the mat."};
  const BpeTrainerOptions options = {
      .vocab_size = 270, .pad_token = "<|pad|>", .mask_token = "<|mask|>"};
  WriteTokenizerFolder(TrainBpe(texts, options), folder);
  const auto tokenizer = LoadTokenizer(folder);
  for (const std::string& text : texts) {
    EXPECT_EQ(tokenizer->Decode(tokenizer->Encode(text, SpecialTokens::kAsConfigured).ids), text);
  }
  const SpecialIds specials = tokenizer->Specials();
  EXPECT_EQ(specials.bos, 0);
  EXPECT_EQ(specials.eos, 0);
  EXPECT_EQ(specials.pad, 1);
  EXPECT_EQ(specials.mask, 2);
  EXPECT_EQ(specials.unk, std::nullopt);
  EXPECT_EQ(tokenizer->VocabSize(), 270);
  EXPECT_THAT(tokenizer->Encode("<|endoftext|><|mask|>", SpecialTokens::kNone).ids,
              ElementsAre(0, 2));
  fs::remove_all(folder);
}

TEST(BpeTrainerTest, UnseenBytesCanBeEncoded) {
  const auto tokenizer = Load(TrainBpe(std::vector<std::string>{"abc"}, {.vocab_size = 257}));
  const std::string text = "Ω\x01~é";
  EXPECT_EQ(tokenizer->Decode(tokenizer->Encode(text, SpecialTokens::kNone).ids), text);
}

TEST(BpeTrainerTest, TheOrderOfTextsDoesNotMatter) {
  const std::vector<std::string> texts = {"one two three", "two three four", "three four five"};
  const std::vector<std::string> reversed(texts.rbegin(), texts.rend());
  EXPECT_EQ(TrainBpe(texts, {.vocab_size = 300}).tokenizer,
            TrainBpe(reversed, {.vocab_size = 300}).tokenizer);
}

TEST(BpeTrainerTest, RefusesImpossibleOptions) {
  EXPECT_THROW(BpeTrainer({.vocab_size = 256}), base::Error);
  EXPECT_THROW(BpeTrainer({.end_of_text_token = ""}), base::Error);
  EXPECT_THROW(BpeTrainer({.pad_token = "<|endoftext|>"}), base::Error);
  BpeTrainer trainer({});
  EXPECT_THROW(trainer.AddText("\xFF"), base::Error);
}

}  // namespace
}  // namespace assay::tokenizer
