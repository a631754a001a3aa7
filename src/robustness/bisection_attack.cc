#include <ATen/ATen.h>

#include "robustness/least_distance.h"
#include "robustness/line_search.h"

namespace assay::robustness {
namespace {

constexpr int kMostRounds = 20;

AttackInput RowsOfInput(const AttackInput& input, const at::Tensor& rows, at::Tensor budget) {
  return {.images = input.images.index_select(0, rows),
          .labels = input.labels.index_select(0, rows),
          .targets = input.targets.defined() ? input.targets.index_select(0, rows) : at::Tensor(),
          .budget = std::move(budget),
          .any_wrong_class = input.any_wrong_class};
}

class BisectionAttack : public Attack {
 public:
  BisectionAttack(std::unique_ptr<Attack> inner, std::shared_ptr<const ParameterSpace> space,
                  Norm norm, double largest, double tolerance)
      : inner_(std::move(inner)),
        space_(std::move(space)),
        norm_(norm),
        largest_(largest),
        tolerance_(tolerance) {}
  std::string name() const override { return "bisection"; }

  AttackResult Run(const model::ImageClassifier& model, const AttackInput& input) const override {
    CheckInput(input);
    const ActiveImages all = AllImages(input, *space_, norm_, Budgets(input, largest_));
    BestStates best(input, true);
    AttackInput first = input;
    first.budget = all.region.radius();
    AttackResult found = inner_->Run(model, first);
    ModelCalls calls = found.calls;
    const AttackHealth health = found.health;
    Take(all, found, best);
    at::Tensor right = at::zeros_like(best.distance());  // [B] largest budget that did not fool
    for (int round = 0; round < kMostRounds; ++round) {
      const at::Tensor open =
          at::logical_and(best.fooled(), best.distance() - right > tolerance_ * best.distance());
      const ActiveImages active = all.Kept(Places(open));
      if (active.size() == 0) break;
      const at::Tensor budget = (right + best.distance()).index_select(0, active.rows) / 2;
      found = inner_->Run(model, RowsOfInput(input, active.rows, budget));
      calls += found.calls;
      right.index_copy_(0, active.rows,
                        at::where(found.fooled, right.index_select(0, active.rows), budget));
      Take(active, found, best);
    }
    AttackResult result = best.Result(all.region, calls);
    result.health = health;
    return result;
  }

 private:
  static void Take(const ActiveImages& active, const AttackResult& found, BestStates& best) {
    best.Offer(active, found.parameters,
               {.images = found.images,
                .logits = found.logits,
                .loss = found.loss,
                .fooled = found.fooled});
  }

  std::unique_ptr<Attack> inner_;
  std::shared_ptr<const ParameterSpace> space_;
  Norm norm_;
  double largest_, tolerance_;
};

}  // namespace

std::unique_ptr<Attack> MakeBisectionAttack(std::unique_ptr<Attack> inner,
                                            std::shared_ptr<const ParameterSpace> space, Norm norm,
                                            double largest, double tolerance) {
  return std::make_unique<BisectionAttack>(std::move(inner), std::move(space), norm, largest,
                                           tolerance);
}

}  // namespace assay::robustness
