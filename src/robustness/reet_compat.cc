#include "robustness/reet_compat.h"

#include <ATen/ATen.h>

#include <chrono>
#include <cmath>

#include "base/rng.h"
#include "transforms/transform.h"

namespace assay::robustness {
namespace {

using Clock = std::chrono::steady_clock;

double Since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

at::Tensor TrueLogits(const at::Tensor& logits, const at::Tensor& labels) {
  return logits.gather(1, labels.unsqueeze(1)).squeeze(1);
}

// RMSE over everything, as the package has it: one image's change is another's budget.
at::Tensor ProjectBatch(const at::Tensor& weights, const at::Tensor& identity, double budget) {
  const at::Tensor change = weights - identity;
  const double size = change.square().mean().sqrt().item<double>();
  return size <= budget ? weights : identity + change * (budget / size);
}

ReetResult Ascend(const model::ImageClassifier& model, const at::Tensor& images,
                  const at::Tensor& labels, const transforms::Transform& transform,
                  const ReetSettings& settings, base::Rng rng) {
  const at::Tensor identity =
      transform.Identity(images.size(0), images.size(2), images.size(3)).to(images.device());
  at::Tensor weights = identity.clone();
  if (settings.noise > 0) {
    std::vector<float> noise(static_cast<size_t>(identity.numel()));
    for (float& value : noise) value = static_cast<float>((2 * rng.Uniform() - 1) * settings.noise);
    weights += at::tensor(noise).reshape(identity.sizes()).to(identity.device());
  }
  ReetResult result;
  at::Tensor square = at::zeros_like(weights);  // RMSprop: alpha 0.99, eps 1e-8
  for (int step = 0; step < settings.steps; ++step) {
    const at::Tensor leaf = weights.detach().clone().requires_grad_(true);
    const at::Tensor changed = transform.Apply(images, leaf);
    const auto start = Clock::now();
    TrueLogits(model.Logits(changed), labels).sum().backward();
    result.calls.seconds += Since(start);
    const at::Tensor gradient = leaf.grad();
    square = 0.99 * square + 0.01 * gradient.square();
    weights = weights - settings.step * gradient / (square.sqrt() + 1e-8);
    weights = ProjectBatch(weights, identity, settings.budget);
  }
  const at::NoGradGuard no_gradients;
  result.images = transform.Apply(images, weights);
  result.logits = model.Logits(result.images);
  result.calls.backwards = settings.steps * images.size(0);
  result.calls.forwards = result.calls.backwards + images.size(0);
  return result;
}

ReetResult Search(const model::ImageClassifier& model, const at::Tensor& images,
                  const at::Tensor& labels, const transforms::Transform& transform,
                  const ReetSettings& settings, uint64_t seed) {
  const at::NoGradGuard no_gradients;
  std::vector<int64_t> ids;
  for (int64_t i = 0; i < images.size(0); ++i) ids.push_back(i);
  ReetResult result;
  at::Tensor best;  // [B], lowest logit of the label so far
  for (int draw = 0; draw < settings.draws; ++draw) {
    const at::Tensor parameters =
        transform.Sample(images.size(2), images.size(3), seed, ids, static_cast<uint64_t>(draw))
            .to(images.device());
    const at::Tensor changed = transform.Apply(images, parameters);
    const auto start = Clock::now();
    const at::Tensor logits = model.Logits(changed);
    result.calls.seconds += Since(start);
    const at::Tensor loss = TrueLogits(logits, labels);
    if (!best.defined()) {
      best = loss;
      result.images = changed;
      result.logits = logits;
      continue;
    }
    const at::Tensor better = loss < best;
    best = at::where(better, loss, best);
    result.logits = at::where(better.unsqueeze(1), logits, result.logits);
    result.images = at::where(better.reshape({-1, 1, 1, 1}), changed, result.images);
  }
  result.calls.forwards = settings.draws * images.size(0);
  return result;
}

}  // namespace

const std::vector<ReetSettings>& ReetDefaults() {
  static const std::vector<ReetSettings> kDefaults = {
      {.transform = "pixel",
       .gradient = true,
       .step = 0.1 / 255,
       .budget = 2.0 / 255,
       .noise = 0.2 / 255},
      {.transform = "stain", .gradient = true, .step = 0.002, .budget = 0.2},
      {.transform = "mean",
       .gradient = true,
       .step = 1.0 / 255,
       .budget = 50.0 / 255,
       .noise = 0.2 / 255},
      {.transform = "rotate"},
      {.transform = "crop"},
      {.transform = "blur"},
      {.transform = "zoom_in"},
      {.transform = "zoom_out"},
      {.transform = "hed"},
      {.transform = "random_stain"},
      {.transform = "jpeg"}};
  return kDefaults;
}

ReetResult RunReet(const model::ImageClassifier& model, const at::Tensor& images,
                   const at::Tensor& labels, const ReetSettings& settings, uint64_t seed) {
  const auto transform = transforms::MakeTransform(
      settings.transform, {.compatibility = transforms::Compatibility::kReet});
  if (settings.gradient) {
    return Ascend(model, images, labels, *transform, settings,
                  base::Rng(seed, "reet " + settings.transform));
  }
  return Search(model, images, labels, *transform, settings, seed);
}

}  // namespace assay::robustness
