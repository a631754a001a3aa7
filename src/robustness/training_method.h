// How a classifier is trained, by name: what its batches are changed into, and the loss.
// Thread-safe.
#pragma once

#include "base/options.h"
#include "robustness/classifier_trainer.h"

namespace assay::robustness {

struct TrainingMethodOptions {
  std::string method = "standard";
  std::string transforms = "rotate,crop,zoom_in,zoom_out,blur_rectangle,mean";
  int64_t k = 1;
  std::string perturb_by = "auto";
  int draws = 5;
  int transform_steps = 2;
  int64_t repeats = 4;
  double free_step = 0.5;
  double epsilon = 2.0 / 255;
  std::string norm = "linf";
  int attack_steps = 7;
  double attack_step = 0;
  double beta = 6;

  static std::vector<std::string> Methods();
  template <typename Visitor>
  void VisitFields(Visitor&& visit) {
    using base::Between;
    visit("method", method,
          "standard; random: transforms drawn at random; adversarial: transforms that hurt the "
          "network as it stands (REET); free: the same from the gradients of the training itself; "
          "pgd, trades: changes of pixels",
          base::OneOf(Methods()));
    visit("transforms", transforms,
          "of random, adversarial and free, separated by commas; chains as stain+jpeg");
    visit("k", k, "different transforms in sequence on each tile", Between(1, 100));
    visit("perturb-by", perturb_by,
          "of adversarial: search, gradient, or auto: as REET does for each transform",
          base::OneOf({"auto", "search", "gradient"}));
    visit("draws", draws, "of adversarial: draws of a search", Between(1, 1e6));
    visit("transform-steps", transform_steps, "of adversarial: gradient steps", Between(1, 1e6));
    visit("repeats", repeats, "of free: updates on each batch, which keep its parameters",
          Between(1, 1000));
    visit("free-step", free_step, "of free: share of the budget that parameters move an update",
          Between(0, 2));
    visit("epsilon", epsilon, "of pgd and trades: budget of a tile", Between(0, 1e6));
    visit("norm", norm, "of pgd and trades", base::OneOf({"linf", "l2"}));
    visit("attack-steps", attack_steps, "of pgd and trades", Between(1, 1e6));
    visit("attack-step", attack_step, "of pgd and trades: step size; 0: 2.5 epsilon / steps",
          Between(0, 1e6));
    visit("beta", beta, "of trades: weight of the divergence", Between(0, 1e6));
  }
};

// How REET trains against a transform of this name, on images of this size: pixel, stain and mean
// by gradient with its training steps and budgets, the others by search over their ranges. perturb-
// by overrides it. Throws kUsage and kNotFound for names and options that do not go.
TrainingTransform PlanTransform(const std::string& name, const TrainingMethodOptions& options,
                                int64_t height, int64_t width);

// For RGB images of this size; pgd and trades take any channels. Throws kUsage, kNotFound.
TrainingMethod MakeTrainingMethod(const TrainingMethodOptions& options, int64_t channels,
                                  int64_t height, int64_t width);

// KL(clean || now) of each row of log-probabilities [B, K]: [B], nats.
at::Tensor Divergence(const at::Tensor& log_clean, const at::Tensor& log_now);

// cross-entropy(clean) + beta KL(p(clean) || p(perturbed)), both from one pass (Zhang et al. 2019,
// eq. 5). clean, perturbed: logits [B, K].
at::Tensor TradesLoss(const at::Tensor& clean, const at::Tensor& perturbed,
                      const at::Tensor& labels, double beta, double label_smoothing);

}  // namespace assay::robustness
