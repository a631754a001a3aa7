// `assay neurons graph --by cluster`: graphs of clusters, and whether splitting helps.
#pragma once

#include <span>

#include "neurons/cluster_graphs.h"

namespace assay::app {

// Builds the graphs of the units' clusters, prints their scores by layer beside those of graphs
// that ignore clusters, and notes them in the run's manifest. Throws kNotFound without clusters.
void BuildAndReportClusterGraphs(store::RunStore& store, std::span<const base::UnitId> units,
                                 const neurons::GraphOptions& options,
                                 const neurons::ClusterGraphOptions& cluster_options,
                                 const neurons::GraphContext& context, measure::Prober& prober);

}  // namespace assay::app
