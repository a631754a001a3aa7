#include "transforms/separable.h"

#include <ATen/ATen.h>

namespace assay::transforms {

at::Tensor ApplySeparable(const at::Tensor& images, const at::Tensor& rows,
                          const at::Tensor& columns) {
  const int64_t batch = images.size(0), channels = images.size(1);
  const int64_t height = images.size(2), width = images.size(3);
  const at::Tensor across =
      at::bmm(images.reshape({batch, channels * height, width}), columns.transpose(1, 2));
  const at::Tensor down = across.reshape({batch, channels, height, width})
                              .transpose(1, 2)
                              .reshape({batch, height, channels * width});
  return at::bmm(rows, down).reshape({batch, height, channels, width}).transpose(1, 2);
}

at::Tensor Column(const at::Tensor& parameters, int64_t p) { return parameters.narrow(1, p, 1); }

at::Tensor Positions(int64_t n, const at::Tensor& like) { return at::arange(n, like.options()); }

at::Tensor HatWeights(const at::Tensor& positions, int64_t size) {
  return (1 - (positions.unsqueeze(2) - Positions(size, positions)).abs()).clamp_min(0);
}

at::Tensor Coverage(const at::Tensor& begin, const at::Tensor& end, int64_t n) {
  const at::Tensor left = Positions(n, begin);
  return (at::minimum(end, left + 1) - at::maximum(begin, left)).clamp(0, 1);
}

at::Tensor ReflectInto(const at::Tensor& values, const at::Tensor& length) {
  return length - (at::remainder(values, 2 * length) - length).abs();
}

at::Tensor GaussianMatrix(const at::Tensor& sigma, int64_t size) {
  const at::Tensor j = Positions(size, sigma), i = j.unsqueeze(1);
  // 1e-8: sigma 0 leaves exp(0) = 1 at distance 0 and exp(-5e7) = 0 elsewhere.
  const at::Tensor scale = -0.5 / (sigma.square() + 1e-8).unsqueeze(2);  // [B, 1, 1]
  const auto weights = [&](const at::Tensor& distance) {
    return (distance.square() * scale).exp();
  };
  // The image, and its mirror images about the outer edges of the first and the last pixel.
  const at::Tensor sum = weights(j - i) + weights(-1 - j - i) + weights(2.0 * size - 1 - j - i);
  return sum / sum.sum(2, /*keepdim=*/true);
}

}  // namespace assay::transforms
