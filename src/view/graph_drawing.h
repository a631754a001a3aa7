// The picture of a unit's graph as nodes and edges, before any file format: WriteDot and WriteSvg
// draw it. Step 6 of Neuron to Graph (arXiv 2305.19911): IGNORE and END nodes go, equal tokens at
// the same depth become one node, edges lead from context to the activating token, so that a path
// reads left to right. Thread-safe: pure functions.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/options.h"
#include "store/records.h"

namespace assay::view {

struct DrawOptions {
  int max_nodes = 60;
  int max_label_columns = 24;
  double activation_low = 0.5;
  double importance_low = 0.5;

  template <typename Visitor>
  void VisitFields(Visitor&& visit) {
    using base::Between;
    visit("draw-max-nodes", max_nodes,
          "most nodes in a picture, strongest first; the rest is counted", Between(1, 100000));
    visit("draw-max-label", max_label_columns,
          "longest label in columns; a longer token is cut with …", Between(1, 1000));
    visit("draw-activation-low", activation_low, "normalised activation of the palest red",
          Between(0, 0.99));
    visit("draw-importance-low", importance_low, "importance of the palest blue", Between(0, 0.99));
  }
};

struct DrawnNode {
  bool activating = false;  // else context
  int depth = 0;  // 0: activating; n: n context tokens (IGNORE not counted) stand between, plus one
  store::TokenId token = 0;
  std::string text;                 // whole token, ready to be shown
  std::string label;                // `text`, shortened
  float activation = 0;             // activating: largest normalised activation of its paths
  float importance = 0;             // context: largest importance for the activating token
  bool can_end = false;             // some path ends here
  float path_activation = 0;        // largest normalised activation of the paths through this node
  std::vector<int32_t> trie_nodes;  // which nodes of the graph it stands for
};

struct DrawnEdge {
  int from = 0, to = 0;          // indices of nodes; `from` is further left
  int min_gap = 0, max_gap = 0;  // IGNORE nodes between the two: tokens that may be anything
  int paths = 0;                 // trie edges it stands for
};

struct DrawnGraph {
  store::UnitId unit;
  double max_activation = 0;
  double activation_low = 0, importance_low = 0;  // lower ends of the colour scales
  std::vector<DrawnNode>
      nodes;  // strongest first; a node stands after at least one that it leads to
  std::vector<DrawnEdge> edges;
  int activating = 0, context = 0;                // nodes before the limit
  int hidden_activating = 0, hidden_context = 0;  // left out by the limit
};

// The limit keeps the activating tokens with the largest activations (up to half of it while
// context needs the rest), then the nodes on the strongest paths. token_texts: index is the token
// id. Throws kBadInput when the graph's nodes do not form a trie.
DrawnGraph DrawGraph(const store::Graph& graph, std::span<const std::string> token_texts,
                     const DrawOptions& options = {});

// "+ 37 more (12 activating, 25 context)" or "+ 37 more (context)", empty when nothing is hidden.
std::string HiddenNote(const DrawnGraph& graph);

// One sentence for people who cannot see the picture.
std::string DescribeGraph(const DrawnGraph& graph);

// "2" or "1–4": how many tokens of any kind stand between; empty when none do.
std::string GapLabel(const DrawnEdge& edge);

}  // namespace assay::view
