// Tiles for the tests of transforms.
#pragma once

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <cstdint>
#include <numeric>
#include <vector>

namespace assay::transforms {

inline double LargestDifference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

inline std::vector<int64_t> Ids(int64_t count) {
  std::vector<int64_t> ids(static_cast<size_t>(count));
  std::iota(ids.begin(), ids.end(), 0);
  return ids;
}

// Random 8-bit values, black and white among them: [B, 3, H, W].
inline at::Tensor Tiles(int64_t batch, int64_t height, int64_t width, uint64_t seed) {
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  return at::randint(0, 256, {batch, 3, height, width}, generator).to(at::kFloat) / 255;
}

// Waves of a few pixels' length in [0.2, 0.8], a little different in every channel.
inline at::Tensor SmoothTiles(int64_t batch, int64_t height, int64_t width) {
  const at::Tensor b = at::arange(batch).reshape({-1, 1, 1, 1});
  const at::Tensor c = at::arange(3).reshape({1, -1, 1, 1});
  const at::Tensor y = at::arange(height).reshape({1, 1, -1, 1});
  const at::Tensor x = at::arange(width).reshape({1, 1, 1, -1});
  return ((x * 0.45 + y * 0.2 + c * 0.6 + b).sin() + (y * 0.5 - x * 0.15 + c + 2 * b).sin()) *
             0.15 +
         0.5;
}

}  // namespace assay::transforms
