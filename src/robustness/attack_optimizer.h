// How a gradient becomes the next parameters, image by image. Not thread-safe; one per run.
#pragma once

#include <memory>

#include "robustness/attack_region.h"

namespace assay::robustness {

class AttackOptimizer {
 public:
  virtual ~AttackOptimizer() = default;
  // parameters: [B, ...] with their loss [B] float64 (to be raised) and gradient [B, ...]
  // -> the next, within the region.
  virtual at::Tensor Step(const Region& region, const at::Tensor& parameters,
                          const at::Tensor& loss, const at::Tensor& gradient) = 0;
  // Only these rows go on. rows: [n] int64.
  virtual void Keep(const at::Tensor& rows) = 0;
  // Whether steps depend on the direction of gradients only, so that scale-free ones do.
  virtual bool scale_free() const = 0;
};

// The direction that raises a linear function most for a step of size 1 in the norm: sign (Linf,
// L0), normalised (L2, RMSE), signs of the largest hundredth that can still move (L1, MAE; Tramer &
// Boneh 2019). gradient, parameters: [B, ...].
at::Tensor SteepestDirection(const Region& region, const at::Tensor& parameters,
                             const at::Tensor& gradient);

// "steepest", "sign", "rmsprop" (alpha .99, eps 1e-8: REET), "adam" (.9, .999, 1e-8).
std::unique_ptr<AttackOptimizer> MakeOptimizer(const std::string& name, double step);

// Steps as AttackOptions says: `step` in units of the budget's norm, as a multiple of each image's
// radius when relative.
std::unique_ptr<AttackOptimizer> MakeSteepest(double step, bool relative);

// APGD (Croce & Hein 2020; for L1 Croce & Hein 2021): momentum, and a step size per image that is
// halved, back at the best point so far, when the loss stops rising.
std::unique_ptr<AttackOptimizer> MakeApgd(int steps);

}  // namespace assay::robustness
