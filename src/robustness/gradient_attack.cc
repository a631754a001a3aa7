#include "robustness/gradient_attack.h"

#include <ATen/ATen.h>

#include "robustness/attack_batch.h"
#include "robustness/attack_optimizer.h"

namespace assay::robustness {
namespace {

// One run of the loop over all restarts.
class GradientRun {
 public:
  GradientRun(const AttackOptions& options, const ParameterSpace& space,
              const model::ImageClassifier& model, const AttackInput& input)
      : options_(options),
        space_(space),
        norm_(measure::ParseNorm(options.norm)),
        objective_(measure::ParseObjective(options.objective)),
        probe_(model, space, objective_, input.any_wrong_class, NewOptimizer()->scale_free()),
        start_(AllImages(input, space, norm_, Budgets(input, options.epsilon))),
        best_(input) {
    health_.images = input.images.size(0);
    zero_gradient_ = at::zeros({input.images.size(0)}, at::kBool).to(input.images.device());
    rising_ = at::zeros_like(zero_gradient_);
  }

  AttackResult Run() {
    if (start_.size() == 0) return Empty();
    const int restarts = options_.random_start ? options_.restarts : 1;
    for (int restart = 0; restart < restarts; ++restart) {
      if (restart == 0 && options_.random_start && !options_.last_iterate)
        Offer(start_, start_.region.centre(), Forward(start_, start_.region.centre()));
      ActiveImages active = start_;
      if (Leaving() && best_.fooled().defined())
        active = start_.Kept(Places(best_.fooled().logical_not()));
      if (active.size() == 0) break;
      Restart(std::move(active), restart);
    }
    AttackResult result = best_.Result(start_.region, probe_.calls());
    result.trajectory = std::move(trajectory_);
    result.health = Health(result);
    return result;
  }

 private:
  bool Leaving() const { return options_.early_stop && !options_.last_iterate; }

  std::unique_ptr<AttackOptimizer> NewOptimizer() const {
    if (options_.attack == "apgd") return MakeApgd(options_.steps);
    if (options_.attack == "fgsm")
      return options_.step > 0 ? MakeOptimizer(options_.optimizer, options_.step)
                               : MakeSteepest(1, true);
    if (options_.step > 0) return MakeOptimizer(options_.optimizer, options_.step);
    return MakeSteepest(2.5 / options_.steps, true);
  }

  ProbeResult Forward(const ActiveImages& active, const at::Tensor& parameters) {
    return probe_.Forward(active.images, parameters, active.labels, active.targets);
  }

  at::Tensor Started(const ActiveImages& active, int restart) const {
    if (!options_.random_start) return active.region.centre();
    return active.region.Project(space_.Draw(active.images, norm_, active.region.radius(),
                                             SeededStreams(active.streams, options_.seed, "start"),
                                             static_cast<uint64_t>(restart)));
  }

  void Offer(const ActiveImages& active, const at::Tensor& parameters, const ProbeResult& state) {
    if (options_.last_iterate) return;
    const bool first = !best_.fooled().defined();
    best_.Offer(active, parameters, state);
    if (first) clean_loss_ = best_.loss().clone();
  }

  // Whether the last tenth of the steps still raised the loss by a tenth of all that came before.
  void NoteRising(int step, int restart) {
    if (options_.last_iterate || restart > 0 || options_.steps < 10) return;
    if (step == options_.steps - options_.steps / 10) late_loss_ = best_.loss().clone();
    if (step == options_.steps && late_loss_.defined())
      rising_ = best_.loss() - late_loss_ > 0.1 * (late_loss_ - clean_loss_);
  }

  void Restart(ActiveImages active, int restart) {
    const std::unique_ptr<AttackOptimizer> optimizer = NewOptimizer();
    at::Tensor parameters = Started(active, restart);
    for (int step = 0; step < options_.steps; ++step) {
      const ProbeResult state =
          probe_.ForwardBackward(active.images, parameters, active.labels, active.targets);
      if (!clean_loss_.defined()) clean_loss_ = state.loss;
      Offer(active, parameters, state);
      NoteRising(step, restart);
      if (step > 0) Record(active, state, restart);
      NoteZeros(active, state.gradient);
      at::Tensor gradient = state.gradient, loss = state.loss;
      if (Leaving() && state.fooled.any().item<bool>()) {
        const at::Tensor keep = Places(state.fooled.logical_not());
        active = active.Kept(keep);
        if (active.size() == 0) break;
        optimizer->Keep(keep);
        parameters = parameters.index_select(0, keep);
        gradient = gradient.index_select(0, keep);
        loss = loss.index_select(0, keep);
      }
      parameters = optimizer->Step(active.region, parameters, loss, gradient);
    }
    if (active.size() > 0) {
      const ProbeResult last = Forward(active, parameters);
      if (options_.last_iterate)
        best_.Offer(active, parameters, last);  // the last of each restart; the best of those
      else
        Offer(active, parameters, last);
      NoteRising(options_.steps, restart);
      Record(active, last, restart);
    }
    while (options_.keep_trajectory && restart == 0 &&
           trajectory_.images.size() < static_cast<size_t>(options_.steps))
      Record(active, {}, restart);  // nothing is left to attack: the best stays what it is
  }

  void Record(const ActiveImages& active, const ProbeResult& state, int restart) {
    if (!options_.keep_trajectory || restart > 0) return;
    const bool last = options_.last_iterate && state.images.defined();
    ASSAY_CHECK(!last || active.size() == start_.size());
    trajectory_.images.push_back((last ? state.images : best_.images()).clone());
    trajectory_.logits.push_back((last ? state.logits : best_.logits()).clone());
    trajectory_.loss.push_back((last ? state.loss : best_.loss()).clone());
  }

  void NoteZeros(const ActiveImages& active, const at::Tensor& gradient) {
    const at::Tensor zero = gradient.flatten(1).any(1).logical_not();
    if (zero.any().item<bool>())
      zero_gradient_.index_fill_(0, active.rows.masked_select(zero), true);
  }

  AttackHealth Health(const AttackResult& result) {
    health_.zero_gradient =
        at::logical_and(zero_gradient_, result.fooled.logical_not()).sum().item<int64_t>();
    if (options_.last_iterate || options_.attack == "fgsm" || options_.epsilon == 0) return health_;
    const at::Tensor right = result.fooled.logical_not();
    health_.flat_loss = at::logical_and(right, result.loss <= clean_loss_).sum().item<int64_t>();
    health_.still_rising = at::logical_and(right, rising_).sum().item<int64_t>();
    return health_;
  }

  AttackResult Empty() const {
    return {.images = start_.images,
            .parameters = start_.region.centre(),
            .logits = at::empty({0, 0}),
            .loss = at::empty({0}, at::kDouble),
            .fooled = at::empty({0}, at::kBool),
            .distance = at::empty({0}, at::kDouble)};
  }

  const AttackOptions& options_;
  const ParameterSpace& space_;
  Norm norm_;
  Objective objective_;
  ModelProbe probe_;
  ActiveImages start_;
  BestStates best_;
  Trajectory trajectory_;
  AttackHealth health_;
  at::Tensor clean_loss_;     // [B] of the first state
  at::Tensor zero_gradient_;  // [B] bool
  at::Tensor late_loss_;      // [B] best after nine tenths of the steps
  at::Tensor rising_;         // [B] bool
};

class GradientAttack : public Attack {
 public:
  GradientAttack(AttackOptions options, std::shared_ptr<const ParameterSpace> space)
      : options_(std::move(options)), space_(std::move(space)) {
    if (options_.attack == "fgsm") {
      options_.steps = 1;
      options_.last_iterate = true;  // one step is what FGSM is, also where it does not help
      options_.random_start = false;
    }
  }
  std::string name() const override { return options_.attack; }
  AttackResult Run(const model::ImageClassifier& model, const AttackInput& input) const override {
    CheckInput(input);
    return GradientRun(options_, *space_, model, input).Run();
  }

 private:
  AttackOptions options_;
  std::shared_ptr<const ParameterSpace> space_;
};

}  // namespace

std::unique_ptr<Attack> MakeGradientAttack(const AttackOptions& options,
                                           std::shared_ptr<const ParameterSpace> space) {
  return std::make_unique<GradientAttack>(options, std::move(space));
}

}  // namespace assay::robustness
