// What an attack tries to raise, and when an image counts as fooled. Values and gradients with
// respect to the logits are formed by hand in float64: in float32 the gradient of a confident
// classifier (p - 1 with p within 1e-7 of 1) is rounding noise. Thread-safe: pure functions.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <string_view>
#include <vector>

namespace assay::measure {

enum class Objective {
  kCrossEntropy,  // -log p(label)
  // -log p(label), the score that REET lowers: the same number under REET's name.
  kTrueLogProbability,
  kMargin,  // largest other logit - logit of the label; positive exactly when fooled
  // Difference of logits ratio (Croce & Hein 2020, eq. 6): margin / (largest - third largest
  // logit). Needs three classes; with two it is the margin.
  kDlr,
  // log(1 - p(label)): bounded, so that images which are fooled already pull no more. For
  // perturbations shared by many images.
  kWrongLogProbability,
  kTargeted,        // log p(target): raised, hence towards the target
  kTargetedMargin,  // logit of the target - logit of the label
};
std::vector<std::string> ObjectiveNames();        // "cross-entropy", "true-log-probability", ...
Objective ParseObjective(std::string_view name);  // throws kUsage
inline bool IsTargeted(Objective objective) {
  return objective == Objective::kTargeted || objective == Objective::kTargetedMargin;
}

enum class Slope {
  kNone,
  kExact,      // d loss / d logits
  kDirection,  // the same up to a positive factor per image: largest entry 1, so that it does not
               // vanish however sure the classifier is
};

struct ObjectiveValue {
  at::Tensor loss;      // [B] float64, to be raised
  at::Tensor gradient;  // [B, K] float64; undefined for Slope::kNone
};

// logits: [B, K] float32; labels, targets: [B] int64 (targets are read by the targeted objectives
// only). Throws kBadInput when logits are not finite, when a label is not a class, and when a
// target is the label.
ObjectiveValue EvaluateObjective(Objective objective, const at::Tensor& logits,
                                 const at::Tensor& labels, const at::Tensor& targets, Slope slope);

// -log p(label): [B] float64.
at::Tensor CrossEntropy(const at::Tensor& logits, const at::Tensor& labels);
// Largest other logit - logit of the label: [B] float64.
at::Tensor Margin(const at::Tensor& logits, const at::Tensor& labels);
// [B] bool: the answer (the first largest logit) is not the label or, where targets are defined, it
// is the target.
at::Tensor Fooled(const at::Tensor& logits, const at::Tensor& labels,
                  const at::Tensor& targets = {});

}  // namespace assay::measure
