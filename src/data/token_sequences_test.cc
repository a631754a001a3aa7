#include "data/token_sequences.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/base_testing.h"

namespace assay::data {
namespace {

namespace fs = std::filesystem;
using base::TemporaryFolder;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr TokenId kBos = 256;

// One token a byte.
class ByteTokenizer : public tokenizer::Tokenizer {
 public:
  tokenizer::Encoding Encode(std::string_view text, tokenizer::SpecialTokens) const override {
    if (text == "unencodable") base::Fail(base::ErrorKind::kInternal, "the tokenizer failed");
    tokenizer::Encoding encoding;
    for (const char c : text) encoding.ids.push_back(static_cast<unsigned char>(c));
    return encoding;
  }
  std::string Decode(std::span<const TokenId> ids) const override {
    return {ids.begin(), ids.end()};
  }
  std::string TokenText(TokenId id) const override { return std::string(1, static_cast<char>(id)); }
  int VocabSize() const override { return 257; }
  tokenizer::SpecialIds Specials() const override { return {.bos = kBos}; }
  bool ContinuesWord(TokenId) const override { return false; }
};

std::string Show(const TokenSequence& sequence) {
  std::string text;
  for (const TokenId id : sequence.tokens) text += id == kBos ? '^' : static_cast<char>(id);
  return fmt::format("{} {}/{}@{} {}", sequence.id, sequence.file, sequence.document,
                     sequence.begin, text);
}

struct Result {
  std::vector<std::string> sequences;
  SequenceCounts counts;
};

Result Read(const std::vector<fs::path>& inputs, std::optional<TokenId> bos,
            const TokenSequenceOptions& options) {
  TextCorpus corpus(inputs, {});
  const ByteTokenizer tokenizer;
  TokenSequences stream(corpus, tokenizer, bos, options);
  Result result;
  while (const auto sequence = stream.Next()) result.sequences.push_back(Show(*sequence));
  EXPECT_FALSE(stream.Next().has_value());
  result.counts = stream.counts();
  return result;
}

base::ErrorKind KindOf(const std::function<void()>& action) { return base::ErrorOf(action).kind(); }

class TokenSequencesTest : public testing::TestWithParam<int> {  // read_ahead
 protected:
  TokenSequenceOptions Options() const {
    TokenSequenceOptions options;
    options.max_tokens = 4;
    options.read_ahead = GetParam();
    return options;
  }
  TemporaryFolder folder_;
};

TEST_P(TokenSequencesTest, CutsDocumentsWithoutCrossingThem) {
  const std::vector<fs::path> inputs = {folder_.Write("a.txt", "abcdefg\n\nhi\n\nj"),
                                        folder_.Write("b.txt", "klmno")};
  const Result plain = Read(inputs, std::nullopt, Options());
  EXPECT_THAT(plain.sequences,
              ElementsAre("0 0/0@0 abcd", "1 0/0@4 efg", "2 0/1@0 hi", "3 1/0@0 klmn"));
  EXPECT_EQ(plain.counts.sequences, 4);
  EXPECT_EQ(plain.counts.tokens, 13);
  EXPECT_EQ(plain.counts.short_tails, 2);
  EXPECT_EQ(plain.counts.short_tail_tokens, 2);
}

TEST_P(TokenSequencesTest, PutsBosBeforeEverySequence) {
  const Result result = Read({folder_.Write("a.txt", "abcdefg")}, kBos, Options());
  EXPECT_THAT(result.sequences, ElementsAre("0 0/0@0 ^abc", "1 0/0@3 ^def"));
  EXPECT_EQ(result.counts.tokens, 8);
  EXPECT_EQ(result.counts.short_tails, 1);
}

TEST_P(TokenSequencesTest, StopsAtTheLimits) {
  const auto file = folder_.Write("a.txt", "abcdefghijklmnop");
  TokenSequenceOptions options = Options();
  options.max_sequences = 2;
  EXPECT_THAT(Read({file}, std::nullopt, options).sequences,
              ElementsAre("0 0/0@0 abcd", "1 0/0@4 efgh"));
  options = Options();
  options.max_tokens_total = 11;
  EXPECT_THAT(Read({file}, std::nullopt, options).sequences,
              ElementsAre("0 0/0@0 abcd", "1 0/0@4 efgh"));
}

TEST_P(TokenSequencesTest, FailsWithoutAnySequence) {
  const auto file = folder_.Write("a.txt", "a\n\nb");
  EXPECT_EQ(KindOf([&] { Read({file}, std::nullopt, Options()); }), base::ErrorKind::kBadInput);
  const auto bad = folder_.Write("b.jsonl", "{}");
  EXPECT_EQ(KindOf([&] { Read({bad}, std::nullopt, Options()); }), base::ErrorKind::kBadInput);
}

TEST_P(TokenSequencesTest, GivesWhatCameBeforeAnErrorAndThenTheError) {
  const auto file = folder_.Write("a.txt", "abcd\n\nunencodable");
  TextCorpus corpus({file}, {});
  const ByteTokenizer tokenizer;
  TokenSequences stream(corpus, tokenizer, std::nullopt, Options());
  EXPECT_TRUE(stream.Next().has_value());
  EXPECT_THROW(stream.Next(), base::Error);
}

TEST_P(TokenSequencesTest, MayBeLeftBeforeTheEnd) {
  const auto file = folder_.Write("a.txt", std::string(100'000, 'x'));
  TextCorpus corpus({file}, {});
  const ByteTokenizer tokenizer;
  TokenSequences stream(corpus, tokenizer, std::nullopt, Options());
  EXPECT_TRUE(stream.Next().has_value());
}

INSTANTIATE_TEST_SUITE_P(ReadAhead, TokenSequencesTest, testing::Values(0, 1, 64));

TEST(TokenSequencesOptionsTest, RefusesSequencesWithoutRoom) {
  const TemporaryFolder folder;
  const auto file = folder.Write("a.txt", "abc");
  TokenSequenceOptions options;
  options.max_tokens = 2;
  EXPECT_EQ(KindOf([&] { Read({file}, kBos, options); }), base::ErrorKind::kUsage);
  options.max_tokens = 1;
  EXPECT_EQ(KindOf([&] { Read({file}, std::nullopt, options); }), base::ErrorKind::kUsage);
}

TEST(ResolveBosTest, FollowsThePolicy) {
  const tokenizer::SpecialIds with{.bos = 1}, without;
  EXPECT_EQ(ResolveBos("auto", with, 2), 1);
  EXPECT_EQ(ResolveBos("auto", without, 2), 2);
  EXPECT_EQ(ResolveBos("auto", without, std::nullopt), std::nullopt);
  EXPECT_EQ(ResolveBos("never", with, 2), std::nullopt);
  EXPECT_EQ(ResolveBos("always", without, 2), 2);
  EXPECT_EQ(KindOf([&] { ResolveBos("always", without, std::nullopt); }), base::ErrorKind::kUsage);
}

TEST(TokenSequencesSharedTest, ReadAheadGivesTheSameSequencesOfRealText) {
  const fs::path shared = fs::path(ASSAY_SOURCE_DIR) / "../shared/data/text";
  if (!fs::exists(shared)) GTEST_SKIP() << "no shared data at " << shared;
  TokenSequenceOptions options;
  options.read_ahead = 0;
  const Result plain = Read({shared}, kBos, options);
  options.read_ahead = 100;
  const Result ahead = Read({shared}, kBos, options);
  EXPECT_GT(plain.sequences.size(), 20'000u);
  EXPECT_EQ(plain.sequences, ahead.sequences);
  EXPECT_EQ(plain.counts.short_tails, ahead.counts.short_tails);
}

}  // namespace
}  // namespace assay::data
