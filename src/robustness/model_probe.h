// Runs a classifier for an attack: objective and gradient with respect to the parameters of a
// space, and what it cost. Not thread-safe; one per run.
#pragma once

#include "robustness/attack.h"

namespace assay::robustness {

struct ProbeResult {
  at::Tensor images;    // [B, C, H, W] that the model saw
  at::Tensor logits;    // [B, K]
  at::Tensor loss;      // [B] float64
  at::Tensor fooled;    // [B] bool
  at::Tensor gradient;  // [B, ...] like the parameters; undefined after Forward
};

class ModelProbe {
 public:
  // All borrowed. With scale_free, gradients are those of the objective up to a positive factor per
  // image, which keeps them from vanishing in float32 where the classifier is very sure.
  // any_wrong_class as in AttackInput.
  ModelProbe(const model::ImageClassifier& model, const ParameterSpace& space, Objective objective,
             bool any_wrong_class, bool scale_free = true);

  // images: [B, C, H, W]; parameters: [B, ...]; labels, targets as in AttackInput.
  ProbeResult Forward(const at::Tensor& images, const at::Tensor& parameters,
                      const at::Tensor& labels, const at::Tensor& targets);
  // Throws kBadInput when the model's answer does not depend on its input in a differentiable way,
  // or the gradient is not finite.
  ProbeResult ForwardBackward(const at::Tensor& images, const at::Tensor& parameters,
                              const at::Tensor& labels, const at::Tensor& targets);

  const ModelCalls& calls() const { return calls_; }
  // An image is fooled when the answer is its target, else when it is not its label.
  bool targeted() const { return measure::IsTargeted(objective_) && !any_wrong_class_; }

 private:
  at::Tensor FooledBy(const at::Tensor& logits, const at::Tensor& labels,
                      const at::Tensor& targets) const;

  const model::ImageClassifier& model_;
  const ParameterSpace& space_;
  Objective objective_;
  bool any_wrong_class_;
  bool scale_free_;
  ModelCalls calls_;
};

}  // namespace assay::robustness
