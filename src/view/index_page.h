// A run as one self-contained HTML page: what was run, scores and trajectories by layer, a map of
// all neurons, and a gallery of chosen graphs, with links to the neurons' pages. Thread-safe;
// layouts of graphs wait for each other.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "view/graph_drawing.h"

namespace assay::view {

// Means over the neurons of a layer (of per-neuron values, as in the paper).
struct LayerScore {
  int layer = 0;
  std::string set, method;  // as in store::Score
  int64_t units = 0;        // that the means are taken over
  int64_t excluded = 0;     // left out, for instance because they never fire in this set
  int64_t precision_units =
      0;  // units for which the method predicts anything: the mean precision is over these
  std::optional<double> precision, recall, f1;
};

struct LayerTrajectory {
  int layer = 0;
  std::vector<double> values;  // TrajectoryMean::Values()
};

struct MapUnit {
  store::UnitId unit;
  std::optional<double> f1;  // absent: not scored
  std::string href;          // relative; empty when the neuron has no page
};

struct GalleryItem {
  const store::Graph& graph;
  std::string caption;  // small, beside the name: "F1 0.82"
  std::string href;     // relative; may be empty
};

struct IndexPage {
  std::string title = "Neurons";
  std::string subtitle;     // one line, e.g. model and text
  nlohmann::json manifest;  // RunStore::WholeManifest(): plain values are facts, objects unfold
  std::vector<LayerScore> scores;
  std::vector<LayerTrajectory> trajectories;
  std::vector<MapUnit> units;  // any order
  std::vector<GalleryItem> gallery;
  std::span<const std::string> token_texts;
  DrawOptions gallery_draw{.max_nodes = 14, .max_label_columns = 16};
};

// Throws kBadInput for a graph that is no trie, kUsage for bad draw options.
std::string WriteIndexPage(const IndexPage& page);

}  // namespace assay::view
