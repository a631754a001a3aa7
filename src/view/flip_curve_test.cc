#include "view/flip_curve.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace assay::view {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(FlipCurveTest, DrawsAllSeriesInGreyLevelsByRisingBudget) {
  const std::string svg =
      WriteFlipCurve({.model = "m<1>",
                      .norm = "linf",
                      .points = {{8.0 / 255, 0.9, 0.02, 0.1}, {2.0 / 255, 0.25, 0.01, 0.015}}});
  EXPECT_THAT(svg, HasSubstr("m&lt;1&gt;"));
  EXPECT_THAT(svg, HasSubstr("universal at 8: 90.0%"));
  EXPECT_THAT(svg, HasSubstr("shuffled at 2: 1.5%"));
  EXPECT_LT(svg.find("universal at 2"), svg.find("universal at 8"));
}

TEST(FlipCurveTest, BeginsAtNoChangeAndTheGoalIsALineWithoutPoints) {
  const std::string svg = WriteFlipCurve({.norm = "linf", .points = {{8.0 / 255, 0.9, 0.02, 0.1}}});
  EXPECT_THAT(svg, HasSubstr("universal at 0: 0.0%"));
  EXPECT_THAT(svg, HasSubstr(">100</text>"));  // the axis of shares is whole
  EXPECT_THAT(svg, HasSubstr("stroke-dasharray"));
  EXPECT_THAT(svg, HasSubstr(">goal 84%</text>"));
  EXPECT_THAT(svg, Not(HasSubstr("<title>goal")));
  EXPECT_THAT(WriteFlipCurve({.norm = "linf", .points = {{0.1, 0.9, 0, 0}}, .goal = 0}),
              Not(HasSubstr("dasharray")));
}

TEST(FlipCurveTest, OtherNormsKeepTheirUnitAndNoPointsAreDrawn) {
  EXPECT_THAT(WriteFlipCurve({.norm = "l2", .points = {{1.5, 0.5, 0, 0}}}),
              HasSubstr("universal at 1.5: 50.0%"));
  EXPECT_THAT(WriteFlipCurve({.norm = "l2"}), Not(HasSubstr("nan")));
}

}  // namespace
}  // namespace assay::view
