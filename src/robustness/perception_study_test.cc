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

// No change raises any objective, so that the best state of an attack is the tile itself.
class Unmoved : public model::ImageClassifier {
 public:
  Unmoved() { spec_ = {.class_names = {"a", "b"}, .any_size = true}; }
  at::Tensor Logits(const at::Tensor& images) const override {
    const at::Tensor nothing = images.sum({1, 2, 3}) * 0;
    return at::stack({nothing + 5, nothing}, 1);
  }
};

TEST(PerceptionStudyTest, NoPairIsOnePictureTwice) {
  TileBatch tiles{.images = (Seeded({6, 3, 12, 12}, 2, false) * 255).round() / 255};
  tiles.infos.resize(6);
  const StudyOptions options{.levels = "4,8,16", .trials = 12, .steps = 4};
  for (const int64_t label : {0, 1}) {  // right, and wrong from the start
    tiles.labels = at::full({6}, label, at::kLong);
    for (const StudyPair& pair : MakeStudy(Unmoved(), tiles, options)) {
      int largest = 0;
      for (size_t i = 0; i < pair.first.pixels.size(); ++i)
        largest = std::max(largest, std::abs(pair.first.pixels[i] - pair.second.pixels[i]));
      EXPECT_EQ(largest, static_cast<int>(pair.level));
      EXPECT_GT(pair.rmse_grey, 0);
    }
  }
}

TEST(PerceptionStudyTest, ALevelThatNoTileReachesIsRefused) {
  const SmallNetwork model(3, 2, 7);
  TileBatch tiles{.images = at::full({2, 3, 12, 12}, 128.0f / 255)};
  tiles.labels = Answers(model, tiles.images);
  tiles.infos.resize(2);
  const StudyOptions options{.levels = "8,200", .trials = 4, .steps = 4};
  EXPECT_THAT(ErrorMessage([&] { MakeStudy(model, tiles, options); }),
              HasSubstr("none of 2 tiles by 200 grey levels"));
}

}  // namespace
}  // namespace assay::robustness
