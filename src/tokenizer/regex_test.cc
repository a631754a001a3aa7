#include "tokenizer/regex.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace assay::tokenizer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> Matches(std::string_view pattern, std::string_view text) {
  std::vector<std::string> matches;
  for (const Range range : Regex(pattern, "test").FindAll(text)) {
    matches.emplace_back(text.substr(range.begin, range.end - range.begin));
  }
  return matches;
}

base::ErrorKind KindOfFailure(std::string_view pattern) {
  try {
    Regex regex(pattern, "FILE: place");
  } catch (const base::Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("FILE: place"));
    return error.kind();
  }
  ADD_FAILURE() << pattern << " was accepted";
  return base::ErrorKind::kInternal;
}

TEST(RegexTest, Gpt2PatternCutsWordsAndLeavesOneSpaceToTheNext) {
  EXPECT_THAT(Matches(kGpt2Pattern, "It's  12 o'clock!?\n\n x"),
              ElementsAre("It", "'s", " ", " 12", " o", "'", "clock", "!?", "\n\n", " x"));
}

// The words that Oniguruma 6.9 (Unicode 16) makes of them, seen through Hugging Face tokenizers
// 0.23.
TEST(RegexTest, ClassesAreThoseOfOniguruma) {
  EXPECT_THAT(Matches(R"(\w+)", "a\u0301_1 \u24B6\u2167 \u00BD\u2460"),
              ElementsAre("a\u0301_1", "\u24B6\u2167", "\u00BD"));
  EXPECT_THAT(Matches(R"([\w]+)", "x\u00BD"), ElementsAre("x"));
  EXPECT_THAT(Matches(R"(\W)", "a\u00BD-"), ElementsAre("-"));
  EXPECT_THAT(Matches(R"(\s)", "\u0085\u180E\u2028\u200B\t"),
              ElementsAre("\u0085", "\u2028", "\t"));
  EXPECT_THAT(Matches(R"(\S+)", "a\u180Eb\u3000c"), ElementsAre("a\u180Eb", "c"));
  EXPECT_THAT(Matches(R"([[:punct:]]+)", "a+\u20AC!b"), ElementsAre("+\u20AC!"));
  EXPECT_THAT(Matches(R"([^[:alpha:]\s]+)", "a1 b\u0301"), ElementsAre("1", "\u0301"));
  EXPECT_THAT(Matches(R"(\p{Han}+)", "\u4E2D\u3001\u6587"), ElementsAre("\u4E2D", "\u6587"));
  EXPECT_THAT(Matches(R"(\b\w)", "ab \u00E9t\u00E9"), ElementsAre("a", "\u00E9"));
  EXPECT_THAT(Matches("^.|.$", "ab\ncd"), ElementsAre("a", "b", "c", "d"));
}

TEST(RegexTest, BracketsAtTheStartOfAClassAreCharacters) {
  EXPECT_THAT(Matches("[]a]+", "x]a["), ElementsAre("]a"));
  EXPECT_THAT(Matches("[^]a]+", "x]a["), ElementsAre("x", "["));
  EXPECT_THAT(Matches(R"([\]\[]+)", "x]a["), ElementsAre("]", "["));
}

TEST(RegexTest, EmptyMatchesDoNotFollowOtherMatches) {
  EXPECT_THAT(Matches("x*", "axxb"), ElementsAre("", "xx", ""));
  EXPECT_THAT(Matches("x*", ""), ElementsAre());
  EXPECT_THAT(Matches("\u00E9*", "\u00FC\u00E9"), ElementsAre("", "\u00E9"));
}

TEST(RegexTest, SyntaxThatWouldMeanSomethingElseIsRefused) {
  for (const char* pattern :
       {R"(\h)", "[a[b]]", "[a&&b]", "(?m)a", "(?s:a)", "a(?i)b|c", "a{1,2}+", "a{2}?", "a{,2}",
        R"([\W])", R"(\R)", R"(\X)", R"(a\Kb)", R"(\Qa\E)", "(*UTF)a", "[[:xdigit:]]"}) {
    EXPECT_EQ(KindOfFailure(pattern), base::ErrorKind::kUnsupported) << pattern;
  }
}

TEST(RegexTest, MalformedPatternsAreBadInput) {
  for (const char* pattern :
       {"(", "[a", "a**", "\\", R"(\p{Klingon})", "(?<n", "*", "(?", "[[:a"}) {
    const base::ErrorKind kind = KindOfFailure(pattern);
    EXPECT_TRUE(kind == base::ErrorKind::kBadInput || kind == base::ErrorKind::kUnsupported)
        << pattern;
  }
}

TEST(RegexTest, RunawayBacktrackingIsAnErrorAndNoEndlessLoop) {
  const Regex regex("(a+)+$", "test");
  EXPECT_THROW(regex.FindAll(std::string(40, 'a') + "b"), base::Error);
}

TEST(RegexTest, LongRunsAreLinear) {
  const std::string spaces(1'000'000, ' ');
  EXPECT_EQ(Matches(kGpt2Pattern, spaces + "a").size(), 2u);
  EXPECT_EQ(Matches(R"((?:[^\s]|\s)+)", spaces).size(), 1u);  // more stack than the JIT has
}

}  // namespace
}  // namespace assay::tokenizer
