#include "app/cluster_records.h"

#include <fmt/format.h>

#include <algorithm>

#include "app/terminal.h"

namespace assay::app {

std::string ClusterTabsHtml(const store::RunStore& store, const view::NeuronRecords& records,
                            std::span<const std::string> token_texts,
                            std::function<std::string(base::UnitId)> href,
                            const DrawnExamples& drawn) {
  view::ClusterTabs tabs{.records = records,
                         .token_texts = token_texts,
                         .embedding = store.GetEmbedding(records.unit),
                         .clusters = store.GetClusters(records.unit),
                         .measures = store.GetMeasures(records.unit),
                         .similar = store.GetSimilarClusters(records.unit),
                         .href = std::move(href),
                         .most_examples = drawn.most,
                         .draw = drawn.draw};
  for (const store::SimilarCluster& similar : tabs.similar) {
    for (const store::FeatureCluster& cluster : store.GetClusters(similar.other))
      tabs.labels[{similar.other, cluster.cluster}] = cluster.label;
  }
  return view::WriteClusterTabs(tabs);
}

std::vector<const store::FeatureCluster*> LargestFirst(
    const std::vector<store::FeatureCluster>& clusters) {
  std::vector<const store::FeatureCluster*> out;
  for (const store::FeatureCluster& cluster : clusters) out.push_back(&cluster);
  std::stable_sort(out.begin(), out.end(), [](const auto* a, const auto* b) {
    return a->members.size() > b->members.size();
  });
  return out;
}

std::string ClusterSummary(const store::RunStore& store, base::UnitId unit,
                           const std::string& examples, const std::string& label) {
  const auto measures = store.GetMeasures(unit);
  if (!measures) return "";
  std::string out = fmt::format("{} {}, {} clusters: {}\n", measures->examples, examples,
                                measures->clusters, measures->cut_reason);
  if (measures->polysemanticity) {
    out += fmt::format("polysemanticity {:.3f}", *measures->polysemanticity);
    if (measures->polysemanticity_low) {
      out += fmt::format(" ({:.3f} to {:.3f})", *measures->polysemanticity_low,
                         *measures->polysemanticity_high);
    }
    if (measures->stability) out += fmt::format(", stability {:.3f}", *measures->stability);
    out += '\n';
  }
  std::vector<std::vector<std::string>> rows = {{"cluster", examples, "cohesion", label}};
  const std::vector<store::FeatureCluster> clusters = store.GetClusters(unit);
  for (const store::FeatureCluster* cluster : LargestFirst(clusters)) {
    rows.push_back({fmt::format("#{}", cluster->cluster),
                    fmt::format("{}", cluster->members.size()),
                    fmt::format("{:.3f}", cluster->cohesion), cluster->label});
  }
  return rows.size() > 1 ? out + FormatTable(rows, {3}) : out;
}

}  // namespace assay::app
