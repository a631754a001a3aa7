// What an attack varies: pixels, or the parameters of an image change. Both are a vector per image
// with an identity, bounds and a map to images, so that one engine attacks either. Implementations
// are immutable and thread-safe.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <span>
#include <string>

#include "measure/distance.h"

namespace assay::robustness {

class ParameterSpace {
 public:
  virtual ~ParameterSpace() = default;
  virtual std::string name() const = 0;
  // Whether gradients flow from Apply's images to the parameters.
  virtual bool differentiable() const = 0;

  // The parameters that change nothing. images: [B, C, H, W] -> [B, ...] float32.
  virtual at::Tensor Identity(const at::Tensor& images) const = 0;
  // Bounds of every parameter; infinite where there is none. Shape: [], or with as many dimensions
  // as Identity and broadcast against it.
  virtual at::Tensor Low(const at::Tensor& images) const = 0;
  virtual at::Tensor High(const at::Tensor& images) const = 0;
  // The size of one parameter's scale, shaped as Low: steps, budgets and distances are
  // measured in it. Undefined: 1 (pixels).
  virtual at::Tensor Scale(const at::Tensor& images) const = 0;

  // images: [B, C, H, W] in [0, 1]; parameters: [B, ...] within bounds -> [B, C, H, W] in [0, 1].
  virtual at::Tensor Apply(const at::Tensor& images, const at::Tensor& parameters) const = 0;

  // A random start for each image, within bounds; the caller projects it onto the ball. images: [B,
  // C, H, W]; radius: [B] float64; streams: [B], whose randomness it is -> [B, ...] float32.
  // Pixels: uniform (Linf) or in a uniform direction (other norms) around the image, no farther
  // than the radius. Transforms: from the ranges of their parameters, whatever the radius, the ends
  // more often than the middle; those of numbers 0, 1, 2, ... together cover the ranges.
  virtual at::Tensor Draw(const at::Tensor& images, measure::Norm norm, const at::Tensor& radius,
                          std::span<const uint64_t> streams, uint64_t number) const = 0;
};

// The images themselves: parameters [B, C, H, W] in [0, 1], identity the image, Apply the identity
// map (no copy).
std::unique_ptr<ParameterSpace> MakePixelSpace();

}  // namespace assay::robustness
