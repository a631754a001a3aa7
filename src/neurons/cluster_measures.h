// How polysemantic a unit is, from the distances between its examples' embeddings and their
// clusters. Names and definitions: the published feature-cluster artefacts. Thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "neurons/linkage.h"

namespace assay::neurons {

// All over pairs i < j. A value is absent where its definition has no pairs: never zero instead.
struct ClusterMeasures {
  int examples = 0;
  int clusters = 0;
  std::optional<double> mean_distance, max_distance;  // all pairs; need two examples
  std::optional<double>
      intra;  // mean over same-cluster pairs, pooled; absent if all are singletons
  std::optional<double> inter;  // mean over cross-cluster pairs, pooled; absent with one cluster
  // Mean over all pairs of the distance, counted as 0 within a cluster: what share of "two random
  // examples differ" is between clusters. 0 for one cluster, 1 for unrelated singletons.
  std::optional<double> polysemanticity;
};

// labels[i]: cluster of item i, from 0.
ClusterMeasures MeasureClusters(const PairDistances& distances, std::span<const int> labels);

struct Interval {
  double low = 0, high = 0;
};
// Bootstrap interval of polysemanticity at `level` (0.95): examples are drawn with replacement
// `draws` times, their clusters stay. Pairs of an example with itself do not count. Absent for
// fewer than two examples.
std::optional<Interval> PolysemanticityInterval(const PairDistances& distances,
                                                std::span<const int> labels, int draws,
                                                uint64_t seed, uint64_t stream,
                                                double level = 0.95);

// Mean silhouette of the items (Rousseeuw 1987); items alone in their cluster count as 0. Needs at
// least two clusters.
double MeanSilhouette(const PairDistances& distances, std::span<const int> labels);

// Adjusted Rand index (Hubert and Arabie 1985) of two clusterings of the same items: 1 when equal,
// about 0 for independent ones. 1 when both are one cluster, or both all singletons.
double AdjustedRandIndex(std::span<const int> a, std::span<const int> b);

}  // namespace assay::neurons
