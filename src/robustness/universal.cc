#include "robustness/universal.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "base/rng.h"
#include "robustness/attack_region.h"
#include "robustness/storage_check.h"

namespace assay::robustness {
namespace {

using base::ErrorKind;
using base::Fail;

constexpr double kLastStep = 0.05;  // of the first
constexpr double kMomentum = 0.9;

at::Tensor Perturbed(const at::Tensor& images, const at::Tensor& delta) {
  return (images + delta).clamp(0, 1);
}

class Trainer {
 public:
  Trainer(const model::ImageClassifier& model, const at::Tensor& images, const at::Tensor& labels,
          const UniversalOptions& options)
      : model_(model), options_(options), norm_(measure::ParseNorm(options.norm)) {
    const at::NoGradGuard no_grad;
    std::vector<at::Tensor> wrong;
    for (int64_t from = 0; from < images.size(0); from += options.batch) {
      const int64_t count = std::min<int64_t>(options.batch, images.size(0) - from);
      wrong.push_back(measure::Fooled(model.Logits(images.narrow(0, from, count)),
                                      labels.narrow(0, from, count)));
      calls_.forwards += count;
    }
    const at::Tensor right = at::cat(wrong).logical_not().nonzero().squeeze(1);
    if (right.size(0) == 0)
      Fail(ErrorKind::kBadInput,
           "universal perturbation: {} is right on none of {} training images", model.spec().name,
           images.size(0));
    images_ = images.index_select(0, right);
    labels_ = labels.index_select(0, right);
  }

  UniversalPerturbation Train(const at::Tensor& start, int restart) {
    at::Tensor delta = Project(start), mean = at::zeros_like(start);
    const int64_t count = images_.size(0);
    const int64_t batches = (count + options_.batch - 1) / options_.batch;
    const int64_t steps = batches * options_.epochs;
    UniversalPerturbation best{.delta = delta, .training_flips = -1};
    std::vector<int64_t> order(static_cast<size_t>(count));
    std::iota(order.begin(), order.end(), 0);
    int64_t step = 0;
    for (int epoch = 0; epoch < options_.epochs; ++epoch) {
      base::Rng rng(options_.seed, "universal order",
                    static_cast<uint64_t>(restart * 1000003 + epoch));
      rng.Shuffle(order);
      const at::Tensor places = at::tensor(order).to(images_.device());
      for (int64_t from = 0; from < count; from += options_.batch, ++step) {
        const at::Tensor rows =
            places.narrow(0, from, std::min<int64_t>(options_.batch, count - from));
        mean = mean * kMomentum + Gradient(rows, delta);
        const double share = static_cast<double>(step) / static_cast<double>(steps);
        const double size =
            options_.epsilon * options_.step *
            (kLastStep + (1 - kLastStep) * (1 + std::cos(std::numbers::pi * share)) / 2);
        delta = Project(delta + Direction(mean) * size);
      }
    }
    best.delta = delta;
    const UniversalScore score = ScoreUniversal(model_, images_, labels_, delta, options_.batch);
    calls_.forwards += 3 * count;
    best.training_flips = score.FlipShare();
    best.calls = calls_;
    return best;
  }

  at::Tensor RandomStart(int restart) const {
    const at::Tensor like = at::zeros({1, images_.size(1), images_.size(2), images_.size(3)});
    if (restart == 0) return like.to(images_.device());
    const at::Tensor noise = RandomLike(at::full_like(like, 0.5 * options_.epsilon), Norm::kLinf,
                                        options_.seed, static_cast<uint64_t>(restart));
    return noise.to(images_.device());
  }

 private:
  at::Tensor Project(const at::Tensor& delta) const {
    return measure::ProjectToBall(delta, norm_, at::full({1}, options_.epsilon, at::kDouble));
  }

  at::Tensor Direction(const at::Tensor& mean) const {
    if (norm_ == Norm::kLinf) return mean.sign();
    return mean / measure::PerRow(measure::Distance(mean, Norm::kL2).clamp_min(1e-30), mean);
  }

  // Mean gradient of the objective over the rows: [1, C, H, W].
  at::Tensor Gradient(const at::Tensor& rows, const at::Tensor& delta) {
    const at::AutoGradMode with_grad(true);
    const at::Tensor leaf = delta.detach().requires_grad_(true);
    const at::Tensor logits = model_.Logits(Perturbed(images_.index_select(0, rows), leaf));
    if (!logits.requires_grad())
      Fail(ErrorKind::kBadInput, "{}: its logits carry no gradient", model_.spec().name);
    const at::Tensor seed =
        measure::EvaluateObjective(measure::ParseObjective(options_.objective), logits,
                                   labels_.index_select(0, rows), {}, measure::Slope::kExact)
            .gradient /
        static_cast<double>(rows.size(0));
    calls_.forwards += rows.size(0);
    calls_.backwards += rows.size(0);
    return torch::autograd::grad({logits}, {leaf}, {seed.to(logits.scalar_type())})[0].detach();
  }

  const model::ImageClassifier& model_;
  const UniversalOptions& options_;
  Norm norm_;
  at::Tensor images_, labels_;  // training images that the model gets right
  ModelCalls calls_;
};

}  // namespace

UniversalPerturbation TrainUniversal(const model::ImageClassifier& model, const at::Tensor& images,
                                     const at::Tensor& labels, const UniversalOptions& options,
                                     const at::Tensor& start) {
  base::ValidateFields(options);
  CheckInput({.images = images, .labels = labels});
  Trainer trainer(model, images, labels, options);
  UniversalPerturbation best{.training_flips = -1};
  for (int restart = 0; restart < options.restarts; ++restart) {
    const bool given = restart == 0 && start.defined();
    UniversalPerturbation found =
        trainer.Train(given ? start : trainer.RandomStart(restart), restart);
    const ModelCalls calls = found.calls;  // of all starts so far
    if (found.training_flips > best.training_flips) best = std::move(found);
    best.calls = calls;
  }
  return best;
}

UniversalScore ScoreUniversal(const model::ImageClassifier& model, const at::Tensor& images,
                              const at::Tensor& labels, const at::Tensor& delta, int64_t batch) {
  const at::NoGradGuard no_grad;
  UniversalScore out{.images = images.size(0)};
  double confidence = 0;
  for (int64_t from = 0; from < images.size(0); from += batch) {
    const int64_t count = std::min(batch, images.size(0) - from);
    const at::Tensor part = images.narrow(0, from, count), label = labels.narrow(0, from, count);
    const at::Tensor right = measure::Fooled(model.Logits(part), label).logical_not();
    const at::Tensor changed = Perturbed(part, delta), logits = model.Logits(changed);
    const at::Tensor flipped = at::logical_and(right, measure::Fooled(logits, label));
    const at::Tensor stored =
        at::logical_and(right, measure::Fooled(model.Logits(ThroughPng(changed)), label));
    out.flipped_stored += stored.sum().item<int64_t>();
    confidence +=
        at::softmax(logits.to(at::kDouble), 1).amax(1).masked_select(flipped).sum().item<double>();
    const int64_t classes = logits.size(1);
    out.right_by_class.resize(static_cast<size_t>(classes));
    out.flipped_by_class.resize(static_cast<size_t>(classes));
    for (int64_t c = 0; c < classes; ++c) {
      const at::Tensor mine = label == c;
      const auto was = at::logical_and(mine, right).sum().item<int64_t>();
      const auto turned = at::logical_and(mine, flipped).sum().item<int64_t>();
      out.right_by_class[static_cast<size_t>(c)] += was;
      out.flipped_by_class[static_cast<size_t>(c)] += turned;
      out.right += was;
      out.flipped += turned;
    }
  }
  out.confidence = out.flipped ? confidence / static_cast<double>(out.flipped) : 0;
  return out;
}

at::Tensor RandomLike(const at::Tensor& delta, Norm norm, uint64_t seed, uint64_t number) {
  base::Rng rng(seed, "universal control: random", number);
  at::Tensor noise = at::empty(delta.sizes(), at::kFloat);
  for (int64_t i = 0; i < noise.numel(); ++i)
    noise.data_ptr<float>()[i] =
        static_cast<float>(norm == Norm::kLinf ? (rng.Below(2) == 0 ? -1.0 : 1.0) : rng.Normal());
  const double size = measure::Distance(delta.to(at::kCPU), norm)[0].item<double>();
  return (noise * (size / measure::Distance(noise, norm)[0].item<double>())).to(delta.device());
}

at::Tensor ShuffledPixels(const at::Tensor& delta, uint64_t seed, uint64_t number) {
  base::Rng rng(seed, "universal control: shuffled", number);
  std::vector<int64_t> order(static_cast<size_t>(delta.size(2) * delta.size(3)));
  std::iota(order.begin(), order.end(), 0);
  rng.Shuffle(order);
  return delta.flatten(2).index_select(2, at::tensor(order).to(delta.device())).view(delta.sizes());
}

}  // namespace assay::robustness
