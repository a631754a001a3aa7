#include "view/charts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "view/trajectory.h"
#include "view/view_testing.h"

namespace assay::view {
namespace {

using ::testing::DoubleEq;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(LineChartTest, IsWellFormedWithOneLineEach) {
  LineChart chart;
  chart.title = "a < b";
  chart.lines = {
      {"layer 0", {0, 0.5, 1}, "q-0"}, {"layer <1>", {0.2, NAN, 0.4}, "q-4"}, {"none", {}, "q-8"}};
  chart.rule = 0.5;
  chart.standalone = true;
  const std::string svg = WriteLineChart(chart);
  EXPECT_EQ(CheckMarkup(svg, false).problem, "");
  EXPECT_THAT(svg, HasSubstr("class=\"line q-4\" d=\"M"));
  EXPECT_THAT(svg, HasSubstr("layer &lt;1&gt;"));
  EXPECT_EQ(svg.find("nan"), std::string::npos);
}

TEST(LineChartTest, OfASinglePointDoesNotDivideByZero) {
  LineChart chart;
  chart.lines = {{"x", {0.3}, "q-0"}};
  const std::string svg = WriteLineChart(chart);
  EXPECT_EQ(CheckMarkup(svg, false).problem, "");
  EXPECT_EQ(svg.find("–"), std::string::npos);
}

TEST(SparklineTest, IsEmptyWithoutValues) {
  EXPECT_EQ(WriteSparkline({}, 0.5, "x"), "");
  EXPECT_EQ(CheckMarkup(WriteSparkline({0.1, 2, -1}, 0.5, "a\"b"), false).problem, "");
}

store::Pruning Stopped(float full, std::vector<float> trajectory) {
  store::Pruning pruning;
  pruning.full_activation = full;
  pruning.trajectory = std::move(trajectory);
  return pruning;
}

TEST(TrajectoryMeanTest, KeepsTheLastValueOfExamplesThatStopped) {
  TrajectoryMean mean;
  mean.Add(Stopped(2, {0, 1, 2}));
  mean.Add(Stopped(4, {2}));
  mean.Add(Stopped(0, {1, 1}));
  mean.Add(Stopped(1, {}));
  EXPECT_THAT(mean.Values(), ElementsAre(DoubleEq(0.25), DoubleEq(0.5), DoubleEq(0.75)));
  EXPECT_EQ(mean.examples(), 2);
  EXPECT_EQ(mean.skipped(), 2);
}

TEST(TrajectoryMeanTest, DoesNotDependOnOrder) {
  TrajectoryMean mean;
  mean.Add(Stopped(4, {2}));
  mean.Add(Stopped(2, {0, 1, 2}));
  mean.Add(Stopped(1, {0.5f, 0.75f}));
  EXPECT_THAT(mean.Values(),
              ElementsAre(DoubleEq(1.0 / 3), DoubleEq(1.75 / 3), DoubleEq(2.25 / 3)));
  EXPECT_TRUE(TrajectoryMean().Values().empty());
}

}  // namespace
}  // namespace assay::view
