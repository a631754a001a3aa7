// A unit's examples, grouped by what made the unit fire: agglomerative clusters of embeddings, cut
// at a fixed distance or where the data say so, with how stable the result is. Thread-safe.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/options.h"
#include "neurons/cluster_measures.h"
#include "neurons/linkage.h"

namespace assay::neurons {

struct ClusterOptions {
  std::string linkage = "average";
  std::string cut = "auto";
  double distance = 0.2;
  int max_clusters = 20;
  int null_draws = 19;
  int stability_draws = 20;
  int interval_draws = 200;
  uint64_t seed = 1;

  template <typename Visitor>
  void VisitFields(Visitor&& visit) {
    using base::Between;
    using base::OneOf;
    visit("linkage", linkage, "distance between clusters",
          OneOf({"average", "complete", "single"}));
    visit("cut", cut, "where the tree of merges is cut: chosen per neuron from the data, or fixed",
          OneOf({"auto", "fixed"}));
    visit("distance", distance, "cosine distance of a fixed cut", Between(0, 2));
    visit("max-clusters", max_clusters, "most clusters that an automatic cut considers",
          Between(2, 1000));
    visit("null-draws", null_draws,
          "permutations that an automatic cut must beat, all of them; 19: at the 5% level",
          Between(1, 1000));
    visit("stability-draws", stability_draws, "resamples for the stability (adjusted Rand index)",
          Between(0, 10000));
    visit("interval-draws", interval_draws, "resamples for the interval of polysemanticity",
          Between(0, 100000));
    visit("cluster-seed", seed, "of permutations and resamples");
  }
};

struct FeatureClusters {
  std::vector<int> labels;  // by example; clusters in the order of their first example
  std::vector<std::vector<int>> members;  // by cluster; the most central example first
  std::vector<Merge> merges;
  double cut = 0;      // merges up to this distance were made
  std::string reason;  // why there
  ClusterMeasures measures;
  std::optional<Interval> polysemanticity_interval;
  // Mean adjusted Rand index between these clusters and those of resamples, cut at the same
  // distance, over the examples that are in both. Absent for fewer than two examples.
  std::optional<double> stability;
};

// vectors: [n, d] row-major, n >= 0. The automatic cut: among 2 .. max_clusters clusters the number
// with the largest mean silhouette, if that is above the largest silhouette of every permutation of
// the vectors within coordinates (which keeps each coordinate's values and breaks what goes
// together); else one cluster. Fewer than 4 examples are cut at the fixed distance. `stream` tells
// the random draws of units apart. Throws as CosineDistances, and kUsage for bad options.
FeatureClusters FindClusters(std::span<const float> vectors, int64_t d,
                             const ClusterOptions& options, uint64_t stream,
                             const std::string& name);

// The members of each cluster, ascending by mean distance to the rest of it: the central example,
// of highest mean similarity, comes first.
std::vector<std::vector<int>> CentralFirst(const PairDistances& distances,
                                           std::span<const int> labels);

}  // namespace assay::neurons
