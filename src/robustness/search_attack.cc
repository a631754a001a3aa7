#include "robustness/search_attack.h"

#include <ATen/ATen.h>

#include <optional>

#include "robustness/attack_batch.h"

namespace assay::robustness {
namespace {

constexpr double kGrow = 1.5, kShrink = 0.8, kFirstStep = 0.25;  // shares of the ball or range
constexpr int kDrawsToJudgeBy = 5;

// Margins of each image over the states tried: how far the best is from fooling, in standard
// deviations of all. What every draw leaves far on the same side, a few more will not turn.
class Outlook {
 public:
  explicit Outlook(const at::Tensor& first)
      : sum_(first.clone()), squares_(first.square()), best_(first.clone()) {}
  // margins: [n], of the images `rows`; positive exactly when fooled.
  void Add(const at::Tensor& rows, const at::Tensor& margins) {
    sum_.index_add_(0, rows, margins);
    squares_.index_add_(0, rows, margins.square());
    best_.index_copy_(0, rows, at::maximum(best_.index_select(0, rows), margins));
    ++states_;
  }
  // Of the images `rows`, all of which were in every Add: [n] bool.
  at::Tensor Hopeless(const at::Tensor& rows, double deviations) const {
    const double n = static_cast<double>(states_);
    const at::Tensor variance = (squares_ - sum_.square() / n).clamp_min(0) / (n - 1);
    return (-best_ > deviations * variance.sqrt()).index_select(0, rows);
  }

 private:
  at::Tensor sum_, squares_, best_;  // [B] float64
  int states_ = 1;
};

class SearchAttack : public Attack {
 public:
  SearchAttack(AttackOptions options, std::shared_ptr<const ParameterSpace> space)
      : options_(std::move(options)), space_(std::move(space)) {}
  std::string name() const override { return "search"; }

  AttackResult Run(const model::ImageClassifier& model, const AttackInput& input) const override {
    CheckInput(input);
    ModelProbe probe(model, *space_, measure::ParseObjective(options_.objective),
                     input.any_wrong_class);
    const ActiveImages all = AllImages(input, *space_, measure::ParseNorm(options_.norm),
                                       Budgets(input, options_.epsilon));
    ActiveImages active = all;
    BestStates best(input);
    const at::Tensor identity = active.region.centre();
    best.Offer(active, identity,
               probe.Forward(active.images, identity, active.labels, active.targets));
    const auto margin = [&](const at::Tensor& logits, const ActiveImages& of) {
      return probe.targeted() ? -measure::Margin(logits, of.targets)
                              : measure::Margin(logits, of.labels);
    };
    std::optional<Outlook> outlook;
    if (options_.give_up > 0) outlook.emplace(margin(best.logits(), all));
    at::Tensor reach = at::full_like(best.loss(), kFirstStep);  // [B]
    for (int query = 0; query < options_.draws + options_.steps; ++query) {
      const at::Tensor keep = Places(Staying(active, best, outlook, query));
      if (keep.size(0) < active.size()) active = active.Kept(keep);
      if (active.size() == 0) break;
      const bool draw = query < options_.draws;
      const at::Tensor drawn = Drawn(active, query);
      const at::Tensor from = best.parameters().index_select(0, active.rows);
      const at::Tensor mine = reach.index_select(0, active.rows);
      const at::Tensor proposed = active.region.Project(
          draw ? drawn : from + (drawn - active.region.centre()) * measure::PerRow(mine, from));
      const ProbeResult state =
          probe.Forward(active.images, proposed, active.labels, active.targets);
      const at::Tensor better = best.Offer(active, proposed, state);
      if (outlook) outlook->Add(active.rows, margin(state.logits, active));
      if (!draw)
        reach.index_copy_(0, active.rows,
                          (mine * at::where(better, kGrow, kShrink)).clamp(1e-3, 1));
    }
    AttackResult result = best.Result(all.region, probe.calls());
    result.health.images = input.images.size(0);
    return result;
  }

 private:
  // Which images are still worth a query: [n] bool.
  at::Tensor Staying(const ActiveImages& active, const BestStates& best,
                     const std::optional<Outlook>& outlook, int query) const {
    at::Tensor staying = at::ones_like(active.rows, at::kBool);
    if (options_.early_stop) staying = best.fooled().index_select(0, active.rows).logical_not();
    if (outlook && query >= kDrawsToJudgeBy) {
      const at::Tensor hopeless = outlook->Hopeless(active.rows, options_.give_up);
      staying = staying.logical_and(hopeless.logical_not());
    }
    return staying;
  }

  // [n, ...] one draw for each image.
  at::Tensor Drawn(const ActiveImages& active, int query) const {
    return space_->Draw(active.images, active.region.norm(), active.region.radius(),
                        SeededStreams(active.streams, options_.seed, "search"),
                        static_cast<uint64_t>(query));
  }

  AttackOptions options_;
  std::shared_ptr<const ParameterSpace> space_;
};

}  // namespace

std::unique_ptr<Attack> MakeSearchAttack(const AttackOptions& options,
                                         std::shared_ptr<const ParameterSpace> space) {
  return std::make_unique<SearchAttack>(options, std::move(space));
}

}  // namespace assay::robustness
