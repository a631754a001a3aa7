// Trains a built-in image network on labelled tiles: stochastic gradient descent with Nesterov
// momentum, a one-cycle schedule, a validation set that picks the epoch, one checkpoint an epoch.
// A TrainingMethod changes the images before each step (augmentation, attack) and may replace the
// loss. Not thread-safe.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/options.h"
#include "model/image_network.h"
#include "robustness/batch_perturber.h"
#include "robustness/tile_batch.h"

namespace assay::robustness {

struct ClassifierTrainOptions {
  int64_t epochs = 12;
  int64_t batch = 64;
  double rate = 0.1;
  double momentum = 0.9;
  double weight_decay = 5e-4;
  double label_smoothing = 0;
  bool flips = true;
  int64_t patience = 0;
  uint64_t seed = 1;

  template <typename Visitor>
  void VisitFields(Visitor&& visit) {
    using base::Between;
    visit("epochs", epochs, "passes over the training tiles", Between(1, 100000));
    visit("train-batch", batch, "tiles a step", Between(2, 65536));
    visit("rate", rate, "peak step size; warms up over 15% of the steps, then falls as a cosine",
          Between(1e-8, 100));
    visit("momentum", momentum, "Nesterov momentum", Between(0, 0.9999));
    visit("weight-decay", weight_decay, "pull of convolutions and linear weights to 0",
          Between(0, 10));
    visit("label-smoothing", label_smoothing, "share of the target spread over all classes",
          Between(0, 0.9));
    visit("flips", flips, "turn and mirror each tile at random, one of 8 ways");
    visit("patience", patience,
          "stop after so many epochs that are no better on validation; 0: never",
          Between(0, 100000));
    visit("train-seed", seed, "of weights, order, flips, perturbations and validation patients");
  }
};

// How an epoch went. Training figures are over the batches as they were trained on.
struct EpochPoint {
  int64_t epoch = 0;  // from 1
  double train_loss = 0, train_accuracy = 0;
  double validation_loss = 0, validation_accuracy = 0;  // on the tiles as they are
  // On tiles perturbed as the method does; absent for standard training.
  std::optional<double> perturbed_loss, perturbed_accuracy;
  double rate = 0;  // at its end
  double seconds = 0;

  nlohmann::json ToJson() const;
  static EpochPoint FromJson(const nlohmann::json& json);
};

// The loss to minimise, and the logits that count for the training accuracy.
struct TrainLoss {
  at::Tensor loss, logits;
};

// How the network learns from a batch. The default is standard training.
struct TrainingMethod {
  std::string description;                    // of checkpoints: Restore asks for the same
  std::unique_ptr<BatchPerturber> perturber;  // null: images as they are
  // Of the validation tiles, the same in every epoch; null: only as they are.
  std::unique_ptr<BatchPerturber> validation_perturber;
  // Undefined: cross-entropy on the perturbed images. step.network.Train is to be called once, so
  // that batch statistics are taken once.
  std::function<TrainLoss(const TrainStep& step, const at::Tensor& images, double label_smoothing)>
      loss;
};

class ClassifierTrainer {
 public:
  // Both sets are kept. Throws kUsage for bad options, kBadInput for fewer training tiles than a
  // batch, an empty validation set, a label out of range, or a class without training tiles.
  ClassifierTrainer(std::shared_ptr<model::ImageNetwork> network, model::ImageSpec spec,
                    TileBatch train, TileBatch validation, const ClassifierTrainOptions& options,
                    TrainingMethod method = {});

  // One pass; done(tiles so far) is called between steps.
  EpochPoint Epoch(const std::function<void(int64_t)>& done = {});
  bool Done() const;  // all epochs, or patience ran out
  int64_t epochs_done() const { return static_cast<int64_t>(history_.size()); }
  int64_t tiles_per_epoch() const;
  const std::vector<EpochPoint>& history() const { return history_; }
  int64_t best_epoch() const { return best_epoch_; }

  // Puts the weights of the best epoch into the network: validation accuracy (on perturbed tiles
  // where the method perturbs them), then loss.
  void TakeBest();

  // After an epoch: training goes on from the file as if never interrupted, given the same tiles
  // and options. Restore throws kBadInput for a checkpoint of other options or another network.
  void Save(const std::filesystem::path& file) const;
  void Restore(const std::filesystem::path& file);

 private:
  at::Tensor Flipped(const at::Tensor& images, int64_t step) const;
  TrainLoss LossOf(const TrainStep& step, const at::Tensor& images) const;
  void Learn(const TrainStep& step, EpochPoint& point);
  void Update(int64_t step);
  double RateAt(int64_t step) const;
  int64_t StepsPerEpoch() const;
  int64_t Repeats() const;
  void Validate(EpochPoint& point) const;

  std::shared_ptr<model::ImageNetwork> network_;
  std::unique_ptr<model::ImageClassifier> classifier_;
  TileBatch train_, validation_;
  ClassifierTrainOptions options_;
  TrainingMethod method_;
  std::map<std::string, at::Tensor> momenta_, best_;
  std::vector<EpochPoint> history_;
  int64_t best_epoch_ = 0;
};

TileBatch Rows(const TileBatch& batch, const std::vector<int64_t>& rows);

// Mean and standard deviation of each channel over all pixels.
struct ChannelStatistics {
  std::vector<double> mean, std;
};
ChannelStatistics StatisticsOf(const at::Tensor& images);

}  // namespace assay::robustness
