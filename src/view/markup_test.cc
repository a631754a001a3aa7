#include "view/markup.h"

#include <gtest/gtest.h>

#include <cmath>

#include "view/view_testing.h"

namespace assay::view {
namespace {

TEST(EscapeMarkupTest, LeavesNoMarkup) {
  EXPECT_EQ(EscapeMarkup("<a href=\"x\">'&'</a>"),
            "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;");
  EXPECT_EQ(EscapeMarkup("\xFF\x01"), "\xEF\xBF\xBD\\x01");
  for (const std::string& token : HostileTokens()) {
    const std::string escaped = EscapeMarkup(token);
    EXPECT_EQ(CheckMarkup("<t a=\"" + escaped + "\">" + escaped + "</t>", false).problem, "")
        << escaped;
  }
}

TEST(EscapeLinkTest, AllowsOnlyRelativeAndHttp) {
  EXPECT_EQ(EscapeLink("n/2-15.html"), "n/2-15.html");
  EXPECT_EQ(EscapeLink("https://a/b?c&d"), "https://a/b?c&amp;d");
  EXPECT_EQ(EscapeLink("a/b:c"), "a/b:c");
  EXPECT_EQ(EscapeLink("javascript:alert(1)"), "#");
  EXPECT_EQ(EscapeLink("JAVASCRIPT:alert(1)"), "#");
  EXPECT_EQ(EscapeLink("java\nscript:alert(1)"), "#");
  EXPECT_EQ(EscapeLink("data:text/html,x"), "#");
}

TEST(FormatTest, Numbers) {
  EXPECT_EQ(FormatNumber(0.126, 2), "0.13");
  EXPECT_EQ(FormatNumber(-0.001, 2), "0.00");
  EXPECT_EQ(FormatNumber(std::nullopt, 2), "–");
  EXPECT_EQ(FormatNumber(NAN, 2), "–");
  EXPECT_EQ(FormatQuantity(0.0234, 3), "0.023");
  EXPECT_EQ(FormatQuantity(0.01, 3), "0.010");
  EXPECT_EQ(FormatQuantity(0.00999, 3), "9.99e-03");
  EXPECT_EQ(FormatQuantity(-1.234e-5, 3), "-1.23e-05");
  EXPECT_EQ(FormatQuantity(0.0, 3), "0.000");
  EXPECT_EQ(FormatQuantity(std::nullopt, 3), "–");
  EXPECT_EQ(FormatCoordinate(12.04), "12");
  EXPECT_EQ(FormatCount(0), "0");
  EXPECT_EQ(FormatCount(999), "999");
  EXPECT_EQ(FormatCount(1234567), "1,234,567");
  EXPECT_EQ(FormatCount(-123456), "-123,456");
}

}  // namespace
}  // namespace assay::view
