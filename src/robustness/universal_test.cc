#include "robustness/universal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "robustness/robustness_testing.h"

namespace assay::robustness {
namespace {

using testing::HasSubstr;

// All images on one side of a linear boundary: one perturbation along the slope flips them all.
class UniversalTest : public testing::TestWithParam<std::string> {
 protected:
  UniversalTest() {
    const at::Tensor slope = Seeded({48}, 3);
    const at::Tensor weights = at::stack({slope, -slope});
    images_ = 0.4 + 0.2 * Seeded({60, 3, 4, 4}, 5, false);
    // Class 0 by a margin that grows with the image.
    const at::Tensor side = (images_.flatten(1) * slope).sum(1);
    model_ = std::make_unique<LinearClassifier>(weights,
                                                at::stack({0.3 - side.min(), side.min() - 0.3}));
    labels_ = Answers(*model_, images_);
    options_.norm = GetParam();
    options_.epsilon = GetParam() == "linf" ? 0.2 : 0.8;
    options_.batch = 16;
  }
  std::unique_ptr<LinearClassifier> model_;
  at::Tensor images_, labels_;
  UniversalOptions options_;
};

TEST_P(UniversalTest, FlipsUnseenImagesAndControlsDoNot) {
  ASSERT_EQ(labels_.sum().item<int64_t>(), 0);
  const auto found =
      TrainUniversal(*model_, images_.narrow(0, 0, 30), labels_.narrow(0, 0, 30), options_);
  const Norm norm = measure::ParseNorm(options_.norm);
  EXPECT_LE(measure::Distance(found.delta, norm).item<double>(), options_.epsilon * (1 + 1e-5));
  const at::Tensor unseen = images_.narrow(0, 30, 30), labels = labels_.narrow(0, 30, 30);
  const UniversalScore score = ScoreUniversal(*model_, unseen, labels, found.delta);
  EXPECT_EQ(score.images, 30);
  EXPECT_EQ(score.right, 30);
  EXPECT_GT(score.FlipShare(), 0.9);
  EXPECT_GT(score.confidence, 0.5);
  EXPECT_EQ(score.flipped_by_class[0], score.flipped);
  EXPECT_NEAR(static_cast<double>(score.flipped_stored), static_cast<double>(score.flipped), 2);
  const at::Tensor random = RandomLike(found.delta, norm, 0, 0);
  const at::Tensor shuffled = ShuffledPixels(found.delta, 0, 0);
  for (const at::Tensor& control : {random, shuffled}) {
    EXPECT_NEAR(measure::Distance(control, norm).item<double>() /
                    measure::Distance(found.delta, norm).item<double>(),
                1, 1e-4);
    EXPECT_LT(ScoreUniversal(*model_, unseen, labels, control).FlipShare(), score.FlipShare() / 2);
  }
}

TEST_P(UniversalTest, SameSeedSameResult) {
  options_.epochs = 2;
  options_.restarts = 2;
  const at::Tensor images = images_.clone();
  const auto once = TrainUniversal(*model_, images_, labels_, options_);
  EXPECT_TRUE(at::equal(once.delta, TrainUniversal(*model_, images_, labels_, options_).delta));
  EXPECT_TRUE(at::equal(images, images_));
}

TEST_P(UniversalTest, WithoutARightImageThereIsNothingToTrainOn) {
  EXPECT_THAT(ErrorMessage([&] { TrainUniversal(*model_, images_, 1 - labels_, options_); }),
              HasSubstr("right on none of 60"));
}

INSTANTIATE_TEST_SUITE_P(Norms, UniversalTest, testing::Values("linf", "l2"),
                         [](const auto& norm) { return norm.param; });

}  // namespace
}  // namespace assay::robustness
