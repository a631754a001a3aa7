// What the pages of a run show about a neuron's clusters.
#pragma once

#include <functional>
#include <span>
#include <string>

#include "store/run_store.h"
#include "view/cluster_tabs.h"

namespace assay::app {

// How examples that are no texts are shown.
struct DrawnExamples {
  std::function<std::string(const store::Example&, std::string_view rank)> draw;
  int most = 20;  // of a cluster
};

// The tabs as HTML; empty without clusters. href: the page of another neuron, or empty.
std::string ClusterTabsHtml(const store::RunStore& store, const view::NeuronRecords& records,
                            std::span<const std::string> token_texts,
                            std::function<std::string(base::UnitId)> href,
                            const DrawnExamples& drawn = {});

// Measures and clusters for the terminal, the largest cluster first; empty for a unit without
// measures. examples: what the examples are, "tiles"; label: what the clusters' labels say.
std::string ClusterSummary(const store::RunStore& store, base::UnitId unit,
                           const std::string& examples, const std::string& label);

// The largest first: small ones are often single examples.
std::vector<const store::FeatureCluster*> LargestFirst(
    const std::vector<store::FeatureCluster>& clusters);

}  // namespace assay::app
