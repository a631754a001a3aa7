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

// Clusters of the run, read when they are asked for.
class Clusters {
 public:
  explicit Clusters(const store::RunStore& store) : store_(store) {}
  // Null when the unit has no such cluster.
  const store::FeatureCluster* Find(base::UnitId unit, int cluster) {
    auto known = known_.find(unit);
    if (known == known_.end()) known = known_.emplace(unit, store_.GetClusters(unit)).first;
    for (const store::FeatureCluster& one : known->second) {
      if (one.cluster == cluster) return &one;
    }
    return nullptr;
  }
  std::string Label(base::UnitId unit, int cluster) {
    const store::FeatureCluster* found = Find(unit, cluster);
    return found == nullptr ? "" : found->label;
  }

 private:
  const store::RunStore& store_;
  std::map<base::UnitId, std::vector<store::FeatureCluster>> known_;
};

std::string Name(base::UnitId unit, int cluster) {
  return fmt::format("{} #{}", base::ToString(unit), cluster);
}

// Of a table of the whole run: clusters that say something, and neurons of a layer that share their
// central example are alike by definition.
constexpr size_t kLeastMembers = 3;
bool TellsMore(const store::SimilarCluster& pair, Clusters& clusters) {
  const store::FeatureCluster *one = clusters.Find(pair.unit, pair.cluster),
                              *other = clusters.Find(pair.other, pair.other_cluster);
  return one != nullptr && other != nullptr && one->members.size() >= kLeastMembers &&
         other->members.size() >= kLeastMembers && one->central_input != other->central_input;
}

std::vector<store::SimilarCluster> BestPairs(const store::RunStore& store, Clusters& clusters,
                                             int limit) {
  std::vector<store::SimilarCluster> pairs;
  for (const base::UnitId unit : store.UnitsWithMeasures()) {
    for (const store::SimilarCluster& pair : store.GetSimilarClusters(unit)) {
      // Not two clusters of one neuron.
      if (pair.unit != pair.other) pairs.push_back(pair);
    }
  }
  std::stable_sort(pairs.begin(), pairs.end(),
                   [](const auto& a, const auto& b) { return a.similarity > b.similarity; });
  // Each cluster once: neurons that share a feature would fill the list otherwise.
  std::set<std::pair<base::UnitId, int>> shown;
  std::vector<store::SimilarCluster> out;
  for (const store::SimilarCluster& pair : pairs) {
    if (out.size() == static_cast<size_t>(limit)) break;
    if (shown.contains({pair.unit, pair.cluster}) ||
        shown.contains({pair.other, pair.other_cluster}) || !TellsMore(pair, clusters))
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
  Clusters clusters(store);
  std::vector<store::SimilarCluster> pairs = arguments.unit
                                                 ? store.GetSimilarClusters(*arguments.unit)
                                                 : BestPairs(store, clusters, arguments.limit);
  pairs.resize(std::min(pairs.size(), static_cast<size_t>(arguments.limit)));
  std::vector<std::vector<std::string>> rows = {
      {"cluster", "similar to", "cosine", "fires on", "similar fires on"}};
  for (const store::SimilarCluster& pair : pairs) {
    rows.push_back({Name(pair.unit, pair.cluster), Name(pair.other, pair.other_cluster),
                    fmt::format("{:.3f}", pair.similarity), clusters.Label(pair.unit, pair.cluster),
                    clusters.Label(pair.other, pair.other_cluster)});
  }
  if (!arguments.unit) {
    fmt::print(
        "the most similar pairs of clusters of at least {} examples whose central examples "
        "differ\n",
        kLeastMembers);
  }
  if (pairs.empty())
    fmt::print("no other cluster has a cosine of {} or more\n", arguments.similarity.threshold);
  fmt::print("{}{} clusters, {} links, {} index (recall@{} {:.3f}), found in {:.2f} s\n",
             pairs.empty() ? "" : FormatTable(rows, {1, 3, 4}),
             about->at("clusters").get<int64_t>(), about->at("links").get<int64_t>(),
             about->at("index").get<std::string>(), arguments.similarity.most,
             about->at("recall").get<double>(),
             about->at("build_seconds").get<double>() + about->at("search_seconds").get<double>());
}

}  // namespace assay::app
