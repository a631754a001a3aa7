#include "tokenizer/utf8.h"

#include <gtest/gtest.h>

namespace assay::tokenizer {
namespace {

TEST(Utf8Test, CodePointsSurviveWritingAndReading) {
  for (const char32_t c :
       {U'\0', U'a', U'\x7F', U'\x80', U'\x7FF', U'\x800', U'\xFFFD', U'\x10000', U'\x10FFFF'}) {
    const std::string text = ToUtf8(c);
    EXPECT_EQ(CodePointAt(text, 0), c);
    EXPECT_EQ(CodePointLength(text[0]), text.size());
    EXPECT_EQ(CountCodePoints("x" + text), 2u);
    EXPECT_EQ(PreviousCodePoint("x" + text, 1 + text.size()), 1u);
  }
}

// The examples of Unicode 15, section 3.9, tables 3-8 to 3-11.
TEST(Utf8Test, EachMaximalIllFormedPartIsReplacedOnce) {
  const std::string r = "\xEF\xBF\xBD";
  EXPECT_EQ(ReplaceInvalidUtf8("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41"),
            r + r + r + r + r + r + r + r + "A");
  EXPECT_EQ(ReplaceInvalidUtf8("\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41"),
            r + r + r + r + r + r + r + r + "A");
  EXPECT_EQ(ReplaceInvalidUtf8("\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42"),
            r + r + r + r + r + "A" + r + r + "B");
  EXPECT_EQ(ReplaceInvalidUtf8("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41"), r + r + r + r + "A");
  EXPECT_EQ(ReplaceInvalidUtf8("caf\xC3\xA9 \xE2\x82"), "caf\xC3\xA9 " + r);
}

TEST(Utf8Test, IllFormedBytesAreShownOneByOne) {
  EXPECT_EQ(ShowInvalidUtf8("a\xC3\xA9\xE2\x82"), "a\xC3\xA9<0xE2><0x82>");
}

}  // namespace
}  // namespace assay::tokenizer
