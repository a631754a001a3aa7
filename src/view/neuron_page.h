// One neuron as a self-contained HTML page: graph, scores, statistics, shaded examples, and how
// each example became part of the graph. Nothing is loaded from anywhere; every string from outside
// is escaped. Thread-safe; layouts of graphs wait for each other.
#pragma once

#include <span>
#include <string>

#include "view/example_html.h"
#include "view/graph_drawing.h"
#include "view/neuron_records.h"

namespace assay::view {

struct NeuronPage {
  const NeuronRecords& records;
  std::span<const std::string> token_texts;  // how the run's tokens read; index is the token id
  std::string model;                         // shown in the heading, may be empty
  std::string hook;                          // where activations are read, may be empty
  // Relative links; none is shown where empty.
  std::string index_href, previous_href, next_href;
  std::string clusters_html;  // from WriteClusterTabs, may be empty
  DrawOptions draw;
  ExampleSettings examples;
};

// Throws kNotFound or kBadInput when rows are missing or do not fit each other (see
// neuron_records.h), kUsage for bad draw options.
std::string WriteNeuronPage(const NeuronPage& page);

}  // namespace assay::view
