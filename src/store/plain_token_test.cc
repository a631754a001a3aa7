#include "store/plain_token.h"

#include <gtest/gtest.h>

namespace assay::store {
namespace {

TEST(PlainTokenTest, IgnoresCaseAndSurroundingWhiteSpace) {
  EXPECT_EQ(PlainToken(" Paris"), "paris");
  EXPECT_EQ(PlainToken("PARIS\n"), "paris");
  EXPECT_EQ(PlainToken("\t in  Paris \r\n"), "in  paris");
  EXPECT_EQ(PlainToken("\u00a0\u3000x\u2009"), "x");
  EXPECT_EQ(PlainToken(""), "");
}

TEST(PlainTokenTest, LowersLettersOfSeveralScripts) {
  EXPECT_EQ(PlainToken("\u00c4\u00d6\u00d7\u00df"),
            "\u00e4\u00f6\u00d7\u00df");  // not the multiplication sign
  EXPECT_EQ(PlainToken("\u0141\u00d3D\u0179\u0178"), "\u0142\u00f3d\u017a\u00ff");
  EXPECT_EQ(PlainToken("\u0130\u0131\u0138\u0149"), "\u0130\u0131\u0138\u0149");  // no simple pair
  EXPECT_EQ(PlainToken("\u0391\u03a9\u03a3"), "\u03b1\u03c9\u03c3");
  EXPECT_EQ(PlainToken("\u0410\u042f\u0401"), "\u0430\u044f\u0451");
  EXPECT_EQ(PlainToken("\u4e2d\U0001F600"), "\u4e2d\U0001F600");
}

TEST(PlainTokenTest, KeepsWhiteSpaceTokensApart) {
  EXPECT_EQ(PlainToken(" "), " ");
  EXPECT_EQ(PlainToken("\n\n"), "\n\n");
}

TEST(PlainTokenTest, LeavesOtherBytesAlone) {
  EXPECT_EQ(PlainToken("\xFF\xC3"), "\xFF\xC3");
  EXPECT_EQ(PlainToken(" \xE2\x80"), "\xE2\x80");
  EXPECT_EQ(PlainToken("\xE0\x81\x81"), "\xE0\x81\x81");  // an overlong A
  EXPECT_EQ(PlainToken(std::string(" A\0B ", 5)), std::string("a\0b", 3));
}

TEST(PlainTokenTest, IsIdempotent) {
  for (const char* text : {" Paris", "\n", "\u0178\u0141", "\xC3 \xA9 "}) {
    EXPECT_EQ(PlainToken(PlainToken(text)), PlainToken(text));
  }
}

}  // namespace
}  // namespace assay::store
