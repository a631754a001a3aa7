#include "neurons/cluster_similarity.h"

#include <algorithm>
#include <chrono>
#include <map>

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

// Clusters with vectors of one width.
struct Vectors {
  std::vector<Place> places;
  std::vector<float> values;  // [places, width]
};

SimilarityReport LinkWithin(store::RunStore& store, const Vectors& group, size_t width,
                            const SimilarityOptions& options,
                            const VectorIndexOptions& index_options) {
  const std::vector<Place>& places = group.places;
  SimilarityReport report{.clusters = static_cast<int64_t>(places.size())};
  auto start = std::chrono::steady_clock::now();
  const VectorIndex index(group.values, static_cast<int64_t>(width), index_options);
  report.index = index.kind();
  report.build_seconds = SecondsSince(start);
  start = std::chrono::steady_clock::now();
  // One more than wanted: a cluster is its own nearest neighbour.
  const auto found = index.Search(group.values, options.most + 1);
  report.search_seconds = SecondsSince(start);
  report.recall = index.MeasureRecall(200, options.most);
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
  return report;
}

}  // namespace

SimilarityReport FindSimilarClusters(store::RunStore& store, const SimilarityOptions& options,
                                     const VectorIndexOptions& index_options) {
  base::ValidateFields(options);
  std::map<size_t, Vectors> by_width;
  for (const store::UnitId unit : store.UnitsWithMeasures()) {
    for (const store::FeatureCluster& cluster : store.GetClusters(unit)) {
      const std::vector<float>& vector = VectorOf(cluster, options.by);
      if (!HasDirection(vector)) continue;
      Vectors& group = by_width[vector.size()];
      group.places.push_back({unit, cluster.cluster});
      group.values.insert(group.values.end(), vector.begin(), vector.end());
    }
  }
  if (by_width.empty())
    Fail(ErrorKind::kNotFound, "the run has no clusters yet; make them with `assay neurons embed`");
  SimilarityReport report{.recall = 0};
  size_t largest = 0;
  store.Transaction([&] {
    store.DropSimilarClusters();
    for (const auto& [width, group] : by_width) {
      const SimilarityReport one = LinkWithin(store, group, width, options, index_options);
      const size_t clusters = group.places.size();
      if (clusters > largest) report.index = one.index;
      largest = std::max(largest, clusters);
      report.clusters += one.clusters;
      report.links += one.links;
      report.build_seconds += one.build_seconds;
      report.search_seconds += one.search_seconds;
      report.recall += one.recall * static_cast<double>(clusters);
    }
  });
  report.recall /= static_cast<double>(report.clusters);
  return report;
}

}  // namespace assay::neurons
