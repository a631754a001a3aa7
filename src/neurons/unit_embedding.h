// From the inputs of units at their examples to stored embeddings, clusters and measures: the part
// that text and images share. Thread-safe, but for the store.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/progress.h"
#include "neurons/feature_clusters.h"
#include "neurons/input_vectors.h"

namespace assay::neurons {

// What is computed for one unit: e = h * weight, clusters, measures. inputs: strongest first.
// Without labels and the rows of examples and sequences. An example whose e is all zeros (only the
// bias spoke) has no direction and is left out.
struct UnitEmbedding {
  store::Embedding embedding;
  std::vector<store::FeatureCluster> clusters;  // without labels
  store::UnitMeasures measures;
};
UnitEmbedding EmbedUnit(UnitId unit, std::span<const ExampleInput> inputs,
                        std::span<const float> weight, const ClusterOptions& options);

// Units whose examples and their inputs are known.
struct InputBlock {
  const model::InspectableModel& model;
  std::span<const UnitId> units;
  const std::vector<std::vector<ExampleInput>>& inputs;  // by unit, strongest first
  // Sets what a cluster is called, from its members.
  std::function<void(std::span<const ExampleInput* const>, store::FeatureCluster&)> label;
  // Stores the examples of units[i], as far as the run does not have them; in a transaction.
  std::function<void(size_t)> write_examples;
};

// Embeds, clusters, labels and stores the units, some hundreds in one transaction.
void ClusterAndStore(store::RunStore& store, const InputBlock& block, const ClusterOptions& options,
                     base::Progress& progress);

}  // namespace assay::neurons
