// What the pages of a run show about a neuron's clusters.
#pragma once

#include <functional>
#include <span>
#include <string>

#include "store/run_store.h"
#include "view/cluster_tabs.h"

namespace assay::app {

// The tabs as HTML; empty without clusters. href: the page of another neuron, or empty.
std::string ClusterTabsHtml(const store::RunStore& store, const view::NeuronRecords& records,
                            std::span<const std::string> token_texts,
                            std::function<std::string(base::UnitId)> href);

}  // namespace assay::app
