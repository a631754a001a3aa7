#include "robustness/attack_run.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/grad_mode.h>

#include <algorithm>
#include <chrono>

#include "robustness/attack_region.h"
#include "robustness/model_probe.h"

namespace assay::robustness {
namespace {

AttackInput Part(const AttackInput& input, int64_t from, int64_t count) {
  const auto part = [&](const at::Tensor& tensor) {
    return tensor.defined() ? tensor.narrow(0, from, count) : at::Tensor();
  };
  return {.images = part(input.images),
          .labels = part(input.labels),
          .targets = part(input.targets),
          .budget = part(input.budget),
          .any_wrong_class = input.any_wrong_class};
}

template <typename Visit>
void ForBatches(const AttackInput& input, int64_t batch, Visit&& visit) {
  const int64_t images = input.images.size(0);
  for (int64_t from = 0; from < images; from += batch)
    visit(Part(input, from, std::min(batch, images - from)));
}

// One field of several structs, joined along the batch.
template <typename Struct>
at::Tensor Joined(const std::vector<Struct>& parts, at::Tensor Struct::*field) {
  std::vector<at::Tensor> tensors;
  for (const Struct& part : parts) tensors.push_back(part.*field);
  return at::cat(tensors);
}

StoredSuccess Join(const std::vector<StoredSuccess>& parts) {
  return {Joined(parts, &StoredSuccess::png), Joined(parts, &StoredSuccess::jpeg90),
          Joined(parts, &StoredSuccess::jpeg75), Joined(parts, &StoredSuccess::png_logits)};
}

std::vector<at::Tensor> JoinSteps(const std::vector<AttackResult>& parts,
                                  std::vector<at::Tensor> Trajectory::*field) {
  std::vector<at::Tensor> steps;
  for (size_t step = 0; step < (parts[0].trajectory.*field).size(); ++step) {
    std::vector<at::Tensor> tensors;
    for (const AttackResult& part : parts) tensors.push_back((part.trajectory.*field)[step]);
    steps.push_back(at::cat(tensors));
  }
  return steps;
}

AttackResult Join(const std::vector<AttackResult>& parts) {
  AttackResult out{.images = Joined(parts, &AttackResult::images),
                   .parameters = Joined(parts, &AttackResult::parameters),
                   .logits = Joined(parts, &AttackResult::logits),
                   .loss = Joined(parts, &AttackResult::loss),
                   .fooled = Joined(parts, &AttackResult::fooled),
                   .distance = Joined(parts, &AttackResult::distance)};
  out.trajectory = {JoinSteps(parts, &Trajectory::images), JoinSteps(parts, &Trajectory::logits),
                    JoinSteps(parts, &Trajectory::loss)};
  for (const AttackResult& part : parts) {
    out.calls += part.calls;
    out.health += part.health;
  }
  return out;
}

// d cross-entropy / d input of each image.
at::Tensor CleanGradient(const model::ImageClassifier& model, const AttackInput& input,
                         int64_t batch) {
  const auto space = MakePixelSpace();
  ModelProbe probe(model, *space, Objective::kCrossEntropy, true, false);
  std::vector<at::Tensor> parts;
  ForBatches(input, batch, [&](const AttackInput& part) {
    parts.push_back(probe.ForwardBackward(part.images, part.images, part.labels, {}).gradient);
  });
  return at::cat(parts);
}

at::Tensor LossOf(const at::Tensor& logits, const at::Tensor& labels) {
  return measure::CrossEntropy(logits, labels).to(at::kFloat);
}

}  // namespace

std::optional<double> AttackRunResult::MedianDistance() const {
  const at::Tensor found =
      result.distance.masked_select(at::logical_and(clean_fooled.logical_not(), result.fooled));
  if (found.numel() == 0) return std::nullopt;
  // The mean of the middle two, as NumPy has it.
  return at::quantile(found, 0.5).item<double>();
}

AttackResult RunInBatches(const Attack& attack, const model::ImageClassifier& model,
                          const AttackInput& input, int64_t batch) {
  CheckInput(input);
  std::vector<AttackResult> results;
  ForBatches(input, batch,
             [&](const AttackInput& part) { results.push_back(attack.Run(model, part)); });
  return Join(results);
}

AttackRunResult RunAttackInBatches(const Attack& attack, const model::ImageClassifier& model,
                                   const AttackInput& input, int64_t batch) {
  const auto start = std::chrono::steady_clock::now();
  AttackRunResult run{.result = RunInBatches(attack, model, input, batch)};
  run.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::vector<StoredSuccess> stored, clean_stored;
  std::vector<at::Tensor> clean;
  int64_t from = 0;
  ForBatches(input, batch, [&](const AttackInput& part) {
    const at::NoGradGuard no_grad;
    const at::Tensor goal = part.any_wrong_class ? at::Tensor() : part.targets;
    const int64_t count = part.images.size(0);
    clean.push_back(model.Logits(part.images));
    stored.push_back(
        CheckStored(model, run.result.images.narrow(0, from, count), part.labels, goal));
    clean_stored.push_back(CheckStored(model, part.images, part.labels, goal));
    from += count;
  });
  run.clean_logits = at::cat(clean);
  run.clean_fooled = measure::Fooled(run.clean_logits, input.labels,
                                     input.any_wrong_class ? at::Tensor() : input.targets);
  run.stored = Join(stored);
  run.clean_stored = Join(clean_stored);
  return run;
}

std::map<std::string, at::Tensor> AttackTensors(const AttackOptions& options,
                                                const model::ImageClassifier& model,
                                                const AttackInput& input,
                                                const AttackRunResult& run, int64_t batch) {
  std::map<std::string, at::Tensor> out;
  const std::string& name = options.attack;
  out["clean_logits"] = run.clean_logits;
  out["clean_loss"] = LossOf(run.clean_logits, input.labels);
  out[name + "_adv"] = run.result.images;
  out[name + "_logits"] = run.result.logits;
  out[name + "_loss"] = LossOf(run.result.logits, input.labels);
  out[name + "_fooled"] = run.result.fooled.to(at::kLong);
  out[name + "_distance"] = run.result.distance.to(at::kFloat);
  if (run.result.parameters.dim() != 4) out[name + "_parameters"] = run.result.parameters;
  if (!run.result.trajectory.images.empty() && name == "pgd") {
    out["pgd_adv"] = at::stack(run.result.trajectory.images);
    out["pgd_logits"] = at::stack(run.result.trajectory.logits);
    std::vector<at::Tensor> losses;
    for (const at::Tensor& logits : run.result.trajectory.logits)
      losses.push_back(LossOf(logits, input.labels));
    out["pgd_loss"] = at::stack(losses);
  }
  if (name == "square" || name == "search") return out;  // the model may have no gradient
  out["grad"] = CleanGradient(model, input, batch);
  if (name != "fgsm" && options.norm == "linf" && run.result.parameters.dim() == 4) {
    AttackOptions fgsm;
    fgsm.attack = "fgsm";
    fgsm.epsilon = options.epsilon;
    std::vector<AttackResult> parts;
    const auto attack = MakeAttack(fgsm);
    ForBatches(input, batch, [&](AttackInput part) {
      part.targets = at::Tensor();
      parts.push_back(attack->Run(model, part));
    });
    out["fgsm_adv"] = Joined(parts, &AttackResult::images);
    out["fgsm_logits"] = Joined(parts, &AttackResult::logits);
  }
  return out;
}

}  // namespace assay::robustness
