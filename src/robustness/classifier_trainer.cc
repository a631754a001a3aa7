#include "robustness/classifier_trainer.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numbers>

#include "base/rng.h"
#include "model/safetensors.h"

namespace assay::robustness {

using base::ErrorKind;
using base::Fail;

namespace {

constexpr double kWarmUp = 0.15;

at::Generator GeneratorOf(uint64_t seed, std::string_view stream, int64_t index) {
  return at::make_generator<at::CPUGeneratorImpl>(
      base::Rng(seed, stream, static_cast<uint64_t>(index)).Next());
}

void CheckLabels(const TileBatch& batch, int64_t classes, const char* which) {
  for (size_t i = 0; i < batch.infos.size(); ++i) {
    const int64_t label = batch.infos[i].label;
    if (label < 0 || label >= classes) {
      Fail(ErrorKind::kBadInput, "{} tile {}: has the label {}; expected 0 to {}", which,
           batch.infos[i].name, label, classes - 1);
    }
  }
}

// What the choice of the epoch goes by.
double ScoreOf(const EpochPoint& point) {
  return point.perturbed_accuracy.value_or(point.validation_accuracy);
}

bool IsBetter(const EpochPoint& point, const EpochPoint& than) {
  if (ScoreOf(point) != ScoreOf(than)) return ScoreOf(point) > ScoreOf(than);
  return point.perturbed_loss.value_or(point.validation_loss) <
         than.perturbed_loss.value_or(than.validation_loss);
}

}  // namespace

nlohmann::json EpochPoint::ToJson() const {
  nlohmann::json out = {{"epoch", epoch},
                        {"train_loss", train_loss},
                        {"train_accuracy", train_accuracy},
                        {"validation_loss", validation_loss},
                        {"validation_accuracy", validation_accuracy},
                        {"rate", rate},
                        {"seconds", seconds}};
  if (perturbed_accuracy) {
    out["perturbed_loss"] = *perturbed_loss;
    out["perturbed_accuracy"] = *perturbed_accuracy;
  }
  return out;
}

EpochPoint EpochPoint::FromJson(const nlohmann::json& json) {
  EpochPoint out{.epoch = json.at("epoch"),
                 .train_loss = json.at("train_loss"),
                 .train_accuracy = json.at("train_accuracy"),
                 .validation_loss = json.at("validation_loss"),
                 .validation_accuracy = json.at("validation_accuracy")};
  if (json.contains("perturbed_accuracy")) {
    out.perturbed_loss = json.at("perturbed_loss").get<double>();
    out.perturbed_accuracy = json.at("perturbed_accuracy").get<double>();
  }
  out.rate = json.at("rate");
  out.seconds = json.at("seconds");
  return out;
}

ClassifierTrainer::ClassifierTrainer(std::shared_ptr<model::ImageNetwork> network,
                                     model::ImageSpec spec, TileBatch train, TileBatch validation,
                                     const ClassifierTrainOptions& options, TrainingMethod method)
    : network_(std::move(network)),
      train_(std::move(train)),
      validation_(std::move(validation)),
      options_(options),
      method_(std::move(method)) {
  base::ValidateFields(options_);
  classifier_ = model::BuildClassifier(network_, std::move(spec));
  const int64_t classes = network_->config().classes;
  CheckLabels(train_, classes, "training");
  CheckLabels(validation_, classes, "validation");
  if (validation_.infos.empty()) Fail(ErrorKind::kBadInput, "there are no validation tiles");
  if (static_cast<int64_t>(train_.infos.size()) < options_.batch) {
    Fail(ErrorKind::kBadInput, "there are {} training tiles; a batch has {}", train_.infos.size(),
         options_.batch);
  }
  for (int64_t label = 0; label < classes; ++label) {
    if (!(train_.labels == label).any().item<bool>()) {
      Fail(ErrorKind::kBadInput, "the class '{}' has no training tile",
           classifier_->spec().class_names[static_cast<size_t>(label)]);
    }
  }
  for (const auto& [name, tensor] : network_->parameters())
    momenta_[name] = at::zeros_like(tensor.detach());
}

int64_t ClassifierTrainer::StepsPerEpoch() const {
  return static_cast<int64_t>(train_.infos.size()) / options_.batch;
}

int64_t ClassifierTrainer::tiles_per_epoch() const { return StepsPerEpoch() * options_.batch; }

double ClassifierTrainer::RateAt(int64_t step) const {
  const double all = static_cast<double>(options_.epochs * StepsPerEpoch());
  const double at = (static_cast<double>(step) + 1) / all;
  if (at < kWarmUp) return options_.rate * at / kWarmUp;
  const double turn = std::numbers::pi * (at - kWarmUp) / (1 - kWarmUp);
  return options_.rate * (0.5 + 0.5 * std::cos(turn)) + 1e-4 * options_.rate;
}

// Each image one of 8 ways: mirrored, turned by 180 degrees, and for square tiles transposed.
at::Tensor ClassifierTrainer::Flipped(const at::Tensor& images, int64_t step) const {
  base::Rng rng(options_.seed, "flips", static_cast<uint64_t>(step));
  const bool square = images.size(2) == images.size(3);
  std::vector<at::Tensor> out;
  for (int64_t i = 0; i < images.size(0); ++i) {
    const uint64_t way = rng.Below(8);
    at::Tensor image = images[i];
    if ((way & 1) != 0) image = image.flip({1});
    if ((way & 2) != 0) image = image.flip({2});
    if ((way & 4) != 0 && square) image = image.transpose(1, 2);
    out.push_back(image);
  }
  return at::stack(out);
}

TrainLoss ClassifierTrainer::LossOf(const TrainStep& step, const at::Tensor& images) const {
  if (method_.loss) return method_.loss(step, images, options_.label_smoothing);
  at::Tensor logits = step.network.Train(images);
  at::Tensor loss = at::cross_entropy_loss(logits, step.labels, {}, at::Reduction::Mean, -100,
                                           options_.label_smoothing);
  return {std::move(loss), std::move(logits)};
}

void ClassifierTrainer::Update(int64_t step) {
  const c10::NoGradGuard no_gradients;
  const double rate = RateAt(step);
  for (const auto& [name, parameter] : network_->parameters()) {
    at::Tensor tensor = parameter;
    at::Tensor gradient = tensor.grad();
    ASSAY_CHECK(gradient.defined());
    if (tensor.dim() > 1) gradient = gradient.add(tensor, options_.weight_decay);
    at::Tensor& momentum = momenta_.at(name);
    momentum.mul_(options_.momentum).add_(gradient);
    tensor.sub_(gradient.add(momentum, options_.momentum), rate);
    tensor.mutable_grad() = at::Tensor();
  }
}

int64_t ClassifierTrainer::Repeats() const {
  return method_.perturber ? method_.perturber->repeats() : 1;
}

// One update of the weights; adds its share to the training figures.
void ClassifierTrainer::Learn(const TrainStep& step, EpochPoint& point) {
  const at::Tensor images = method_.perturber ? method_.perturber->Perturb(step) : step.images;
  const TrainLoss loss = LossOf(step, images);
  if (!at::isfinite(loss.loss.detach()).all().item<bool>()) {
    Fail(ErrorKind::kBadInput,
         "the loss is not finite at step {} of epoch {}; try a smaller --rate",
         step.step % StepsPerEpoch() + 1, point.epoch);
  }
  loss.loss.backward();
  if (method_.perturber) method_.perturber->Learn();
  Update(step.step);
  const double share = 1 / static_cast<double>(StepsPerEpoch() * Repeats());
  const at::Tensor correct = loss.logits.detach().argmax(1) == step.labels;
  point.train_loss += share * loss.loss.item<double>();
  point.train_accuracy += share * correct.to(at::kDouble).mean().item<double>();
}

EpochPoint ClassifierTrainer::Epoch(const std::function<void(int64_t)>& done) {
  ASSAY_CHECK(!Done());
  const auto start = std::chrono::steady_clock::now();
  EpochPoint point{.epoch = epochs_done() + 1};
  const auto order =
      at::randperm(static_cast<int64_t>(train_.infos.size()),
                   GeneratorOf(options_.seed, "training order", epochs_done()), at::kLong);
  const at::Device device(classifier_->spec().device);
  const int64_t steps = StepsPerEpoch();
  for (int64_t i = 0; i < steps; ++i) {
    const int64_t number = epochs_done() * steps + i;
    const at::Tensor rows = order.narrow(0, i * options_.batch, options_.batch).contiguous();
    at::Tensor images = train_.images.index_select(0, rows);
    if (options_.flips) images = Flipped(images, number);
    TrainStep step{.network = *network_,
                   .classifier = *classifier_,
                   .images = images.to(device),
                   .labels = train_.labels.index_select(0, rows).to(device),
                   .seed = options_.seed,
                   .step = number};
    for (; step.repeat < Repeats(); ++step.repeat) Learn(step, point);
    point.rate = RateAt(number);
    if (done) done((i + 1) * options_.batch);
  }
  // Running statistics can overflow without the loss showing it.
  for (const auto& [name, tensor] : network_->Tensors()) {
    if (!at::isfinite(tensor).all().item<bool>())
      Fail(ErrorKind::kBadInput, "'{}' is not finite after epoch {}; try a smaller --rate", name,
           point.epoch);
  }
  Validate(point);
  point.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  history_.push_back(point);
  if (best_epoch_ == 0 || IsBetter(point, history_[static_cast<size_t>(best_epoch_ - 1)])) {
    best_epoch_ = point.epoch;
    best_.clear();
    for (const auto& [name, tensor] : network_->Tensors()) best_[name] = tensor.clone();
  }
  return point;
}

void ClassifierTrainer::Validate(EpochPoint& point) const {
  const at::Device device(classifier_->spec().device);
  const int64_t count = validation_.labels.size(0);
  const auto add = [&](const at::Tensor& images, const at::Tensor& labels, double& loss,
                       double& accuracy) {
    const c10::NoGradGuard no_gradients;
    const at::Tensor logits = classifier_->Logits(images);
    const double n = static_cast<double>(count);
    loss += at::cross_entropy_loss(logits, labels, {}, at::Reduction::Sum).item<double>() / n;
    accuracy += (logits.argmax(1) == labels).sum().item<double>() / n;
  };
  if (method_.validation_perturber) point.perturbed_loss = point.perturbed_accuracy = 0;
  // A stream of its own, so that these draws are none of the training.
  const uint64_t seed = base::Rng(options_.seed, "validation").Next();
  for (int64_t begin = 0, number = 0; begin < count; begin += options_.batch, ++number) {
    const int64_t size = std::min(options_.batch, count - begin);
    const TrainStep step{.network = *network_,
                         .classifier = *classifier_,
                         .images = validation_.images.narrow(0, begin, size).to(device),
                         .labels = validation_.labels.narrow(0, begin, size).to(device),
                         .seed = seed,
                         .step = number};
    add(step.images, step.labels, point.validation_loss, point.validation_accuracy);
    if (!method_.validation_perturber) continue;
    add(method_.validation_perturber->Perturb(step), step.labels, *point.perturbed_loss,
        *point.perturbed_accuracy);
  }
}

bool ClassifierTrainer::Done() const {
  if (epochs_done() >= options_.epochs) return true;
  if (options_.patience == 0) return false;
  double best = -1;
  int64_t improved = 0;
  for (const EpochPoint& point : history_) {
    if (ScoreOf(point) <= best) continue;
    best = ScoreOf(point);
    improved = point.epoch;
  }
  return epochs_done() - improved >= options_.patience;
}

void ClassifierTrainer::TakeBest() {
  ASSAY_CHECK(best_epoch_ > 0);
  network_->Set(best_);
}

void ClassifierTrainer::Save(const std::filesystem::path& file) const {
  std::map<std::string, at::Tensor> tensors;
  for (const auto& [name, tensor] : network_->Tensors()) tensors["now." + name] = tensor;
  for (const auto& [name, tensor] : momenta_) tensors["momentum." + name] = tensor;
  for (const auto& [name, tensor] : best_) tensors["best." + name] = tensor;
  nlohmann::json history = nlohmann::json::array();
  for (const EpochPoint& point : history_) history.push_back(point.ToJson());
  model::WriteSafetensors(file, tensors,
                          {{"history", history.dump()},
                           {"best_epoch", std::to_string(best_epoch_)},
                           {"architecture", network_->config().architecture},
                           {"method", method_.description},
                           {"options", base::FieldsToJson(options_).dump()}});
}

void ClassifierTrainer::Restore(const std::filesystem::path& file) {
  const auto stored = model::SafetensorsFile::Open(file);
  const auto& about = stored.metadata();
  const auto is = [&](const char* key, const std::string& value) {
    const auto found = about.find(key);
    return found != about.end() && found->second == value;
  };
  if (!is("options", base::FieldsToJson(options_).dump()) || !is("method", method_.description) ||
      !is("architecture", network_->config().architecture) || !about.contains("history") ||
      !about.contains("best_epoch")) {
    Fail(ErrorKind::kBadInput,
         "{}: no checkpoint of this training (other options, tiles, or another network)",
         file.string());
  }
  const auto read = [&](const std::string& prefix, const std::string& name,
                        const at::Tensor& like) {
    at::Tensor saved = stored.Read(prefix + name);
    if (saved.sizes() != like.sizes())
      Fail(ErrorKind::kBadInput, "{}: '{}{}' has another shape", file.string(), prefix, name);
    return saved.to(like.device());
  };
  std::map<std::string, at::Tensor> now;
  best_.clear();
  for (const auto& [name, tensor] : network_->Tensors()) {
    now[name] = read("now.", name, tensor);
    best_[name] = read("best.", name, tensor);
  }
  for (auto& [name, tensor] : momenta_) tensor = read("momentum.", name, tensor);
  network_->Set(now);
  try {
    history_.clear();
    for (const auto& point : nlohmann::json::parse(about.at("history")))
      history_.push_back(EpochPoint::FromJson(point));
    best_epoch_ = std::stoll(about.at("best_epoch"));
  } catch (const std::exception& error) {
    Fail(ErrorKind::kBadInput, "{}: the history is damaged: {}", file.string(), error.what());
  }
}

TileBatch Rows(const TileBatch& batch, const std::vector<int64_t>& rows) {
  const at::Tensor index = at::tensor(rows, at::kLong);
  TileBatch out{.images = batch.images.index_select(0, index),
                .labels = batch.labels.index_select(0, index)};
  for (const int64_t row : rows) out.infos.push_back(batch.infos[static_cast<size_t>(row)]);
  return out;
}

ChannelStatistics StatisticsOf(const at::Tensor& images) {
  ChannelStatistics out;
  for (int64_t c = 0; c < images.size(1); ++c) {
    const at::Tensor channel = images.select(1, c).to(at::kDouble);
    out.mean.push_back(channel.mean().item<double>());
    out.std.push_back(std::max(1e-3, channel.std(false).item<double>()));
  }
  return out;
}

}  // namespace assay::robustness
