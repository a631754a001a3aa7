#include "view/scatter_chart.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace assay::view {
namespace {

using testing::HasSubstr;
using testing::Not;

size_t Count(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST(ScatterChartTest, ShowsEveryPointWithItsTitle) {
  const std::string svg =
      WriteScatterChart({.title = "a < b",
                         .x_label = "x",
                         .y_label = "y",
                         .series = {{"one", {{0, 0, "1:2 & more"}, {1, 1, "second"}}, true},
                                    {"two", {{0.5, NAN, "no place"}, {0.5, 0.5, "third"}}}}});
  EXPECT_THAT(svg, HasSubstr("a &lt; b"));
  EXPECT_THAT(svg, HasSubstr("1:2 &amp; more"));
  EXPECT_THAT(svg, Not(HasSubstr("no place")));
  EXPECT_EQ(Count(svg, "<title>"), 3U);
  EXPECT_EQ(Count(svg, "<polyline"), 1U);
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
}

TEST(ScatterChartTest, NoPointsAndEqualPointsAreDrawn) {
  EXPECT_THAT(WriteScatterChart({.title = "empty"}), HasSubstr("</svg>"));
  const std::string one = WriteScatterChart({.series = {{"one", {{2, 3, ""}, {2, 3, ""}}}}});
  EXPECT_THAT(one, Not(HasSubstr("nan")));
  EXPECT_THAT(one, Not(HasSubstr("inf")));
}

}  // namespace
}  // namespace assay::view
