#include "view/token_text.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "view/view_testing.h"

namespace assay::view {
namespace {

TEST(ShowTokenTest, MakesEverythingVisible) {
  EXPECT_EQ(ShowToken(" Paris"), "·Paris");
  EXPECT_EQ(ShowToken("a b "), "a·b·");
  EXPECT_EQ(ShowToken("\n\t"), "↵⇥");
  EXPECT_EQ(ShowToken("\r"), "\\x0D");
  EXPECT_EQ(ShowToken(std::string(1, '\0')), "\\x00");
  EXPECT_EQ(ShowToken(""), "‹empty›");
  EXPECT_EQ(ShowToken("\u202Eabc"), "‹U+202E›abc");
  EXPECT_EQ(ShowToken("\u00A0"), "‹U+00A0›");
  EXPECT_EQ(ShowToken("\u0301"), "◌\u0301") << "a combining mark needs something to stand on";
  EXPECT_EQ(ShowToken("e\u0301"), "e\u0301");
}

TEST(ShowTokenTest, ShowsBytesThatAreNotUtf8) {
  EXPECT_EQ(ShowToken("\xE2\x80"), "\\xE2\\x80");
  EXPECT_EQ(ShowToken("\xC0\xAF"), "\\xC0\\xAF") << "overlong";
  EXPECT_EQ(ShowToken("\xED\xA0\x80"), "\\xED\\xA0\\x80") << "surrogate";
  EXPECT_EQ(ShowToken("\xF4\x90\x80\x80"), "\\xF4\\x90\\x80\\x80") << "above U+10FFFF";
  for (const std::string& token : HostileTokens())
    EXPECT_TRUE(base::IsUtf8(ShowToken(token))) << ShowToken(token);
}

TEST(ShowRunningTextTest, JoinsACharacterThatIsCutAcrossTokens) {
  const std::vector<std::string> texts = {" a", "\xF0\x9F", "\x98", "\x80!", "\xFF"};
  EXPECT_EQ(ShowRunningText(texts, std::vector<store::TokenId>{0, 1, 2, 3}),
            (std::vector<std::string>{" a", "😀", "◌", "!"}));
  EXPECT_EQ(ShowRunningText(texts, std::vector<store::TokenId>{1, 0, 4}),
            (std::vector<std::string>{"\\xF0\\x9F", " a", "\\xFF"}));
}

TEST(ShowRunningTextTest, NamesIdsOutsideTheVocabulary) {
  const std::vector<std::string> texts = {"a"};
  EXPECT_EQ(ShowRunningText(texts, std::vector<store::TokenId>{0, 9, -1}),
            (std::vector<std::string>{"a", "‹id 9›", "‹id -1›"}));
  EXPECT_EQ(TokenLabel(texts, 9), "‹id 9›");
}

TEST(TextColumnsTest, CountsWideAndCombining) {
  EXPECT_EQ(TextColumns("abc"), 3);
  EXPECT_EQ(TextColumns("日本"), 4);
  EXPECT_EQ(TextColumns("😀"), 2);
  EXPECT_EQ(TextColumns("e\u0301"), 1);
}

TEST(ShortenTextTest, NeverExceedsItsWidth) {
  EXPECT_EQ(ShortenText("abcdef", 6), "abcdef");
  EXPECT_EQ(ShortenText("abcdef", 4), "abc…");
  EXPECT_EQ(ShortenText("日本語", 4), "日…");
  EXPECT_EQ(ShortenText("abc", 1), "…");
}

TEST(TextWidthTest, IsAtLeastWhatDejaVuSansNeeds) {
  // Measured with DejaVu Sans at 1000 px.
  EXPECT_GE(TextWidthPx("W", 1000), 988.8);
  EXPECT_GE(TextWidthPx("Ж", 1000), 1225);
  EXPECT_GE(TextWidthPx("…", 1000), 1000);
  EXPECT_GE(TextWidthPx("↵", 1000), 838);
  EXPECT_GE(TextWidthPx("😀", 1000), 1043);
  EXPECT_GE(TextWidthPx("◌", 1000), 873);
  EXPECT_LT(TextWidthPx("iiii", 14), TextWidthPx("WWWW", 14) / 3);
}

}  // namespace
}  // namespace assay::view
