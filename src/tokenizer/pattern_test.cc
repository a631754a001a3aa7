#include "tokenizer/pattern.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace assay::tokenizer {
namespace {

using ::testing::ElementsAre;

// The pieces of "the-final--countdown" cut at "-": the examples of Hugging Face tokenizers'
// documentation.
std::vector<std::string> Cut(SplitBehavior behavior, bool invert = false) {
  const std::string text = "the-final--countdown";
  std::vector<std::string> pieces;
  for (const Range range :
       SplitByMatches(LiteralPattern("-").FindAll(text), text.size(), behavior, invert)) {
    pieces.push_back(text.substr(range.begin, range.end - range.begin));
  }
  return pieces;
}

TEST(SplitByMatchesTest, BehavesAsDocumented) {
  EXPECT_THAT(Cut(SplitBehavior::kRemoved), ElementsAre("the", "final", "countdown"));
  EXPECT_THAT(Cut(SplitBehavior::kIsolated),
              ElementsAre("the", "-", "final", "-", "-", "countdown"));
  EXPECT_THAT(Cut(SplitBehavior::kMergedWithPrevious),
              ElementsAre("the-", "final-", "-", "countdown"));
  EXPECT_THAT(Cut(SplitBehavior::kMergedWithNext), ElementsAre("the", "-final", "-", "-countdown"));
  EXPECT_THAT(Cut(SplitBehavior::kContiguous), ElementsAre("the", "-", "final", "--", "countdown"));
}

TEST(SplitByMatchesTest, InvertSwapsMatchesAndTheRest) {
  EXPECT_THAT(Cut(SplitBehavior::kRemoved, true), ElementsAre("-", "-", "-"));
  EXPECT_THAT(Cut(SplitBehavior::kMergedWithPrevious, true),
              ElementsAre("the", "-final", "-", "-countdown"));
}

TEST(SplitByMatchesTest, EmptyMatchesCut) {
  EXPECT_THAT(SplitByMatches({{0, 0}, {2, 2}}, 3, SplitBehavior::kIsolated, false),
              ElementsAre(Range{0, 2}, Range{2, 3}));
}

TEST(LiteralPatternTest, MatchesDoNotOverlap) {
  EXPECT_THAT(LiteralPattern("aa").FindAll("aaaaa"), ElementsAre(Range{0, 2}, Range{2, 4}));
}

}  // namespace
}  // namespace assay::tokenizer
