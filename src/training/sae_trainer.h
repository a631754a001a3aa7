// Trains a sparse autoencoder on vectors read from one hook of a model: standard (ReLU and L1),
// TopK, and standard with an embedding loss that asks every feature to fire for the same reason.
// Gradients are written out, since they cost five matrix products a batch and nothing else. Inputs
// are scaled to a mean norm of sqrt(d) while training; the scale is folded into the result. Not
// thread-safe.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/options.h"
#include "model/sparse_autoencoder.h"
#include "model/transformer.h"

namespace assay::training {

struct SaeTrainOptions {
  std::string kind = "standard";
  int64_t features = 0;
  double l1 = 1;
  int64_t k = 16;
  double embedding_weight = 30;
  double rate = 1e-3;
  int64_t batch = 1024;
  int64_t steps = 3000;
  int64_t dead_steps = 500;
  uint64_t seed = 1;

  template <typename Visitor>
  void VisitFields(Visitor&& visit) {
    using base::Between;
    visit("kind", kind,
          "standard: ReLU with an L1 penalty; topk: the k largest; embedding: standard with a "
          "penalty on features that fire for different reasons; centred-embedding: the same of the "
          "input less its mean",
          base::OneOf({"standard", "topk", "embedding", "centred-embedding"}));
    visit("features", features, "size of the dictionary; 0: 8 times the input",
          Between(0, 1 << 24));
    visit("l1", l1, "weight of the L1 penalty (inputs have norm sqrt(d))", Between(0, 1e6));
    visit("k", k, "active features of topk", Between(1, 1 << 20));
    visit("embedding-weight", embedding_weight,
          "weight of the embedding loss: mean over active features of 1 - cosine between h * w and "
          "its running mean; beside a squared error that is about the input's width at first",
          Between(0, 1e6));
    visit("rate", rate, "peak step of Adam", Between(1e-8, 1));
    visit("batch", batch, "vectors a step", Between(1, 1 << 24));
    visit("steps", steps, "steps", Between(1, 1e9));
    visit("dead-steps", dead_steps,
          "a feature that has not fired for so many steps starts again at badly reconstructed "
          "inputs; 0: never",
          Between(0, 1e9));
    visit("train-seed", seed, "of weights and order");
  }
  bool HasEmbeddingLoss() const { return kind == "embedding" || kind == "centred-embedding"; }
};

// How training stands, over one batch.
struct SaeTrainPoint {
  int64_t step = 0;
  double unexplained = 0;     // squared error over variance of the batch
  double l0 = 0;              // active features a vector
  double embedding_loss = 0;  // 0 unless it is trained
  int64_t dead = 0;           // features that have not fired for dead_steps steps
};

class SaeTrainer {
 public:
  // data: [n, d] float32, n >= 1; kept. Throws kUsage for bad options, kBadInput for data that are
  // not finite or all the same.
  SaeTrainer(at::Tensor data, const SaeTrainOptions& options);

  SaeTrainPoint Step();
  int64_t steps_done() const { return step_; }
  bool Done() const { return step_ >= options_.steps; }
  int64_t restarted() const { return restarted_; }  // dead features started again so far

  // A checkpoint: training goes on from it as if never interrupted, given the same data and
  // options. Restore throws kBadInput for a checkpoint of other options, data or shapes.
  void Save(const std::filesystem::path& file) const;
  void Restore(const std::filesystem::path& file);

  // The autoencoder as it stands, for inputs that are not scaled.
  model::SparseAutoencoder Result(const std::string& hook_name,
                                  const std::string& model_name) const;

  // Loss of a batch [B, d] (scaled inputs) and its gradients by parameter name; for tests.
  double Loss(const at::Tensor& batch, std::map<std::string, at::Tensor>* gradients);
  std::map<std::string, at::Tensor>& parameters() { return parameters_; }
  std::map<std::string, at::Tensor>& running() { return running_; }

 private:
  struct Forward {
    at::Tensor centred, features, active, error;  // [B, d], [B, F], [B, F], [B, d]
    double embedding_loss = 0;
  };
  Forward Run(const at::Tensor& batch, std::map<std::string, at::Tensor>* gradients);
  double AddEmbeddingLoss(const at::Tensor& batch, const at::Tensor& active,
                          std::map<std::string, at::Tensor>* gradients) const;
  at::Tensor NextBatch();
  void Update(const std::map<std::string, at::Tensor>& gradients);
  void RestartDead(const at::Tensor& batch, const at::Tensor& error);
  double Schedule() const;
  std::string DataMark() const;  // tells data apart, for checkpoints

  SaeTrainOptions options_;
  at::Tensor data_;   // [n, d], not scaled
  at::Tensor shift_;  // [d], scaled: taken off the input that the embedding loss sees
  double scale_ = 1;
  int64_t step_ = 0, restarted_ = 0, epoch_ = -1;
  at::Tensor order_;                              // [n] int64, of this epoch
  std::map<std::string, at::Tensor> parameters_;  // W_enc, b_enc, W_dec, b_dec
  std::map<std::string, at::Tensor> first_, second_;
  std::map<std::string, at::Tensor> running_;  // mean: mu [F, d]; silent: steps without firing [F]
};

// The values of a hook on the next tokens of a text, positions before `first` left out, until there
// are `most` of them: [n, d] float32. next() gives the sequences of the text.
at::Tensor CollectHook(const model::Transformer& network, const model::HookPoint& hook,
                       const std::function<std::optional<std::vector<int32_t>>()>& next,
                       int64_t first, int64_t most);

}  // namespace assay::training
