#include "training/sae_trainer.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include <cmath>

#include "base/rng.h"
#include "model/safetensors.h"
#include "model/token_batch.h"

namespace assay::training {

using base::ErrorKind;
using base::Fail;

namespace {

constexpr double kBeta1 = 0.9, kBeta2 = 0.999, kEpsilon = 1e-8;
constexpr double kMeanDecay = 0.99;  // of the running mean of inputs, by batch in which it fires
constexpr double kSmall = 1e-8;

at::Generator GeneratorOf(uint64_t seed, std::string_view stream, uint64_t index) {
  return at::make_generator<at::CPUGeneratorImpl>(base::Rng(seed, stream, index).Next());
}

void NormalizeRows(at::Tensor& matrix) {
  matrix.div_(matrix.norm(2, {1}, /*keepdim=*/true).clamp_min(kSmall));
}

}  // namespace

SaeTrainer::SaeTrainer(at::Tensor data, const SaeTrainOptions& options)
    : options_(options), data_(std::move(data)) {
  base::ValidateFields(options_);
  ASSAY_CHECK(data_.dim() == 2 && data_.size(0) > 0 && data_.scalar_type() == at::kFloat);
  if (!at::isfinite(data_).all().item<bool>())
    Fail(ErrorKind::kBadInput, "the hook has values that are not finite");
  const int64_t d = data_.size(1);
  if (options_.features == 0) options_.features = 8 * d;
  const int64_t f = options_.features;
  if (options_.kind == "topk" && options_.k > f)
    Fail(ErrorKind::kUsage, "--k is {}; the SAE has {} features", options_.k, f);
  const double norm = data_.norm(2, {1}).mean().item<double>();
  if (!(norm > 0)) Fail(ErrorKind::kBadInput, "all {} vectors of the hook are 0", data_.size(0));
  scale_ = std::sqrt(static_cast<double>(d)) / norm;
  at::Tensor decoder = at::randn({f, d}, GeneratorOf(options_.seed, "sae weights", 0));
  NormalizeRows(decoder);
  parameters_["W_enc"] = decoder.t().contiguous();
  parameters_["W_dec"] = decoder;
  parameters_["b_enc"] = at::zeros({f});
  parameters_["b_dec"] = data_.mean(0) * scale_;
  shift_ = options_.kind == "centred-embedding" ? data_.mean(0) * scale_ : at::zeros({d});
  for (const auto& [name, tensor] : parameters_) {
    first_[name] = at::zeros_like(tensor);
    second_[name] = at::zeros_like(tensor);
  }
  running_["silent"] = at::zeros({f});
  if (options_.HasEmbeddingLoss()) running_["mean"] = at::zeros({f, d});
}

// The rows of each epoch in a random order of its own, so that a step's batch depends on its number
// alone.
at::Tensor SaeTrainer::NextBatch() {
  const int64_t n = data_.size(0), batch = std::min(options_.batch, n), per_epoch = n / batch;
  if (const int64_t epoch = step_ / per_epoch; epoch != epoch_) {
    order_ = at::randperm(n, GeneratorOf(options_.seed, "sae order", static_cast<uint64_t>(epoch)),
                          at::kLong);
    epoch_ = epoch;
  }
  return data_.index_select(0, order_.narrow(0, step_ % per_epoch * batch, batch)).mul_(scale_);
}

SaeTrainer::Forward SaeTrainer::Run(const at::Tensor& batch,
                                    std::map<std::string, at::Tensor>* gradients) {
  const at::Tensor &w_enc = parameters_.at("W_enc"), &w_dec = parameters_.at("W_dec"),
                   &b_dec = parameters_.at("b_dec");
  const auto rows = static_cast<double>(batch.size(0));
  Forward out;
  out.centred = batch - b_dec;
  const at::Tensor pre = at::addmm(parameters_.at("b_enc"), out.centred, w_enc);
  if (options_.kind == "topk") {
    const auto [values, indices] = pre.topk(options_.k, -1, true, false);
    out.features = at::zeros_like(pre).scatter_(-1, indices, values.relu());
  } else {
    out.features = at::relu(pre);
  }
  out.active = (out.features > 0).to(at::kFloat);
  out.error = at::addmm(b_dec, out.features, w_dec).sub_(batch);
  if (gradients != nullptr) {
    const at::Tensor by_output = out.error * (2 / rows);
    at::Tensor by_pre = at::mm(by_output, w_dec.t());
    if (options_.kind != "topk") by_pre.add_(options_.l1 / rows);
    by_pre.mul_(out.active);
    at::Tensor by_bias = by_pre.sum(0);
    (*gradients)["W_dec"] = at::mm(out.features.t(), by_output);
    (*gradients)["W_enc"] = at::mm(out.centred.t(), by_pre);
    (*gradients)["b_dec"] = by_output.sum(0) - at::mv(w_enc, by_bias);
    (*gradients)["b_enc"] = std::move(by_bias);
  }
  if (options_.HasEmbeddingLoss())
    out.embedding_loss = AddEmbeddingLoss(batch - shift_, out.active, gradients);
  return out;
}

// The mean over active (vector, feature) pairs of 1 - cos(mu * w, h * w), h the batch as given, mu
// the running mean of h while the feature is active and held fixed. With q = w^2:
//   cos = <h, mu q> / (sqrt(<mu^2, q>) sqrt(<h^2, q>)).
// Returns the mean; adds `embedding_weight` times its gradient for W_enc.
double SaeTrainer::AddEmbeddingLoss(const at::Tensor& batch, const at::Tensor& active,
                                    std::map<std::string, at::Tensor>* gradients) const {
  const at::Tensor& w = parameters_.at("W_enc");                              // [d, F]
  const at::Tensor mean = running_.at("mean").t();                            // [d, F]
  const at::Tensor q = w * w, h2 = batch * batch;                             // [d, F], [B, d]
  const at::Tensor mean_norm2 = (mean * mean * q).sum(0).clamp_min_(kSmall);  // [F]
  const at::Tensor norm2 = at::mm(h2, q).clamp_min_(kSmall);                  // [B, F]
  // Features that have not fired yet have no mean to agree with.
  const at::Tensor known = (mean_norm2 > kSmall).to(at::kFloat);
  const at::Tensor counted = active * known;
  const double pairs = std::max(1.0, counted.sum().item<double>());
  const at::Tensor inverse = counted * at::rsqrt(mean_norm2) * at::rsqrt(norm2);  // [B, F]
  const at::Tensor cosine = at::mm(batch, mean * q) * inverse;
  const double loss = (counted.sum().item<double>() - cosine.sum().item<double>()) / pairs;
  if (gradients != nullptr) {
    at::Tensor by_q = mean * at::mm(batch.t(), inverse);  // [d, F]
    by_q.sub_(mean * mean * (cosine.sum(0) / (2 * mean_norm2)));
    by_q.sub_(at::mm(h2.t(), cosine / (2 * norm2)));
    (*gradients)["W_enc"].sub_(by_q * w, 2 * options_.embedding_weight / pairs);
  }
  return loss;
}

double SaeTrainer::Loss(const at::Tensor& batch, std::map<std::string, at::Tensor>* gradients) {
  const Forward run = Run(batch, gradients);
  const auto rows = static_cast<double>(batch.size(0));
  double loss = run.error.square().sum().item<double>() / rows;
  if (options_.kind != "topk") loss += options_.l1 * run.features.sum().item<double>() / rows;
  return loss + options_.embedding_weight * run.embedding_loss;
}

// Warms up over 5% of the steps and falls to 0 over the last 20%.
double SaeTrainer::Schedule() const {
  const double at = static_cast<double>(step_ + 1) / static_cast<double>(options_.steps);
  return std::min({1.0, at / 0.05, (1 - at) / 0.2 + 1e-3});
}

void SaeTrainer::Update(const std::map<std::string, at::Tensor>& gradients) {
  const double t = static_cast<double>(step_ + 1);
  const double step = options_.rate * Schedule() / (1 - std::pow(kBeta1, t));
  const double correction = 1 / (1 - std::pow(kBeta2, t));
  for (auto& [name, tensor] : parameters_) {
    at::Tensor gradient = gradients.at(name);
    if (name == "W_dec") {  // only what turns a row: its length stays 1
      gradient = gradient - tensor * (gradient * tensor).sum(1, /*keepdim=*/true);
    }
    at::Tensor &m = first_.at(name), &v = second_.at(name);
    m.mul_(kBeta1).add_(gradient, 1 - kBeta1);
    v.mul_(kBeta2).addcmul_(gradient, gradient, 1 - kBeta2);
    tensor.addcdiv_(m, (v * correction).sqrt_().add_(kEpsilon), -step);
  }
  NormalizeRows(parameters_.at("W_dec"));
}

// Features that stayed silent point at inputs that are badly reconstructed (Bricken et al. 2023).
void SaeTrainer::RestartDead(const at::Tensor& batch, const at::Tensor& error) {
  const at::Tensor dead =
      (running_.at("silent") >= static_cast<double>(options_.dead_steps)).nonzero().squeeze(1);
  const int64_t count = dead.size(0);
  if (count == 0) return;
  const at::Tensor rows = error.square().sum(1).clamp_min_(kSmall).multinomial(
      count, /*replacement=*/true,
      GeneratorOf(options_.seed, "sae restart", static_cast<uint64_t>(step_)));
  at::Tensor directions = batch.index_select(0, rows) - parameters_.at("b_dec");
  NormalizeRows(directions);
  const double length = 0.2 * parameters_.at("W_enc").norm(2, {0}).mean().item<double>();
  parameters_.at("W_dec").index_copy_(0, dead, directions);
  parameters_.at("W_enc").index_copy_(1, dead, directions.t() * length);
  parameters_.at("b_enc").index_fill_(0, dead, 0);
  for (auto* moments : {&first_, &second_}) {
    moments->at("W_dec").index_fill_(0, dead, 0);
    moments->at("W_enc").index_fill_(1, dead, 0);
    moments->at("b_enc").index_fill_(0, dead, 0);
  }
  running_.at("silent").index_fill_(0, dead, 0);
  if (options_.HasEmbeddingLoss()) running_.at("mean").index_fill_(0, dead, 0);
  restarted_ += count;
}

SaeTrainPoint SaeTrainer::Step() {
  const c10::InferenceMode guard;
  const at::Tensor batch = NextBatch();
  std::map<std::string, at::Tensor> gradients;
  const Forward run = Run(batch, &gradients);
  Update(gradients);
  const at::Tensor fired = run.active.sum(0);  // [F]
  at::Tensor& silent = running_.at("silent");
  silent.add_(1).mul_((fired == 0).to(at::kFloat));
  if (options_.HasEmbeddingLoss()) {
    at::Tensor& mean = running_.at("mean");
    const at::Tensor here =
        at::mm(run.active.t(), batch - shift_) / fired.clamp_min(1).unsqueeze(1);
    const at::Tensor is_new = (mean.square().sum(1) == 0).to(at::kFloat);
    const at::Tensor weight =
        ((1 - kMeanDecay) * (1 - is_new) + is_new) * (fired > 0).to(at::kFloat);
    mean.add_((here - mean) * weight.unsqueeze(1));
  }
  const double variance = (batch - batch.mean(0)).square().sum().item<double>();
  SaeTrainPoint point{.step = step_,
                      .unexplained = run.error.square().sum().item<double>() / variance,
                      .l0 = run.active.sum().item<double>() / static_cast<double>(batch.size(0)),
                      .embedding_loss = run.embedding_loss};
  if (options_.dead_steps > 0) {
    point.dead = (silent >= static_cast<double>(options_.dead_steps)).sum().item<int64_t>();
    // Not when the step sizes fall: what starts then is not finished.
    const bool in_time = step_ < options_.steps * 7 / 10;
    if (in_time && (step_ + 1) % std::max<int64_t>(1, options_.dead_steps / 2) == 0)
      RestartDead(batch, run.error);
  }
  ++step_;
  return point;
}

std::string SaeTrainer::DataMark() const {
  return fmt::format("{} vectors of {}, scale {}", data_.size(0), data_.size(1), scale_);
}

void SaeTrainer::Save(const std::filesystem::path& file) const {
  std::map<std::string, at::Tensor> tensors;
  for (const auto& [name, tensor] : parameters_) tensors["parameter." + name] = tensor;
  for (const auto& [name, tensor] : first_) tensors["first." + name] = tensor;
  for (const auto& [name, tensor] : second_) tensors["second." + name] = tensor;
  for (const auto& [name, tensor] : running_) tensors["running." + name] = tensor;
  model::WriteSafetensors(file, tensors,
                          {{"step", std::to_string(step_)},
                           {"restarted", std::to_string(restarted_)},
                           {"data", DataMark()},
                           {"options", base::FieldsToJson(options_).dump()}});
}

void SaeTrainer::Restore(const std::filesystem::path& file) {
  const c10::InferenceMode guard;
  const auto stored = model::SafetensorsFile::Open(file);
  const auto& about = stored.metadata();
  if (!about.contains("step") || !about.contains("options") ||
      about.at("options") != base::FieldsToJson(options_).dump()) {
    Fail(ErrorKind::kBadInput,
         "{}: no checkpoint of this training (other options, or another file)", file.string());
  }
  if (!about.contains("data") || about.at("data") != DataMark()) {
    Fail(ErrorKind::kBadInput, "{}: a checkpoint of training on other data ({}; here {})",
         file.string(), about.contains("data") ? about.at("data") : "not said", DataMark());
  }
  const auto read = [&](const char* prefix, std::map<std::string, at::Tensor>& into) {
    for (auto& [name, tensor] : into) {
      const at::Tensor saved = stored.Read(prefix + name);
      if (saved.sizes() != tensor.sizes())
        Fail(ErrorKind::kBadInput, "{}: '{}{}' has another shape", file.string(), prefix, name);
      tensor = saved;
    }
  };
  read("parameter.", parameters_);
  read("first.", first_);
  read("second.", second_);
  read("running.", running_);
  step_ = std::stoll(about.at("step"));
  restarted_ = about.contains("restarted") ? std::stoll(about.at("restarted")) : 0;
  epoch_ = -1;
}

model::SparseAutoencoder SaeTrainer::Result(const std::string& hook_name,
                                            const std::string& model_name) const {
  model::SaeConfig config{.d_in = data_.size(1),
                          .d_sae = options_.features,
                          .hook_name = hook_name,
                          .model_name = model_name};
  if (options_.kind == "topk") {
    config.architecture = model::SaeArchitecture::kTopK;
    config.k = options_.k;
  }
  // ReLU and TopK commute with a positive scale: features and biases shrink by it, directions stay.
  return {config,
          {.w_enc = parameters_.at("W_enc").clone(),
           .b_enc = parameters_.at("b_enc") / scale_,
           .w_dec = parameters_.at("W_dec").clone(),
           .b_dec = parameters_.at("b_dec") / scale_}};
}

at::Tensor CollectHook(const model::Transformer& network, const model::HookPoint& hook,
                       const std::function<std::optional<std::vector<int32_t>>()>& next,
                       int64_t first, int64_t most) {
  const c10::InferenceMode guard;
  constexpr int64_t kBatchTokens = 4096;
  std::vector<at::Tensor> parts;
  int64_t have = 0;
  bool more = true;
  while (more && have < most) {
    std::vector<std::vector<int32_t>> rows;
    for (int64_t tokens = 0; tokens < kBatchTokens;) {
      auto sequence = next();
      if (!(more = sequence.has_value())) break;
      tokens += static_cast<int64_t>(sequence->size());
      rows.push_back(std::move(*sequence));
    }
    if (rows.empty()) break;
    const std::vector<std::span<const int32_t>> views(rows.begin(), rows.end());
    const at::Tensor values =
        network
            .Read({.ids = model::PadRight(views, network.weights().token_embedding.device())}, hook)
            .to(at::kCPU, at::kFloat)
            .flatten(2);  // [rows, T, d]
    for (size_t row = 0; row < rows.size() && have < most; ++row) {
      const auto length = static_cast<int64_t>(rows[row].size());
      const int64_t count = std::min(length - first, most - have);
      if (count <= 0) continue;
      parts.push_back(values[static_cast<int64_t>(row)].narrow(0, first, count).clone());
      have += count;
    }
  }
  if (parts.empty()) Fail(ErrorKind::kBadInput, "the text gave no tokens to train on");
  return at::cat(parts);
}

}  // namespace assay::training
