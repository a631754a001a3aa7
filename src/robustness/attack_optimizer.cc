#include "robustness/attack_optimizer.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace assay::robustness {
namespace {

at::Tensor Constant(double value, const at::Tensor& like) {
  return at::scalar_tensor(value, like.options());
}

class SteepestOptimizer : public AttackOptimizer {
 public:
  SteepestOptimizer(double step, bool relative, bool sign)
      : step_(step), relative_(relative), sign_(sign) {}
  at::Tensor Step(const Region& region, const at::Tensor& parameters, const at::Tensor&,
                  const at::Tensor& gradient) override {
    const at::Tensor direction =
        sign_ ? gradient.sign() : SteepestDirection(region, parameters, gradient);
    const at::Tensor step = relative_ ? region.radius() * step_ : Constant(step_, region.radius());
    return region.Project(region.Moved(parameters, direction, step));
  }
  void Keep(const at::Tensor&) override {}
  bool scale_free() const override { return true; }

 private:
  double step_;
  bool relative_, sign_;
};

class RmspropOptimizer : public AttackOptimizer {
 public:
  explicit RmspropOptimizer(double step) : step_(step) {}
  at::Tensor Step(const Region& region, const at::Tensor& parameters, const at::Tensor&,
                  const at::Tensor& raw) override {
    const at::Tensor gradient = region.InUnits(raw);
    if (!square_.defined()) square_ = at::zeros_like(gradient);
    square_.mul_(0.99).addcmul_(gradient, gradient, 0.01);
    return region.Project(region.Moved(parameters, gradient / (square_.sqrt() + 1e-8),
                                       Constant(step_, region.radius())));
  }
  void Keep(const at::Tensor& rows) override {
    if (square_.defined()) square_ = square_.index_select(0, rows);
  }
  bool scale_free() const override { return false; }

 private:
  double step_;
  at::Tensor square_;  // [B, ...] running mean of squares
};

class AdamOptimizer : public AttackOptimizer {
 public:
  explicit AdamOptimizer(double step) : step_(step) {}
  at::Tensor Step(const Region& region, const at::Tensor& parameters, const at::Tensor&,
                  const at::Tensor& raw) override {
    const at::Tensor gradient = region.InUnits(raw);
    if (!mean_.defined()) {
      mean_ = at::zeros_like(gradient);
      square_ = at::zeros_like(gradient);
    }
    ++count_;
    mean_.mul_(0.9).add_(gradient, 0.1);
    square_.mul_(0.999).addcmul_(gradient, gradient, 0.001);
    const at::Tensor root = (square_ / (1 - std::pow(0.999, count_))).sqrt_().add_(1e-8);
    return region.Project(region.Moved(parameters, mean_ / (1 - std::pow(0.9, count_)) / root,
                                       Constant(step_, region.radius())));
  }
  void Keep(const at::Tensor& rows) override {
    if (!mean_.defined()) return;
    mean_ = mean_.index_select(0, rows);
    square_ = square_.index_select(0, rows);
  }
  bool scale_free() const override { return false; }

 private:
  double step_;
  int count_ = 0;
  at::Tensor mean_, square_;  // [B, ...]
};

// Rows divided by their length; rows of zeros stay.
at::Tensor Normalised(const at::Tensor& rows) {
  const at::Tensor largest = rows.flatten(1).abs().amax(1).clamp_min(1e-38);
  const at::Tensor safe = rows / measure::PerRow(largest, rows);  // squares do not underflow
  const at::Tensor length = measure::Distance(safe, Norm::kL2).clamp_min(1e-12);
  return safe / measure::PerRow(length, rows);
}

at::Tensor SparseSigns(const Region& region, const at::Tensor& parameters,
                       const at::Tensor& gradient) {
  const at::Tensor stuck =
      at::logical_or(at::logical_and(gradient > 0, parameters >= region.high()),
                     at::logical_and(gradient < 0, parameters <= region.low()));
  const at::Tensor free = gradient.masked_fill(stuck, 0).flatten(1);
  const int64_t kept = std::max<int64_t>(1, free.size(1) / 100);
  const auto [values, places] = free.abs().topk(kept, 1);
  const at::Tensor signs = free.gather(1, places).sign() / static_cast<double>(kept);
  return at::zeros_like(free).scatter_(1, places, signs).view(gradient.sizes());
}

}  // namespace

at::Tensor SteepestDirection(const Region& region, const at::Tensor& parameters,
                             const at::Tensor& raw) {
  const at::Tensor gradient = region.InUnits(raw);
  const double width = static_cast<double>(gradient.numel()) /
                       static_cast<double>(std::max<int64_t>(gradient.size(0), 1));
  switch (region.norm()) {
    case Norm::kLinf:
    case Norm::kL0:
      return gradient.sign();
    case Norm::kL2:
      return Normalised(gradient);
    case Norm::kRmse:
      return Normalised(gradient) * std::sqrt(width);
    case Norm::kL1:
      return SparseSigns(region, parameters, gradient);
    case Norm::kMae:
      return SparseSigns(region, parameters, gradient) * width;
  }
  base::Fail(base::ErrorKind::kInternal, "norm {} is not handled", static_cast<int>(region.norm()));
}

std::unique_ptr<AttackOptimizer> MakeSteepest(double step, bool relative) {
  return std::make_unique<SteepestOptimizer>(step, relative, false);
}

std::unique_ptr<AttackOptimizer> MakeOptimizer(const std::string& name, double step) {
  if (name == "sign") return std::make_unique<SteepestOptimizer>(step, false, true);
  if (name == "rmsprop") return std::make_unique<RmspropOptimizer>(step);
  if (name == "adam") return std::make_unique<AdamOptimizer>(step);
  return MakeSteepest(step, false);
}

}  // namespace assay::robustness
