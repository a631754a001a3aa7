// Linear changes of rows and columns as small matrices, one pair an image: resampling, shifting and
// Gaussian blur become two batched matrix products, which autograd follows into the entries.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace assay::transforms {

// images: [B, 3, H, W]; rows: [B, H, H], out of in; columns: [B, W, W] -> [B, 3, H, W].
at::Tensor ApplySeparable(const at::Tensor& images, const at::Tensor& rows,
                          const at::Tensor& columns);

// Column `p` of [B, P] as [B, 1].
at::Tensor Column(const at::Tensor& parameters, int64_t p);

// 0, 1, ..., n - 1 as [n], of the type and on the device of `like`.
at::Tensor Positions(int64_t n, const at::Tensor& like);

// Linear interpolation: positions [B, n] in pixels (centres at whole numbers) -> [B, n, size], the
// weights max(0, 1 - |position - j|).
at::Tensor HatWeights(const at::Tensor& positions, int64_t size);

// The share of output pixel i = 0..n-1 that lies between the edges begin and end ([B, 1], in
// pixels; pixel i reaches from i to i + 1): [B, n] in [0, 1].
at::Tensor Coverage(const at::Tensor& begin, const at::Tensor& end, int64_t n);

// The triangle wave that mirrors values into [0, length]; length: [B, 1], above 0.
at::Tensor ReflectInto(const at::Tensor& values, const at::Tensor& length);

// Gaussian blur with mirrored borders: sigma [B, 1] in pixels -> [B, size, size], rows add up to 1;
// sigma 0 gives the unit matrix.
at::Tensor GaussianMatrix(const at::Tensor& sigma, int64_t size);

}  // namespace assay::transforms
