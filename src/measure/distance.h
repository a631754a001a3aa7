// Sizes of perturbations, per image, and projections onto balls of a given size. A "row" is the
// whole of one image (or of its parameter vector): [B, ...] tensors are taken as B rows of D
// values. Thread-safe: pure functions.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <string_view>
#include <vector>

namespace assay::measure {

enum class Norm {
  kLinf,  // largest absolute value
  kL2,    // root of the sum of squares
  kL1,    // sum of absolute values
  kRmse,  // L2 / sqrt(D)
  kMae,   // L1 / D
  kL0,    // share of the D values that are not 0
};
std::vector<std::string> NormNames();   // "linf", "l2", "l1", "rmse", "mae", "l0"
Norm ParseNorm(std::string_view name);  // throws kUsage

// delta: [B, ...] -> [B] in delta's type.
at::Tensor Distance(const at::Tensor& delta, Norm norm);

// The values to multiply or subtract along a dimension of `like` for each of its rows: [B] -> [B,
// 1, ...].
at::Tensor PerRow(const at::Tensor& values, const at::Tensor& like);

// The nearest rows (in L2; for kL0 those that keep the largest values) with Distance at most
// radius[b]. delta: [B, ...]; radius: [B]. Returns delta itself when nothing changes is not
// promised.
at::Tensor ProjectToBall(const at::Tensor& delta, Norm norm, const at::Tensor& radius);

// Of all rows that are within radius of `centre` and between low and high, one near `point`:
// ProjectToBall, then clamping. `centre` has to lie within [low, high]; then clamping only
// shortens. low, high: broadcast against centre. For kL1 and kMae the ball and the box are met
// together (the exact projection, Croce & Hein 2021): clamping alone would waste most of an L1
// budget.
at::Tensor ProjectToBallAndBox(const at::Tensor& point, const at::Tensor& centre, Norm norm,
                               const at::Tensor& radius, const at::Tensor& low,
                               const at::Tensor& high);

}  // namespace assay::measure
