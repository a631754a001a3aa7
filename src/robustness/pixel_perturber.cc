#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "base/rng.h"
#include "robustness/batch_perturber.h"
#include "robustness/training_method.h"

namespace assay::robustness {
namespace {

// How far answers have moved from those on the clean images, put as a question with two answers so
// that every attack can raise it: the margin of the second logit over the first is KL(clean ||
// now). Rows belong to the clean images, so no image may leave the batch.
class DivergenceFrom final : public model::ImageClassifier {
 public:
  DivergenceFrom(const model::ImageClassifier& classifier, const at::Tensor& clean)
      : classifier_(classifier) {
    const c10::NoGradGuard no_gradients;
    clean_ = at::log_softmax(classifier.Logits(clean), 1);
    spec_ = classifier.spec();
    spec_.class_names = {"as clean", "moved"};
  }
  at::Tensor Logits(const at::Tensor& images) const override {
    const at::Tensor moved = Divergence(clean_, at::log_softmax(classifier_.Logits(images), 1));
    return at::stack({at::zeros_like(moved), moved}, 1);
  }

 private:
  const model::ImageClassifier& classifier_;
  at::Tensor clean_;  // [B, K] log-probabilities
};

class PixelPerturber final : public BatchPerturber {
 public:
  PixelPerturber(AttackOptions attack, bool divergence)
      : options_(std::move(attack)), divergence_(divergence) {
    options_.last_iterate = true;  // as both papers; nothing leaves the batch
    options_.early_stop = false;
    if (divergence_) options_.objective = "margin";
    MakeAttack(options_);  // throws for options that do not go together
  }

  at::Tensor Perturb(const TrainStep& step) override {
    AttackOptions options = options_;
    options.seed = base::Rng(step.seed, "attack", static_cast<uint64_t>(step.step)).Next();
    const auto attack = MakeAttack(options);
    if (!divergence_)
      return attack->Run(step.classifier, {.images = step.images, .labels = step.labels}).images;
    return attack
        ->Run(DivergenceFrom(step.classifier, step.images),
              {.images = step.images, .labels = at::zeros_like(step.labels)})
        .images;
  }

 private:
  AttackOptions options_;
  bool divergence_;
};

}  // namespace

std::unique_ptr<BatchPerturber> MakePixelPerturber(const AttackOptions& attack) {
  return std::make_unique<PixelPerturber>(attack, false);
}

std::unique_ptr<BatchPerturber> MakeDivergencePerturber(const AttackOptions& attack) {
  return std::make_unique<PixelPerturber>(attack, true);
}

}  // namespace assay::robustness
