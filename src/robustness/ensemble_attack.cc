#include "robustness/ensemble_attack.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "robustness/attack_batch.h"

namespace assay::robustness {
namespace {

constexpr int64_t kTargets = 9;

class EnsembleRun {
 public:
  EnsembleRun(const AttackOptions& options, std::shared_ptr<const ParameterSpace> space,
              const model::ImageClassifier& model, const AttackInput& input)
      : options_(options),
        space_(std::move(space)),
        model_(model),
        input_(input),
        all_(AllImages(input, *space_, measure::ParseNorm(options.norm),
                       Budgets(input, options.epsilon))),
        best_(input) {}

  AttackResult Run() {
    ModelProbe probe(model_, *space_, Objective::kMargin, true);
    best_.Offer(all_, all_.region.centre(),
                probe.Forward(all_.images, all_.region.centre(), all_.labels, {}));
    calls_ += probe.calls();
    const bool gradients = space_->differentiable() && GivesGradients();
    health_.no_gradients = space_->differentiable() && !gradients;
    if (gradients) Gradients();
    const int64_t before = Survivors();
    Search();
    AttackResult result = best_.Result(all_.region, calls_);
    result.health = health_;
    result.health.images = all_.size();
    result.health.search_beats_gradient = gradients && Survivors() < before;
    return result;
  }

 private:
  int64_t Survivors() const { return best_.fooled().logical_not().sum().item<int64_t>(); }

  // A module that detaches its input is no reason to stop: the search needs no gradients.
  bool GivesGradients() {
    const c10::AutoGradMode with_gradients(true);
    ++calls_.forwards;
    return model_.Logits(input_.images.narrow(0, 0, 1).detach().requires_grad_(true))
        .requires_grad();
  }

  void Gradients() {
    const int64_t classes = best_.logits().size(1);
    const at::Tensor order =
        std::get<1>(best_.logits()
                        .scatter(1, all_.labels.unsqueeze(1), -INFINITY)
                        .topk(std::min(kTargets, classes - 1), 1));  // [B, targets]
    Try("apgd", "cross-entropy", {});
    Try("apgd", classes >= 3 ? "dlr" : "margin", {});
    if (classes < 3) return;
    for (int64_t t = 0; t < order.size(1); ++t) Try("apgd", "targeted-margin", order.select(1, t));
  }

  void Search() {
    const Norm norm = all_.region.norm();
    const bool square = space_->name() == "pixels" && (norm == Norm::kLinf || norm == Norm::kL2);
    if (square || space_->name() != "pixels") {
      Try(square ? "square" : "search", "margin", {});
    } else if (health_.no_gradients) {
      base::Fail(base::ErrorKind::kBadInput,
                 "{}: its logits carry no gradient, and the search of the ensemble is defined for "
                 "linf and l2, not {}",
                 model_.spec().name, options_.norm);
    }
  }

  // targets: [B] or undefined.
  void Try(const char* attack, const char* objective, const at::Tensor& targets) {
    const ActiveImages active = all_.Kept(Places(best_.fooled().logical_not()));
    if (active.size() == 0) return;
    AttackOptions options = options_;
    options.attack = attack;
    options.objective = objective;
    options.last_iterate = false;
    const AttackResult found =
        MakeAttack(options, space_)
            ->Run(model_, {.images = active.images,
                           .labels = active.labels,
                           .targets = targets.defined() ? targets.index_select(0, active.rows)
                                                        : at::Tensor(),
                           .budget = active.region.radius(),
                           .any_wrong_class = true});
    calls_ += found.calls;
    // The same images may be counted by every part.
    health_.zero_gradient = std::max(health_.zero_gradient, found.health.zero_gradient);
    health_.flat_loss = std::max(health_.flat_loss, found.health.flat_loss);
    health_.still_rising = std::max(health_.still_rising, found.health.still_rising);
    best_.Offer(active, found.parameters,
                {.images = found.images,
                 .logits = found.logits,
                 .loss = measure::Margin(found.logits, active.labels),
                 .fooled = found.fooled});
  }

  const AttackOptions& options_;
  std::shared_ptr<const ParameterSpace> space_;
  const model::ImageClassifier& model_;
  const AttackInput& input_;
  ActiveImages all_;
  BestStates best_;
  ModelCalls calls_;
  AttackHealth health_;
};

class EnsembleAttack : public Attack {
 public:
  EnsembleAttack(AttackOptions options, std::shared_ptr<const ParameterSpace> space)
      : options_(std::move(options)), space_(std::move(space)) {}
  std::string name() const override { return "ensemble"; }
  AttackResult Run(const model::ImageClassifier& model, const AttackInput& input) const override {
    CheckInput(input);
    return EnsembleRun(options_, space_, model, input).Run();
  }

 private:
  AttackOptions options_;
  std::shared_ptr<const ParameterSpace> space_;
};

}  // namespace

std::unique_ptr<Attack> MakeEnsembleAttack(const AttackOptions& options,
                                           std::shared_ptr<const ParameterSpace> space) {
  return std::make_unique<EnsembleAttack>(options, std::move(space));
}

}  // namespace assay::robustness
