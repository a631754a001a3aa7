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

nlohmann::json ToJson(const EpochPoint& point) {
  return {{"epoch", point.epoch},
          {"train_loss", point.train_loss},
          {"train_accuracy", point.train_accuracy},
          {"validation_loss", point.validation_loss},
          {"validation_accuracy", point.validation_accuracy},
          {"rate", point.rate},
          {"seconds", point.seconds}};
}

EpochPoint PointFromJson(const nlohmann::json& json) {
  return {.epoch = json.at("epoch"),
          .train_loss = json.at("train_loss"),
          .train_accuracy = json.at("train_accuracy"),
          .validation_loss = json.at("validation_loss"),
          .validation_accuracy = json.at("validation_accuracy"),
          .rate = json.at("rate"),
          .seconds = json.at("seconds")};
}

bool IsBetter(const EpochPoint& point, const EpochPoint& than) {
  if (point.validation_accuracy != than.validation_accuracy)
    return point.validation_accuracy > than.validation_accuracy;
  return point.validation_loss < than.validation_loss;
}

}  // namespace

ClassifierTrainer::ClassifierTrainer(std::shared_ptr<model::ImageNetwork> network,
                                     model::ImageSpec spec, TileBatch train, TileBatch validation,
                                     const ClassifierTrainOptions& options)
    : network_(std::move(network)),
      train_(std::move(train)),
      validation_(std::move(validation)),
      options_(options) {
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

ClassifierTrainer::Loss ClassifierTrainer::DefaultLoss(const TrainStep& step,
                                                       const at::Tensor& images) const {
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
    const TrainStep step{
        .network = *network_,
        .classifier = *classifier_,
        .images = images.to(device),
        .labels = train_.labels.index_select(0, rows).to(device),
        .rows = {rows.data_ptr<int64_t>(), rows.data_ptr<int64_t>() + rows.numel()},
        .seed = options_.seed,
        .step = number,
        .epoch = epochs_done()};
    const at::Tensor changed = batch_hook_ ? batch_hook_(step).detach() : step.images;
    const Loss loss = loss_hook_ ? loss_hook_(step, changed) : DefaultLoss(step, changed);
    if (!at::isfinite(loss.loss.detach()).all().item<bool>()) {
      Fail(ErrorKind::kBadInput,
           "the loss is not finite at step {} of epoch {}; try a smaller --rate", i + 1,
           point.epoch);
    }
    loss.loss.backward();
    Update(number);
    const auto correct = (loss.logits.detach().argmax(1) == step.labels).sum().item<int64_t>();
    point.train_loss += loss.loss.item<double>() / static_cast<double>(steps);
    point.train_accuracy += static_cast<double>(correct) / static_cast<double>(tiles_per_epoch());
    point.rate = RateAt(number);
    if (done) done((i + 1) * options_.batch);
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
  const c10::NoGradGuard no_gradients;
  const at::Device device(classifier_->spec().device);
  const int64_t count = validation_.labels.size(0);
  for (int64_t begin = 0; begin < count; begin += options_.batch) {
    const int64_t size = std::min(options_.batch, count - begin);
    const at::Tensor labels = validation_.labels.narrow(0, begin, size).to(device);
    const at::Tensor logits =
        classifier_->Logits(validation_.images.narrow(0, begin, size).to(device));
    point.validation_loss +=
        at::cross_entropy_loss(logits, labels, {}, at::Reduction::Sum).item<double>();
    point.validation_accuracy += (logits.argmax(1) == labels).sum().item<double>();
  }
  point.validation_loss /= static_cast<double>(count);
  point.validation_accuracy /= static_cast<double>(count);
}

bool ClassifierTrainer::Done() const {
  if (epochs_done() >= options_.epochs) return true;
  if (options_.patience == 0) return false;
  double best = -1;
  int64_t improved = 0;
  for (const EpochPoint& point : history_) {
    if (point.validation_accuracy <= best) continue;
    best = point.validation_accuracy;
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
  for (const EpochPoint& point : history_) history.push_back(ToJson(point));
  model::WriteSafetensors(file, tensors,
                          {{"history", history.dump()},
                           {"best_epoch", std::to_string(best_epoch_)},
                           {"architecture", network_->config().architecture},
                           {"options", base::FieldsToJson(options_).dump()}});
}

void ClassifierTrainer::Restore(const std::filesystem::path& file) {
  const auto stored = model::SafetensorsFile::Open(file);
  const auto& about = stored.metadata();
  const auto is = [&](const char* key, const std::string& value) {
    const auto found = about.find(key);
    return found != about.end() && found->second == value;
  };
  if (!is("options", base::FieldsToJson(options_).dump()) ||
      !is("architecture", network_->config().architecture) || !about.contains("history") ||
      !about.contains("best_epoch")) {
    Fail(ErrorKind::kBadInput,
         "{}: no checkpoint of this training (other options, or another network)", file.string());
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
      history_.push_back(PointFromJson(point));
    best_epoch_ = std::stoll(about.at("best_epoch"));
  } catch (const std::exception& error) {
    Fail(ErrorKind::kBadInput, "{}: the history is damaged: {}", file.string(), error.what());
  }
}

PatientSplit SplitByPatient(const std::vector<data::TileInfo>& infos, double share, uint64_t seed) {
  std::map<std::string, std::vector<int64_t>> rows_of;
  bool named = false;
  for (size_t i = 0; i < infos.size(); ++i) {
    named = named || !infos[i].patient.empty();
    const std::string patient =
        infos[i].patient.empty() ? "tile " + infos[i].name : "patient " + infos[i].patient;
    rows_of[patient].push_back(static_cast<int64_t>(i));
  }
  if (rows_of.size() < 2) {
    Fail(ErrorKind::kBadInput,
         "the training tiles are of one patient; a validation split needs two or more");
  }
  std::vector<std::string> patients;
  for (const auto& [patient, rows] : rows_of) patients.push_back(patient);
  base::Rng(seed, "validation patients").Shuffle(patients);
  PatientSplit split{.by_patient = named};
  const double wanted = share * static_cast<double>(infos.size());
  for (size_t i = 0; i < patients.size(); ++i) {
    const auto& rows = rows_of.at(patients[i]);
    const bool last = i + 1 == patients.size();
    const bool validates =
        !last && (i == 0 || static_cast<double>(split.validation.size() + rows.size()) <= wanted);
    auto& part = validates ? split.validation : split.train;
    part.insert(part.end(), rows.begin(), rows.end());
  }
  std::sort(split.train.begin(), split.train.end());
  std::sort(split.validation.begin(), split.validation.end());
  return split;
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
