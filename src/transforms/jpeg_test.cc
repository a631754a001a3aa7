#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "transforms/transform.h"
#include "transforms/transforms_testing.h"

namespace assay::transforms {
namespace {

// Annex K, written out again: the transposed table must not pass.
constexpr std::array<double, 64> kLuma{16, 11, 10, 16, 24,  40,  51,  61,   //
                                       12, 12, 14, 19, 26,  58,  60,  55,   //
                                       14, 13, 16, 24, 40,  57,  69,  56,   //
                                       14, 17, 22, 29, 51,  87,  80,  62,   //
                                       18, 22, 37, 56, 68,  109, 103, 77,   //
                                       24, 35, 55, 64, 81,  104, 113, 92,   //
                                       49, 64, 78, 87, 103, 121, 120, 101,  //
                                       72, 92, 95, 98, 112, 100, 103, 99};

double Cosine(int u, int x) {
  return (u == 0 ? std::sqrt(0.125) : 0.5) * std::cos((2 * x + 1) * u * std::numbers::pi / 16);
}

double SmoothRound(double x) {
  const double whole = std::nearbyint(x);
  return whole + std::pow(x - whole, 3);
}

// One 8 x 8 block of grey levels through the codec, by the definition.
std::array<double, 64> Coded(const std::array<double, 64>& block, double factor) {
  std::array<double, 64> coefficients{}, out{};
  for (int u = 0; u < 8; ++u) {
    for (int v = 0; v < 8; ++v) {
      double sum = 0;
      for (int y = 0; y < 8; ++y) {
        for (int x = 0; x < 8; ++x) sum += (block[y * 8 + x] - 128) * Cosine(u, y) * Cosine(v, x);
      }
      const double step = std::max(1.0, kLuma[u * 8 + v] * factor);
      coefficients[u * 8 + v] = SmoothRound(sum / step) * step;
    }
  }
  for (int y = 0; y < 8; ++y) {
    for (int x = 0; x < 8; ++x) {
      double sum = 128;
      for (int u = 0; u < 8; ++u) {
        for (int v = 0; v < 8; ++v) sum += coefficients[u * 8 + v] * Cosine(u, y) * Cosine(v, x);
      }
      out[y * 8 + x] = std::clamp(sum, 0.0, 255.0);
    }
  }
  return out;
}

TEST(JpegTest, GreyTilesEqualALoopOverBlocks) {
  const at::Tensor grey =
      (SmoothTiles(1, 16, 16).narrow(1, 0, 1) + Tiles(1, 16, 16, 5).narrow(1, 0, 1) * 0.2 - 0.1)
          .clamp(0, 1);
  for (const double quality : {15.0, 60.0, 97.0}) {
    const double factor = quality < 50 ? 50 / quality : 2 - quality / 50;
    const at::Tensor out = MakeTransform("jpeg")->Apply(grey.repeat({1, 3, 1, 1}),
                                                        at::full({1, 1}, quality, at::kFloat));
    double worst = 0;
    for (int block = 0; block < 4; ++block) {
      const int64_t top = block / 2 * 8, left = block % 2 * 8;
      std::array<double, 64> values{};
      for (int i = 0; i < 64; ++i)
        values[i] = grey[0][0][top + i / 8][left + i % 8].item<double>() * 255;
      const auto expected = Coded(values, factor);
      for (int i = 0; i < 64; ++i) {
        for (int channel = 0; channel < 3; ++channel) {
          const double found = out[0][channel][top + i / 8][left + i % 8].item<double>() * 255;
          worst = std::max(worst, std::abs(found - expected[i]));
        }
      }
    }
    // Grey has chroma up to rounding of the published colour matrix, 1e-6 of 255.
    EXPECT_LT(worst, 2e-2) << quality;
  }
}

TEST(JpegTest, SidesThatAreNoMultipleOf16AreContinuedByTheirLastPixels) {
  const at::Tensor images = Tiles(2, 50, 37, 6), quality = at::full({2, 1}, 40.0f);
  const auto jpeg = MakeTransform("jpeg");
  const at::Tensor whole = jpeg->Apply(at::replication_pad2d(images, {0, 11, 0, 14}), quality);
  const at::Tensor out = jpeg->Apply(images, quality);
  EXPECT_LT(LargestDifference(out, whole.narrow(2, 0, 50).narrow(3, 0, 37)), 1e-6);
}

TEST(JpegTest, LowerQualityDistortsMoreAndAbove100NothingChanges) {
  const at::Tensor images = SmoothTiles(1, 48, 48);
  double before = 0;
  for (const float quality : {101.f, 98.f, 70.f, 30.f, 10.f, 3.f}) {
    const at::Tensor out = MakeTransform("jpeg")->Apply(images, at::full({1, 1}, quality));
    const double distortion = (out - images).abs().mean().item<double>();
    if (quality > 100) {
      EXPECT_TRUE(at::equal(out, images));
    } else {
      EXPECT_GT(distortion, before) << quality;
    }
    before = distortion;
  }
}

// r(x) jumps where a coefficient passes a half, so a few differences contain a jump.
TEST(JpegTest, GradientsEqualDifferencesAwayFromJumps) {
  const auto jpeg = MakeTransform("jpeg");
  const at::Tensor images = SmoothTiles(1, 16, 16);
  const at::Tensor weights = SmoothTiles(1, 16, 16).flip(2).to(at::kDouble) - 0.4;
  const auto objective = [&](const at::Tensor& x, const at::Tensor& quality) {
    return (jpeg->Apply(x, quality).to(at::kDouble) * weights).sum();
  };
  const at::Tensor direction = SmoothTiles(1, 16, 16).flip(3) - 0.5;
  int in_quality = 0, in_images = 0;
  for (int i = 0; i < 20; ++i) {
    const at::Tensor quality =
        at::full({1, 1}, 11.3f + 3.7f * static_cast<float>(i)).requires_grad_();
    const at::Tensor x = images.clone().requires_grad_();
    objective(x, quality).backward();
    at::NoGradGuard no_grad;
    const auto close = [](double found, double expected, double rounding) {
      return std::abs(found - expected) < 0.05 * std::abs(expected) + rounding;
    };
    const double h = 0.02;
    in_quality += close(
        quality.grad().item<double>(),
        (objective(images, quality + h) - objective(images, quality - h)).item<double>() / (2 * h),
        1e-4);
    const double s = 1e-4;
    in_images += close(
        (x.grad() * direction).sum().item<double>(),
        (objective(images + direction * s, quality) - objective(images - direction * s, quality))
                .item<double>() /
            (2 * s),
        2e-2);
    EXPECT_GT(x.grad().abs().max().item<double>(), 1e-3);
    EXPECT_GT(std::abs(quality.grad().item<double>()), 0);
  }
  EXPECT_GE(in_quality, 14);
  EXPECT_GE(in_images, 14);
}

}  // namespace
}  // namespace assay::transforms
