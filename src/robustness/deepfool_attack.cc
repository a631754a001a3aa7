#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/grad_mode.h>

#include "robustness/least_distance.h"
#include "robustness/line_search.h"

namespace assay::robustness {
namespace {

constexpr double kOvershoot = 0.02;
constexpr int64_t kRivals = 9;  // nearest classes tried, beside the label

class DeepFoolAttack : public Attack {
 public:
  explicit DeepFoolAttack(AttackOptions options)
      : options_(std::move(options)),
        norm_(measure::ParseNorm(options_.norm)),
        space_(MakePixelSpace()) {}
  std::string name() const override { return "deepfool"; }

  AttackResult Run(const model::ImageClassifier& model, const AttackInput& input) const override {
    CheckInput(input);
    ModelProbe probe(model, *space_, Objective::kMargin, true);
    const ActiveImages all = AllImages(input, *space_, norm_, Budgets(input, options_.epsilon));
    BestStates best(input, true);
    best.Offer(all, all.images, probe.Forward(all.images, all.images, all.labels, {}));
    ActiveImages active = all;
    at::Tensor total = at::zeros_like(all.images);  // sum of steps, without overshoot
    at::Tensor parameters = all.images;
    ModelCalls calls;
    for (int step = 0; step < options_.steps; ++step) {
      const at::Tensor keep = Places(best.fooled().index_select(0, active.rows).logical_not());
      if (keep.size(0) == 0) break;
      active = active.Kept(keep);
      total = total.index_select(0, keep) +
              Step(model, active, parameters.index_select(0, keep), calls);
      parameters = active.region.Project(active.images + total * (1 + kOvershoot));
      best.Offer(active, parameters, probe.Forward(active.images, parameters, active.labels, {}));
    }
    ShortenAlongLine(all, best, probe);
    calls += probe.calls();
    AttackResult result = best.Result(all.region, calls);
    result.health.images = input.images.size(0);
    return result;
  }

 private:
  // The least step to the nearest linearised boundary: [n, C, H, W].
  at::Tensor Step(const model::ImageClassifier& model, const ActiveImages& active,
                  const at::Tensor& parameters, ModelCalls& calls) const {
    const at::AutoGradMode with_grad(true);
    const at::Tensor leaf = parameters.detach().requires_grad_(true);
    const at::Tensor logits = model.Logits(leaf);
    if (!logits.requires_grad())
      base::Fail(base::ErrorKind::kBadInput, "{}: its logits carry no gradient", model.spec().name);
    const at::Tensor wide = logits.detach().to(at::kDouble), label = active.labels.unsqueeze(1);
    const int64_t rivals = std::min(kRivals, wide.size(1) - 1);
    const at::Tensor order =
        std::get<1>(wide.scatter(1, label, -INFINITY).topk(rivals, 1));  // [n, rivals]
    calls.forwards += active.size();
    at::Tensor nearest, step;
    for (int64_t r = 0; r < rivals; ++r) {
      const at::Tensor rival = order.narrow(1, r, 1);
      const at::Tensor seed = at::zeros_like(wide).scatter(1, rival, 1.0).scatter(1, label, -1.0);
      const at::Tensor slope =
          torch::autograd::grad({logits}, {leaf}, {seed.to(logits.scalar_type())}, true)[0];
      calls.backwards += active.size();
      const at::Tensor gap =
          (wide.gather(1, label) - wide.gather(1, rival)).squeeze(1).clamp_min(0) + 1e-6;
      // Linf: |step| is gap / L1 of the slope everywhere; L2: along the slope.
      const at::Tensor size =
          measure::Distance(slope.to(at::kDouble), norm_ == Norm::kLinf ? Norm::kL1 : Norm::kL2)
              .clamp_min(1e-12);
      const at::Tensor distance = gap / size;  // [n]
      const at::Tensor candidate = norm_ == Norm::kLinf
                                       ? slope.sign() * measure::PerRow(distance, slope)
                                       : slope * measure::PerRow(distance / size, slope);
      if (r == 0) {
        nearest = distance;
        step = candidate;
        continue;
      }
      const at::Tensor better = distance < nearest;
      step = at::where(better.view({-1, 1, 1, 1}), candidate, step);
      nearest = at::where(better, distance, nearest);
    }
    return step.detach();
  }

  AttackOptions options_;
  Norm norm_;
  std::unique_ptr<ParameterSpace> space_;
};

}  // namespace

std::unique_ptr<Attack> MakeDeepFoolAttack(const AttackOptions& options) {
  return std::make_unique<DeepFoolAttack>(options);
}

}  // namespace assay::robustness
