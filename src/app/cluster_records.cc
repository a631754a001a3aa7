#include "app/cluster_records.h"

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

}  // namespace assay::app
