// `assay neurons similar --by embedding`: clusters that mean the same in different neurons.
#pragma once

#include <optional>
#include <string>

#include "neurons/cluster_similarity.h"

namespace assay::app {

struct EmbeddingSimilarArguments {
  std::string run;
  std::optional<base::UnitId> unit;  // absent: the best pairs of the run
  int limit = 50;
  neurons::SimilarityOptions similarity;
  neurons::VectorIndexOptions index;
};

// Finds similar clusters, unless the run has them with these options, and prints them.
void PrintSimilarClusters(const EmbeddingSimilarArguments& arguments);

}  // namespace assay::app
