#include "robustness/model_probe.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/grad_mode.h>

#include <chrono>
#include <cmath>

namespace assay::robustness {
namespace {

using base::ErrorKind;
using base::Fail;

class Stopwatch {
 public:
  explicit Stopwatch(double& seconds) : seconds_(seconds) {}
  ~Stopwatch() {
    seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  double& seconds_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace

ModelProbe::ModelProbe(const model::ImageClassifier& model, const ParameterSpace& space,
                       Objective objective, bool any_wrong_class, bool scale_free)
    : model_(model),
      space_(space),
      objective_(objective),
      any_wrong_class_(any_wrong_class),
      scale_free_(scale_free) {}

at::Tensor ModelProbe::FooledBy(const at::Tensor& logits, const at::Tensor& labels,
                                const at::Tensor& targets) const {
  return measure::Fooled(logits, labels, targeted() ? targets : at::Tensor());
}

ProbeResult ModelProbe::Forward(const at::Tensor& images, const at::Tensor& parameters,
                                const at::Tensor& labels, const at::Tensor& targets) {
  const at::NoGradGuard no_grad;
  ProbeResult out{.images = space_.Apply(images, parameters)};
  {
    const Stopwatch watch(calls_.seconds);
    out.logits = model_.Logits(out.images);
  }
  calls_.forwards += images.size(0);
  out.loss =
      measure::EvaluateObjective(objective_, out.logits, labels, targets, measure::Slope::kNone)
          .loss;
  out.fooled = FooledBy(out.logits, labels, targets);
  return out;
}

ProbeResult ModelProbe::ForwardBackward(const at::Tensor& images, const at::Tensor& parameters,
                                        const at::Tensor& labels, const at::Tensor& targets) {
  const at::AutoGradMode with_grad(true);
  const at::Tensor leaf = parameters.detach().requires_grad_(true);
  const at::Tensor changed = space_.Apply(images, leaf);
  // The model's part of the chain and the transform's are apart, so that each is timed by itself.
  const bool pixels = changed.is_same(leaf);
  const at::Tensor seen = pixels ? leaf : changed.detach().requires_grad_(true);
  at::Tensor logits;
  {
    const Stopwatch watch(calls_.seconds);
    logits = model_.Logits(seen);
  }
  calls_.forwards += images.size(0);
  if (!logits.requires_grad())
    Fail(ErrorKind::kBadInput,
         "{}: its logits carry no gradient; use an attack without gradients (square, search)",
         model_.spec().name);
  const auto value =
      measure::EvaluateObjective(objective_, logits, labels, targets,
                                 scale_free_ ? measure::Slope::kDirection : measure::Slope::kExact);
  const at::Tensor& seed = value.gradient;  // [B, K]
  at::Tensor gradient;
  {
    const Stopwatch watch(calls_.seconds);
    gradient = torch::autograd::grad({logits}, {seen}, {seed.to(logits.scalar_type())})[0];
  }
  if (!pixels) gradient = torch::autograd::grad({changed}, {leaf}, {gradient})[0];
  calls_.backwards += images.size(0);
  if (!std::isfinite(gradient.sum().item<double>()))  // one pass; not finite values stay so
    Fail(ErrorKind::kBadInput, "{}: the gradient with respect to {} is not finite",
         model_.spec().name, space_.name());
  ProbeResult out{.images = seen.detach(), .logits = logits.detach(), .loss = value.loss};
  out.gradient = gradient.detach();
  out.fooled = FooledBy(out.logits, labels, targets);
  return out;
}

}  // namespace assay::robustness
