// Does a unit become easier to predict when its examples are split by what made it fire? A graph
// for each cluster of its embeddings, against graphs of as many examples that ignore the clusters.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "base/options.h"
#include "base/progress.h"
#include "neurons/graph_builder.h"
#include "neurons/score_run.h"
#include "store/run_store.h"

namespace assay::neurons {

struct ClusterGraphOptions {
  int least_examples = 4;
  int block = 16;
  uint64_t seed = 1;

  template <typename Visitor>
  void VisitFields(Visitor&& visit) {
    visit("least-examples", least_examples,
          "a cluster needs so many examples, half of them for training", base::Between(4, 1000));
    visit("cluster-block", block, "neurons computed and stored at a time", base::Between(1, 4096));
    visit("cluster-split-seed", seed, "of halves, draws and the shuffled control");
  }
};

// Mean F1 of one unit. `clusters`, `single` and `shuffled` have the same numbers of training
// examples and predict one cluster's held-out examples each, averaged by their number:
struct ClusterGraphScore {
  UnitId unit;
  int clusters = 0, examples = 0;  // that were large enough, and their examples
  double split = 0;                // the cluster's own graph
  double single = 0;               // a graph of as many training examples drawn from all clusters
  double shuffled = 0;  // clusters of the same sizes, drawn at random: own graph, own held-out half
  // On all held-out examples, from all training examples: the strongest of the clusters' graphs,
  // and the neuron's one graph.
  double together = 0, whole = 0;
};

// For the units that have at least two clusters of `least_examples`; others are passed over. Stores
// the clusters' graphs (built on the training half) and returns the scores, ascending by unit.
std::vector<ClusterGraphScore> BuildClusterGraphs(
    store::RunStore& store, std::span<const UnitId> units, const GraphOptions& options,
    const ClusterGraphOptions& cluster_options, const GraphContext& context,
    const ScoreContext& score, measure::Prober& prober, const base::Progress::Reporter& report);

struct MeanDifference {
  double mean = 0, low = 0, high = 0;  // with a bootstrap interval of 95% over units
};
// Of split - single, or of split - shuffled. Absent for no scores.
std::optional<MeanDifference> CompareToSingle(std::span<const ClusterGraphScore> scores,
                                              uint64_t seed);
std::optional<MeanDifference> CompareToShuffled(std::span<const ClusterGraphScore> scores,
                                                uint64_t seed);

}  // namespace assay::neurons
