#include "robustness/training_method.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "robustness/evaluation_plan.h"
#include "robustness/transform_space.h"

namespace assay::robustness {

using base::ErrorKind;
using base::Fail;

std::vector<std::string> TrainingMethodOptions::Methods() {
  return {"standard", "random", "adversarial", "free", "pgd", "trades"};
}

TrainingTransform PlanTransform(const std::string& name, const TrainingMethodOptions& options,
                                int64_t height, int64_t width) {
  // What is searched is searched in the evaluation's range. Pixels, stain and mean have REET's
  // budgets and its steps for training, which are fewer and larger. Pixels are offsets, which can
  // be kept from image to image.
  const bool gradient = name == "pixel" || name == "stain" || name == "mean";
  TrainingTransform out{.name = name};
  AttackOptions& attack = out.attack;
  if (gradient) {
    attack.attack = "pgd";
    attack.norm = "rmse";
    attack.optimizer = "rmsprop";
    attack.epsilon = name == "pixel" ? 2.0 / 255 : name == "stain" ? 0.5 : 50.0 / 255;
    attack.step = attack.epsilon / 10;
  } else {
    const auto planned =
        PlanEvaluation({.transforms = name, .attacks = "none", .curves = false}, 3, height, width);
    ASSAY_CHECK(planned.size() == 1);
    attack = planned[0].attack;
  }
  attack.objective = "true-log-probability";
  // The worst of all draws is learned from. Stopping at the first that fools would stop at identity
  // for every image that is wrong already, and so teach those unchanged.
  attack.early_stop = false;
  out.space = MakeTransformSpace(transforms::MakeTransform(name),
                                 {.bounded = !gradient, .relative = !gradient, .uniform = true});
  if (options.perturb_by == "search") attack.attack = "search";
  if (options.perturb_by == "gradient" && attack.attack == "search") {
    attack.attack = "pgd";
    attack.optimizer = "steepest";
    attack.step = 0;
  }
  attack.steps = attack.attack == "search" ? 0 : options.transform_steps;
  attack.draws = options.draws;
  if (attack.attack == "pgd" && !out.space->differentiable())
    Fail(ErrorKind::kUsage, "--perturb-by gradient: {} has none; use search", name);
  return out;
}

namespace {

std::vector<TrainingTransform> PlanTransforms(const TrainingMethodOptions& options,
                                              int64_t channels, int64_t height, int64_t width) {
  if (channels != 3) {
    Fail(ErrorKind::kUsage, "--method {}: transforms are of RGB images; these have {} channels",
         options.method, channels);
  }
  std::vector<TrainingTransform> out;
  for (const std::string& name : SplitNames(options.transforms))
    out.push_back(PlanTransform(name, options, height, width));
  if (options.k > static_cast<int64_t>(out.size())) {
    Fail(ErrorKind::kUsage, "--k is {}; --transforms names {}", options.k, out.size());
  }
  return out;
}

AttackOptions PixelAttack(const TrainingMethodOptions& options) {
  return {.attack = "pgd",
          .norm = options.norm,
          .epsilon = options.epsilon,
          .step = options.attack_step,
          .steps = options.attack_steps};
}

TrainLoss LossOfTrades(const TrainStep& step, const at::Tensor& perturbed, double beta,
                       double label_smoothing) {
  // One pass: batch statistics are taken once, of clean and perturbed images together.
  const at::Tensor logits = step.network.Train(at::cat({step.images, perturbed}));
  const auto parts = logits.chunk(2);
  return {TradesLoss(parts[0], parts[1], step.labels, beta, label_smoothing), parts[0]};
}

}  // namespace

at::Tensor Divergence(const at::Tensor& log_clean, const at::Tensor& log_now) {
  return (log_clean.exp() * (log_clean - log_now)).sum(1);
}

at::Tensor TradesLoss(const at::Tensor& clean, const at::Tensor& perturbed,
                      const at::Tensor& labels, double beta, double label_smoothing) {
  const at::Tensor divergence =
      Divergence(at::log_softmax(clean, 1), at::log_softmax(perturbed, 1)).mean();
  return at::cross_entropy_loss(clean, labels, {}, at::Reduction::Mean, -100, label_smoothing) +
         beta * divergence;
}

TrainingMethod MakeTrainingMethod(const TrainingMethodOptions& options, int64_t channels,
                                  int64_t height, int64_t width) {
  base::ValidateFields(options);
  TrainingMethod out{.description = base::FieldsToJson(options).dump()};
  const std::string& method = options.method;
  if (method == "standard") return out;
  if (method == "pgd" || method == "trades") {
    const AttackOptions attack = PixelAttack(options);
    out.perturber = method == "pgd" ? MakePixelPerturber(attack) : MakeDivergencePerturber(attack);
    out.validation_perturber = MakePixelPerturber(attack);
    if (method == "trades") {
      out.loss = [beta = options.beta](const TrainStep& step, const at::Tensor& images,
                                       double label_smoothing) {
        return LossOfTrades(step, images, beta, label_smoothing);
      };
    }
    return out;
  }
  const auto transforms = PlanTransforms(options, channels, height, width);
  if (method == "random") {
    out.perturber = MakeRandomPerturber(transforms, options.k);
    out.validation_perturber = MakeRandomPerturber(transforms, options.k);
    return out;
  }
  out.validation_perturber = MakeAdversarialPerturber(transforms, options.k);
  out.perturber = method == "free"
                      ? MakeFreePerturber(transforms, options.k, options.repeats, options.free_step)
                      : MakeAdversarialPerturber(transforms, options.k);
  return out;
}

}  // namespace assay::robustness
