// The clusters of a neuron's examples as tabs of its page: measures, examples with the usual
// shading, and clusters of other neurons that mean the same as links. Thread-safe: a pure function.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "view/example_html.h"
#include "view/neuron_records.h"

namespace assay::view {

struct ClusterTabs {
  const NeuronRecords& records;
  std::span<const std::string> token_texts;
  std::optional<store::Embedding> embedding;
  std::vector<store::FeatureCluster> clusters;
  std::optional<store::UnitMeasures> measures;
  std::vector<store::SimilarCluster> similar;
  // Labels of the clusters that `similar` names, by (unit, cluster).
  std::map<std::pair<store::UnitId, int>, std::string> labels;
  // The page of another neuron; empty: none, its name is shown without a link.
  std::function<std::string(store::UnitId)> href;
  int most_examples = 20;  // of a cluster
  ExampleSettings examples;
  // Draws an example instead of its text, by its key and "central" or its number: for images.
  std::function<std::string(const store::Example&, std::string_view rank)> draw;
};

// Empty when the neuron has no clusters. Throws kBadInput when a cluster names an example that the
// records lack.
std::string WriteClusterTabs(const ClusterTabs& tabs);

}  // namespace assay::view
