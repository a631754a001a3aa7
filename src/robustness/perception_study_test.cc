#include "robustness/perception_study.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "robustness/robustness_testing.h"

namespace assay::robustness {
namespace {

using testing::HasSubstr;

TEST(PerceptionStudyTest, PairsDifferByTheLevelAndSidesAreMixed) {
  const SmallNetwork model(3, 2, 7);
  TileBatch tiles{.images = (Seeded({6, 3, 12, 12}, 2, false) * 255).round() / 255};
  tiles.labels = Answers(model, tiles.images);
  tiles.infos.resize(6);
  StudyOptions options{.levels = "2,8", .trials = 20, .steps = 4};
  const std::vector<StudyPair> pairs = MakeStudy(model, tiles, options);
  ASSERT_EQ(pairs.size(), 40u);
  int first = 0;
  for (const StudyPair& pair : pairs) {
    int largest = 0;
    for (size_t i = 0; i < pair.first.pixels.size(); ++i)
      largest = std::max(largest, std::abs(pair.first.pixels[i] - pair.second.pixels[i]));
    EXPECT_EQ(largest, static_cast<int>(pair.level));
    first += pair.altered_first ? 1 : 0;
  }
  EXPECT_GT(first, 8);
  EXPECT_LT(first, 32);
  options.levels = "2,0.5";
  EXPECT_THAT(ErrorMessage([&] { MakeStudy(model, tiles, options); }), HasSubstr("'0.5'"));
}

}  // namespace
}  // namespace assay::robustness
