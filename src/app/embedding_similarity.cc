#include "app/embedding_similarity.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <set>

#include "app/measure_table.h"
#include "app/neurons_run.h"
#include "app/terminal.h"
#include "base/error.h"

namespace assay::app {
namespace {

class Labels {
 public:
  explicit Labels(const store::RunStore& store) : store_(store) {}
  std::string Of(base::UnitId unit, int cluster) {
    if (!known_.contains(unit)) {
      for (const store::FeatureCluster& found : store_.GetClusters(unit))
        known_[unit].push_back(found.label);
    }
    const std::vector<std::string>& labels = known_[unit];
    return static_cast<size_t>(cluster) < labels.size() ? labels[static_cast<size_t>(cluster)] : "";
  }

 private:
  const store::RunStore& store_;
  std::map<base::UnitId, std::vector<std::string>> known_;
};

std::string Name(base::UnitId unit, int cluster) {
  return fmt::format("{} #{}", base::ToString(unit), cluster);
}

std::vector<store::SimilarCluster> BestPairs(const store::RunStore& store, int limit) {
  std::vector<store::SimilarCluster> pairs;
  for (const base::UnitId unit : store.UnitsWithMeasures()) {
    for (const store::SimilarCluster& pair : store.GetSimilarClusters(unit)) {
      // Once each, and not two clusters of one neuron.
      if (std::pair(pair.unit, pair.cluster) < std::pair(pair.other, pair.other_cluster) &&
          pair.unit != pair.other)
        pairs.push_back(pair);
    }
  }
  std::stable_sort(pairs.begin(), pairs.end(),
                   [](const auto& a, const auto& b) { return a.similarity > b.similarity; });
  // Each cluster once: neurons that share a central example would fill the list otherwise.
  std::set<std::pair<base::UnitId, int>> shown;
  std::vector<store::SimilarCluster> out;
  for (const store::SimilarCluster& pair : pairs) {
    if (out.size() == static_cast<size_t>(limit)) break;
    if (shown.contains({pair.unit, pair.cluster}) ||
        shown.contains({pair.other, pair.other_cluster}))
      continue;
    shown.insert({pair.unit, pair.cluster});
    shown.insert({pair.other, pair.other_cluster});
    out.push_back(pair);
  }
  return out;
}

}  // namespace

void PrintSimilarClusters(const EmbeddingSimilarArguments& arguments) {
  store::RunStore store = OpenForWriting(arguments.run);
  const nlohmann::json wanted = {{"options", base::FieldsToJson(arguments.similarity)},
                                 {"index", base::FieldsToJson(arguments.index)},
                                 {"embed", store.Manifest("embed").value_or(nlohmann::json())},
                                 {"units", store.UnitsWithMeasures().size()}};
  auto about = store.Manifest("similar_clusters");
  if (!about || about->value("wanted", nlohmann::json()) != wanted) {
    const neurons::SimilarityReport report =
        neurons::FindSimilarClusters(store, arguments.similarity, arguments.index);
    about = nlohmann::json{{"wanted", wanted},
                           {"clusters", report.clusters},
                           {"links", report.links},
                           {"index", report.index},
                           {"recall", report.recall},
                           {"build_seconds", report.build_seconds},
                           {"search_seconds", report.search_seconds}};
    store.PutManifest("similar_clusters", *about);
  }
  if (arguments.unit && !store.GetMeasures(*arguments.unit)) {
    base::Fail(base::ErrorKind::kNotFound, "neuron {} has no clusters in {}",
               base::ToString(*arguments.unit), arguments.run);
  }
  std::vector<store::SimilarCluster> pairs = arguments.unit
                                                 ? store.GetSimilarClusters(*arguments.unit)
                                                 : BestPairs(store, arguments.limit);
  pairs.resize(std::min(pairs.size(), static_cast<size_t>(arguments.limit)));
  Labels labels(store);
  std::vector<std::vector<std::string>> rows = {
      {"cluster", "similar to", "cosine", "fires on", "similar fires on"}};
  for (const store::SimilarCluster& pair : pairs) {
    rows.push_back({Name(pair.unit, pair.cluster), Name(pair.other, pair.other_cluster),
                    fmt::format("{:.3f}", pair.similarity), labels.Of(pair.unit, pair.cluster),
                    labels.Of(pair.other, pair.other_cluster)});
  }
  fmt::print("{}{} clusters, {} links, {} index (recall@{} {:.3f}), found in {:.2f} s\n",
             FormatTable(rows, {1, 3, 4}), about->at("clusters").get<int64_t>(),
             about->at("links").get<int64_t>(), about->at("index").get<std::string>(),
             arguments.similarity.most, about->at("recall").get<double>(),
             about->at("build_seconds").get<double>() + about->at("search_seconds").get<double>());
}

}  // namespace assay::app
