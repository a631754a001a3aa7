#include "neurons/cluster_similarity.h"

#include <chrono>
#include <cmath>

#include "base/error.h"

namespace assay::neurons {

using base::ErrorKind;
using base::Fail;

namespace {

struct Place {
  store::UnitId unit;
  int cluster = 0;
};

double SecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

const std::vector<float>& VectorOf(const store::FeatureCluster& cluster, const std::string& by) {
  return by == "mean"        ? cluster.mean_input
         : by == "embedding" ? cluster.central_embedding
                             : cluster.central_input;
}

bool HasDirection(const std::vector<float>& vector) {
  for (const float value : vector) {
    if (value != 0) return true;
  }
  return false;
}

}  // namespace

SimilarityReport FindSimilarClusters(store::RunStore& store, const SimilarityOptions& options,
                                     const VectorIndexOptions& index_options) {
  base::ValidateFields(options);
  std::vector<Place> places;
  std::vector<float> vectors;
  size_t width = 0;
  for (const store::UnitId unit : store.UnitsWithMeasures()) {
    for (const store::FeatureCluster& cluster : store.GetClusters(unit)) {
      const std::vector<float>& vector = VectorOf(cluster, options.by);
      if (!HasDirection(vector)) continue;
      if (width == 0) width = vector.size();
      if (vector.size() != width) {
        Fail(ErrorKind::kBadInput, "unit {} has vectors of {} numbers, others of {}",
             base::ToString(unit), vector.size(), width);
      }
      places.push_back({unit, cluster.cluster});
      vectors.insert(vectors.end(), vector.begin(), vector.end());
    }
  }
  if (places.empty())
    Fail(ErrorKind::kNotFound, "the run has no clusters yet; make them with `assay neurons embed`");
  SimilarityReport report{.clusters = static_cast<int64_t>(places.size())};
  auto start = std::chrono::steady_clock::now();
  const VectorIndex index(vectors, static_cast<int64_t>(width), index_options);
  report.index = index.kind();
  report.build_seconds = SecondsSince(start);
  start = std::chrono::steady_clock::now();
  // One more than wanted: a cluster is its own nearest neighbour.
  const auto found = index.Search(vectors, options.most + 1);
  report.search_seconds = SecondsSince(start);
  report.recall = index.MeasureRecall(200, options.most);
  store.Transaction([&] {
    store.DropSimilarClusters();
    for (size_t i = 0; i < found.size(); ++i) {
      int rank = 0;
      for (const VectorMatch& match : found[i]) {
        if (match.vector == static_cast<int64_t>(i) || rank == options.most ||
            match.similarity < options.threshold)
          continue;
        const Place& other = places[static_cast<size_t>(match.vector)];
        store.Put(store::SimilarCluster{places[i].unit, places[i].cluster, rank++, other.unit,
                                        other.cluster, match.similarity});
        ++report.links;
      }
    }
  });
  return report;
}

}  // namespace assay::neurons
