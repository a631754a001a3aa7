// APGD: follows the steps of Croce & Hein 2020 (algorithm 1) and, for L1, of Croce & Hein 2021.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "robustness/attack_optimizer.h"

namespace assay::robustness {
namespace {

constexpr double kMomentum = 0.75, kRiseShare = 0.75;

bool IsSparse(Norm norm) { return norm == Norm::kL1 || norm == Norm::kMae || norm == Norm::kL0; }

class ApgdOptimizer : public AttackOptimizer {
 public:
  explicit ApgdOptimizer(int steps)
      : steps_(steps),
        until_check_(std::max(1, static_cast<int>(0.22 * steps))),
        shortest_(std::max(1, static_cast<int>(0.06 * steps))),
        shrink_(std::max(1, static_cast<int>(0.03 * steps))) {}

  at::Tensor Step(const Region& region, const at::Tensor& parameters, const at::Tensor& loss,
                  const at::Tensor& gradient) override {
    at::Tensor from = parameters, along = gradient;
    if (count_ == 0) {
      Start(region, parameters, loss, gradient);
    } else {
      Record(parameters, loss, gradient);
      ++since_check_;
      const int interval =
          IsSparse(region.norm()) ? std::max(1, static_cast<int>(0.04 * steps_)) : until_check_;
      if (since_check_ == interval)
        IsSparse(region.norm()) ? CheckSparse(region, from, along) : Check(from, along);
    }
    at::Tensor next = IsSparse(region.norm()) ? SparseStep(region, from, along)
                                              : MomentumStep(region, from, along);
    previous_ = from;
    previous_loss_ = loss;
    ++count_;
    return next;
  }

  void Keep(const at::Tensor& rows) override {
    for (at::Tensor* state : {&previous_, &best_, &best_gradient_, &best_loss_, &previous_loss_,
                              &loss_at_check_, &size_, &rises_, &halved_, &share_, &sparsity_}) {
      if (state->defined()) *state = state->index_select(0, rows);
    }
  }
  bool scale_free() const override { return true; }

 private:
  void Start(const Region& region, const at::Tensor& parameters, const at::Tensor& loss,
             const at::Tensor& gradient) {
    best_ = parameters;
    best_gradient_ = gradient;
    best_loss_ = loss;
    loss_at_check_ = loss;
    size_ = region.radius() * (IsSparse(region.norm()) ? 1.0 : 2.0);
    rises_ = at::zeros_like(loss);
    halved_ = at::ones_like(loss, at::kBool);
    share_ = at::full_like(loss, 0.2);
    sparsity_ = at::full_like(loss, Width(parameters));
  }

  void Record(const at::Tensor& parameters, const at::Tensor& loss, const at::Tensor& gradient) {
    rises_ = rises_ + (loss > previous_loss_);
    const at::Tensor better = loss > best_loss_,
                     rows = measure::PerRow(better, parameters).to(at::kBool);
    best_ = at::where(rows, parameters, best_);
    best_gradient_ = at::where(rows, gradient, best_gradient_);
    best_loss_ = at::where(better, loss, best_loss_);
  }

  // Too few rises, or no progress since a check that did not halve: half the step, from the best.
  void Check(at::Tensor& from, at::Tensor& along) {
    const at::Tensor few = rises_ <= kRiseShare * since_check_;
    const at::Tensor stuck = at::logical_and(halved_.logical_not(), loss_at_check_ >= best_loss_);
    halved_ = at::logical_or(few, stuck);
    size_ = at::where(halved_, size_ / 2, size_);
    ReturnToBest(halved_, from, along);
    loss_at_check_ = best_loss_;
    rises_ = at::zeros_like(rises_);
    since_check_ = 0;
    until_check_ = std::max(until_check_ - shrink_, shortest_);
  }

  void CheckSparse(const Region& region, at::Tensor& from, at::Tensor& along) {
    const at::Tensor now = (best_ - region.centre()).flatten(1).ne(0).sum(1).to(at::kDouble);
    const at::Tensor fewer = now / sparsity_ < 0.95;
    share_ = now / Width(best_) / 1.5;
    size_ = at::where(fewer, region.radius(), size_ / 1.5);
    size_ = at::maximum(at::minimum(size_, region.radius()), region.radius() / 10);
    sparsity_ = now.clamp_min(1);
    ReturnToBest(fewer, from, along);
    since_check_ = 0;
  }

  void ReturnToBest(const at::Tensor& which, at::Tensor& from, at::Tensor& along) {
    const at::Tensor rows = measure::PerRow(which, from).to(at::kBool);
    from = at::where(rows, best_, from);
    along = at::where(rows, best_gradient_, along);
  }

  at::Tensor MomentumStep(const Region& region, const at::Tensor& from, const at::Tensor& along) {
    const at::Tensor ahead =
        region.Project(region.Moved(from, SteepestDirection(region, from, along), size_));
    if (count_ == 0) return ahead;
    return region.Project(from + (ahead - from) * kMomentum + (from - previous_) * (1 - kMomentum));
  }

  at::Tensor SparseStep(const Region& region, const at::Tensor& from, const at::Tensor& raw) {
    const at::Tensor gradient = region.InUnits(raw).flatten(1);
    const at::Tensor sorted = std::get<0>(gradient.abs().sort(1));
    const double width = Width(from);
    const at::Tensor count = (share_ * width).floor().clamp(1, width);  // at least one value moves
    const at::Tensor place = (width - count).to(at::kLong).unsqueeze(1);
    const at::Tensor kept =
        at::where(gradient.abs() >= sorted.gather(1, place), gradient.sign(), 0.0);
    const at::Tensor direction = kept / kept.abs().sum(1, true).clamp_min(1e-10);
    const double unit = region.norm() == Norm::kMae ? width : 1;
    return region.Project(
        region.Moved(from, direction.view(from.sizes()).to(from.scalar_type()), size_ * unit));
  }

  static double Width(const at::Tensor& rows) {
    return static_cast<double>(rows.numel()) /
           static_cast<double>(std::max<int64_t>(rows.size(0), 1));
  }

  int steps_, until_check_, shortest_, shrink_;
  int count_ = 0, since_check_ = 0;
  at::Tensor previous_, best_, best_gradient_;            // [B, ...]
  at::Tensor best_loss_, previous_loss_, loss_at_check_;  // [B]
  at::Tensor size_, rises_, halved_;                      // [B]
  at::Tensor share_, sparsity_;  // [B], L1 only: kept share, count of changes
};

}  // namespace

std::unique_ptr<AttackOptimizer> MakeApgd(int steps) {
  return std::make_unique<ApgdOptimizer>(steps);
}

}  // namespace assay::robustness
