#include "robustness/search_attack.h"

#include <ATen/ATen.h>

#include "robustness/attack_batch.h"

namespace assay::robustness {
namespace {

constexpr double kGrow = 1.5, kShrink = 0.8, kFirstStep = 0.25;  // shares of the ball or range

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
    at::Tensor reach = at::full_like(best.loss(), kFirstStep);  // [B]
    for (int query = 0; query < options_.draws + options_.steps; ++query) {
      if (options_.early_stop) {
        const at::Tensor keep = Places(best.fooled().index_select(0, active.rows).logical_not());
        if (keep.size(0) < active.size()) active = active.Kept(keep);
      }
      if (active.size() == 0) break;
      const bool draw = query < options_.draws;
      const at::Tensor drawn = Drawn(active, query);
      const at::Tensor from = best.parameters().index_select(0, active.rows);
      const at::Tensor mine = reach.index_select(0, active.rows);
      const at::Tensor proposed = active.region.Project(
          draw ? drawn : from + (drawn - active.region.centre()) * measure::PerRow(mine, from));
      const at::Tensor better = best.Offer(
          active, proposed, probe.Forward(active.images, proposed, active.labels, active.targets));
      if (!draw)
        reach.index_copy_(0, active.rows,
                          (mine * at::where(better, kGrow, kShrink)).clamp(1e-3, 1));
    }
    AttackResult result = best.Result(all.region, probe.calls());
    result.health.images = input.images.size(0);
    return result;
  }

 private:
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
