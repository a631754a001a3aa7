// What a training batch is changed into before it is learned from: nothing, random transforms, or
// transforms and pixel changes that hurt the network as it stands. ClassifierTrainer calls one;
// MakeTrainingMethod makes them by name. Not thread-safe: one per training.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "model/image_network.h"
#include "robustness/attack.h"

namespace assay::robustness {

// What is known of a step. Draw from base::Rng(seed, "...", step): nothing else may decide, so that
// a training that goes on from a checkpoint goes the same way.
struct TrainStep {
  model::ImageNetwork& network;
  const model::ImageClassifier& classifier;  // the network as it stands, in evaluation mode
  at::Tensor images, labels;                 // [B, C, H, W] in [low, high], [B]; after flips
  uint64_t seed = 0;
  int64_t step = 0;    // batches before this one
  int64_t repeat = 0;  // updates of this batch before this one
};

class BatchPerturber {
 public:
  virtual ~BatchPerturber() = default;
  // Updates of the weights on each batch.
  virtual int64_t repeats() const { return 1; }
  // The images to learn from, [B, C, H, W] in the same range. They may carry a graph: the backward
  // pass of the training loss then reaches what Learn wants to know.
  virtual at::Tensor Perturb(const TrainStep& step) = 0;
  // After that backward pass.
  virtual void Learn() {}
};

// A transform of the list and how an attack on its parameters would go.
struct TrainingTransform {
  std::string name;
  std::shared_ptr<const ParameterSpace> space;
  AttackOptions attack;  // search or pgd; norm and epsilon bound every perturber
};

// Every image goes through `k` different transforms of the list in an order of its own, 1 <= k <=
// transforms.size(); each transform's parameters are
// drawn from its ranges,
std::unique_ptr<BatchPerturber> MakeRandomPerturber(std::vector<TrainingTransform> transforms,
                                                    int64_t k);
// the worst for the network as it stands that `attack` finds, one transform after the other (REET;
// unchanged is a candidate too),
std::unique_ptr<BatchPerturber> MakeAdversarialPerturber(std::vector<TrainingTransform> transforms,
                                                         int64_t k);
// or drawn, and raised by `share` of the budget between `repeats` updates on the same batch, along
// the gradient that the update of the weights yields anyway (free training: Shafahi et al. 2019,
// within a batch). Throws kUsage for a transform without gradients.
std::unique_ptr<BatchPerturber> MakeFreePerturber(std::vector<TrainingTransform> transforms,
                                                  int64_t k, int64_t repeats, double share);

// The last iterate of an attack on the pixels, against the labels (Madry et al. 2018)
std::unique_ptr<BatchPerturber> MakePixelPerturber(const AttackOptions& attack);
// or away from the network's own answers on the clean images: KL(p(clean) || p(perturbed)) is
// raised (TRADES: Zhang et al. 2019, eq. 5, inner problem).
std::unique_ptr<BatchPerturber> MakeDivergencePerturber(const AttackOptions& attack);

// Which images get which transform: [k][transforms] rows, a draw for each step.
std::vector<std::vector<std::vector<int64_t>>> DrawSequences(int64_t images, int64_t transforms,
                                                             int64_t k, uint64_t seed,
                                                             int64_t step);

}  // namespace assay::robustness
