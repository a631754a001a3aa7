// Features that occur in several units: the nearest clusters of every cluster of a run, across all
// layers, by what entered the unit or by what made it fire. Not thread-safe.
#pragma once

#include <string>

#include "base/progress.h"
#include "neurons/vector_index.h"
#include "store/run_store.h"

namespace assay::neurons {

struct SimilarityOptions {
  std::string by = "central";
  double threshold = 0.5;
  int most = 20;

  template <typename Visitor>
  void VisitFields(Visitor&& visit) {
    visit("vector", by,
          "vectors compared: the central example's input h, the cluster's mean input, or the "
          "central example's embedding e",
          base::OneOf({"central", "mean", "embedding"}));
    visit("least-cosine", threshold, "least cosine similarity", base::Between(-1, 1));
    visit("most", most, "similar clusters kept of each", base::Between(1, 1000));
  }
};

struct SimilarityReport {
  int64_t clusters = 0, links = 0;
  std::string index;  // exact or ivf; of the width with most clusters
  double build_seconds = 0, search_seconds = 0;
  double recall = 1;  // of the `most` nearest, on 200 clusters of each width
};

// Replaces what the run knows about similar clusters. Layers whose inputs have different widths (of
// image classifiers) have no vectors in common: each width is searched on its own. Throws kNotFound
// when the run has no clusters.
SimilarityReport FindSimilarClusters(store::RunStore& store, const SimilarityOptions& options,
                                     const VectorIndexOptions& index);

}  // namespace assay::neurons
