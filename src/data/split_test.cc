#include "data/split.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace assay::data {
namespace {

TEST(SplitTest, HalvesAreDisjointSortedAndComplete) {
  for (int count = 0; count < 30; ++count) {
    const Halves halves = SplitInHalves(count, 7, 3);
    EXPECT_EQ(halves.train.size(), static_cast<size_t>((count + 1) / 2));
    EXPECT_EQ(halves.test.size(), static_cast<size_t>(count / 2));
    EXPECT_TRUE(std::is_sorted(halves.train.begin(), halves.train.end()));
    EXPECT_TRUE(std::is_sorted(halves.test.begin(), halves.test.end()));
    std::vector<int> all = halves.train;
    all.insert(all.end(), halves.test.begin(), halves.test.end());
    std::sort(all.begin(), all.end());
    for (int i = 0; i < count; ++i) EXPECT_EQ(all[static_cast<size_t>(i)], i);
  }
}

TEST(SplitTest, DependsOnSeedAndStreamOnly) {
  EXPECT_EQ(SplitInHalves(20, 1, 1).train, SplitInHalves(20, 1, 1).train);
  EXPECT_NE(SplitInHalves(20, 1, 1).train, SplitInHalves(20, 2, 1).train);
  EXPECT_NE(SplitInHalves(20, 1, 1).train, SplitInHalves(20, 1, 2).train);
}

TEST(SplitTest, EveryItemIsTrainedOnAboutHalfTheTime) {
  std::vector<int> times(10);
  for (uint64_t stream = 0; stream < 2000; ++stream) {
    for (const int i : SplitInHalves(10, 5, stream).train) ++times[static_cast<size_t>(i)];
  }
  EXPECT_THAT(times, testing::Each(testing::AllOf(testing::Gt(900), testing::Lt(1100))));
}

}  // namespace
}  // namespace assay::data
