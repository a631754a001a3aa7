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

}  // namespace assay::app
