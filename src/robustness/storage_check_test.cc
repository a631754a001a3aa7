#include "robustness/storage_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "robustness/robustness_testing.h"

namespace assay::robustness {
namespace {

using testing::HasSubstr;

class StorageTest : public testing::TestWithParam<int> {};  // channels

TEST_P(StorageTest, PngRoundsToTheNearestGreyLevelAndNoMore) {
  const at::Tensor images = Seeded({3, GetParam(), 7, 5}, 1, false);
  const at::Tensor stored = ThroughPng(images);
  EXPECT_EQ(stored.sizes(), images.sizes());
  EXPECT_LT((stored - (images * 255).round() / 255).abs().max().item<float>(), 1e-6);
  EXPECT_TRUE(at::equal(ThroughPng(stored), stored));
}

TEST_P(StorageTest, JpegKeepsSmoothImagesAndOrderOfChannels) {
  at::Tensor images = at::linspace(0.2, 0.8, 16).view({1, 1, 1, 16}).expand({1, 1, 16, 16});
  images = at::cat(std::vector<at::Tensor>(static_cast<size_t>(GetParam()), images), 1).clone();
  if (GetParam() == 3) images.select(1, 0).mul_(0.5);  // red apart from blue
  const double fine = (ThroughJpeg(images, 90) - images).abs().max().item<double>();
  const double coarse = (ThroughJpeg(images, 10) - images).abs().mean().item<double>();
  EXPECT_LT(fine, 0.06);
  EXPECT_GT(coarse, (ThroughJpeg(images, 90) - images).abs().mean().item<double>());
}

INSTANTIATE_TEST_SUITE_P(Channels, StorageTest, testing::Values(1, 3));

TEST(StoredImagesTest, OtherChannelCountsAreRefused) {
  EXPECT_THAT(ErrorMessage([] { ThroughPng(at::zeros({1, 2, 4, 4})); }), HasSubstr("1 or 3"));
}

TEST(StoredImagesTest, SuccessesBelowHalfAGreyLevelDoNotSurvive) {
  const at::Tensor images =
      at::cat({at::full({1, 3, 4, 4}, 128.4F / 255), at::full({1, 3, 4, 4}, 140.0F / 255)});
  const at::Tensor labels = at::zeros({2}, at::kLong);  // "low"; both are seen as high
  const StepClassifier strict(128.2 / 255);
  const StoredSuccess stored = CheckStored(strict, images, labels);
  EXPECT_TRUE(measure::Fooled(strict.Logits(images), labels).all().item<bool>());
  EXPECT_FALSE(stored.png[0].item<bool>());  // 128 after rounding
  EXPECT_TRUE(stored.png[1].item<bool>());
  EXPECT_TRUE(stored.jpeg75[1].item<bool>());
}

}  // namespace
}  // namespace assay::robustness
