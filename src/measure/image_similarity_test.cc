#include "measure/image_similarity.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"

namespace assay::measure {
namespace {

at::Tensor RandomImages(at::IntArrayRef shape, uint64_t seed) {
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  return at::rand(shape, generator);
}

// SSIM of one channel by loops over windows.
double SlowSsim(const at::Tensor& a, const at::Tensor& b) {
  const int64_t height = a.size(0), width = a.size(1);
  double total = 0, weight_sum = 0, weights[11][11];
  for (int u = 0; u < 11; ++u) {
    for (int v = 0; v < 11; ++v) {
      weights[u][v] = std::exp(-((u - 5) * (u - 5) + (v - 5) * (v - 5)) / (2 * 1.5 * 1.5));
      weight_sum += weights[u][v];
    }
  }
  int64_t places = 0;
  for (int64_t top = 0; top + 11 <= height; ++top) {
    for (int64_t left = 0; left + 11 <= width; ++left, ++places) {
      double mx = 0, my = 0, xx = 0, yy = 0, xy = 0;
      for (int u = 0; u < 11; ++u) {
        for (int v = 0; v < 11; ++v) {
          const double w = weights[u][v] / weight_sum;
          const double x = a[top + u][left + v].item<double>();
          const double y = b[top + u][left + v].item<double>();
          mx += w * x;
          my += w * y;
          xx += w * x * x;
          yy += w * y * y;
          xy += w * x * y;
        }
      }
      total += (2 * mx * my + 1e-4) * (2 * (xy - mx * my) + 9e-4) /
               ((mx * mx + my * my + 1e-4) * (xx - mx * mx + yy - my * my + 9e-4));
    }
  }
  return total / static_cast<double>(places);
}

TEST(SsimTest, EqualsLoopsOverWindows) {
  const at::Tensor a = RandomImages({2, 1, 14, 13}, 1);
  const at::Tensor b = (a + 0.2 * RandomImages({2, 1, 14, 13}, 2)).clamp(0, 1);
  const at::Tensor found = Ssim(a, b);
  for (int64_t i = 0; i < 2; ++i)
    EXPECT_NEAR(found[i].item<double>(), SlowSsim(a[i][0], b[i][0]), 1e-6);
  EXPECT_NEAR(Ssim(a, a).min().item<double>(), 1, 1e-12);
}

TEST(SsimTest, SmallImagesHaveASmallerWindow) {
  const at::Tensor a = RandomImages({1, 3, 4, 7}, 3);
  EXPECT_NEAR(Ssim(a, a).item<double>(), 1, 1e-12);
  EXPECT_LT(Ssim(a, 1 - a).item<double>(), 0.5);
  EXPECT_THROW(Ssim(a, a.narrow(3, 0, 6)), base::Error);
}

TEST(CieLabTest, KnownColours) {
  at::Tensor image = at::zeros({1, 3, 1, 4});
  image.select(3, 0).fill_(1);               // white
  image.select(3, 1).select(1, 0).fill_(1);  // red
  image.select(3, 2).select(1, 2).fill_(1);  // blue; 3 stays black
  const double expected[4][3] = {
      {100, 0, 0}, {53.24, 80.09, 67.20}, {32.30, 79.19, -107.86}, {0, 0, 0}};
  const at::Tensor lab = CieLab(image);
  for (int64_t i = 0; i < 4; ++i) {
    for (int64_t c = 0; c < 3; ++c)
      EXPECT_NEAR(lab[0][c][0][i].item<double>(), expected[i][c], 0.02) << i << " " << c;
  }
  EXPECT_NEAR(LargestColourDifference(image, at::ones({1, 3, 1, 4})).item<double>(),
              std::sqrt(std::pow(100 - 32.30, 2) + 79.19 * 79.19 + 107.86 * 107.86), 0.05);
}

TEST(CompareMapsTest, KnownRanks) {
  const at::Tensor a = at::tensor({1.0, 2.0, 3.0, 4.0}).reshape({2, 2});
  const MapSimilarity same = CompareMaps(a, a * a, 0.5);
  EXPECT_NEAR(same.spearman, 1, 1e-12);
  EXPECT_EQ(same.top_k, 1);
  const MapSimilarity reversed = CompareMaps(a, 5 - a, 0.5);
  EXPECT_NEAR(reversed.spearman, -1, 1e-12);
  EXPECT_EQ(reversed.top_k, 0);
  // Ranks 0, 1, 2, 3 against .5, .5, 2.5, 2.5.
  const at::Tensor tied = at::tensor({1.0, 1.0, 2.0, 2.0}).reshape({2, 2});
  EXPECT_NEAR(CompareMaps(a, tied).spearman, 4 / std::sqrt(5.0 * 4), 1e-12);
  EXPECT_EQ(CompareMaps(a, at::zeros({2, 2})).spearman, 0);
}

TEST(CompareMapsTest, RefusesWhatIsNoMagnitude) {
  const at::Tensor a = at::ones({2, 2});
  EXPECT_THROW(CompareMaps(a, -a), base::Error);
  EXPECT_THROW(CompareMaps(a, a * NAN), base::Error);
  EXPECT_THROW(CompareMaps(a, a, 0), base::Error);
  EXPECT_THROW(CompareMaps(a, at::ones({2, 3})), base::Error);
}

}  // namespace
}  // namespace assay::measure
