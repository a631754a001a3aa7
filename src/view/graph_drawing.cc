#include "view/graph_drawing.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "base/error.h"
#include "view/token_text.h"

namespace assay::view {
namespace {

using store::TrieNode;
using Kind = TrieNode::Kind;

void CheckTrie(const store::Graph& graph) {
  const auto& nodes = graph.nodes;
  const auto fail = [&](size_t node, const char* what) {
    base::Fail(base::ErrorKind::kBadInput, "graph of unit {}: node {} of {} {}",
               base::ToString(graph.unit), node, nodes.size(), what);
  };
  for (size_t i = 0; i < nodes.size(); ++i) {
    if ((nodes[i].kind == Kind::kRoot) != (i == 0))
      fail(i, "is a root out of place; expected node 0 and no other");
    if (i == 0) continue;
    const int32_t parent = nodes[i].parent;
    if (parent < 0 || static_cast<size_t>(parent) >= i) fail(i, "does not stand after its parent");
    if (nodes[parent].kind == Kind::kEnd) fail(i, "hangs below an END node");
    if ((nodes[i].kind == Kind::kActivating) != (parent == 0)) {
      fail(i, "breaks the order root, activating, context");
    }
  }
}

// Where a trie node stands once IGNORE and END nodes are gone.
struct Place {
  int32_t drawn_parent = 0;  // nearest trie node above that is drawn; itself if it is drawn
  int depth = -1;            // of the drawn node
  int gap = 0;               // IGNORE nodes between this one and drawn_parent
};

std::vector<Place> PlaceNodes(const std::vector<TrieNode>& nodes) {
  std::vector<Place> places(nodes.size());
  for (size_t i = 1; i < nodes.size(); ++i) {
    const Place& above = places[nodes[i].parent];
    const auto self = static_cast<int32_t>(i);
    switch (nodes[i].kind) {
      case Kind::kActivating:
        places[i] = {self, 0, 0};
        break;
      case Kind::kContext:
        places[i] = {self, above.depth + 1, 0};
        break;
      case Kind::kIgnore:
        places[i] = {above.drawn_parent, above.depth, above.gap + 1};
        break;
      case Kind::kEnd:
      case Kind::kRoot:
        places[i] = above;
        break;
    }
  }
  return places;
}

// The largest END value at or below each node.
std::vector<float> PathActivations(const std::vector<TrieNode>& nodes) {
  std::vector<float> best(nodes.size(), 0);
  for (size_t i = nodes.size(); i-- > 1;) {
    if (nodes[i].kind == Kind::kEnd) best[i] = nodes[i].activation;
    best[nodes[i].parent] = std::max(best[nodes[i].parent], best[i]);
  }
  return best;
}

// Every drawn node and edge, equal tokens at the same depth collapsed, in no particular order.
class Collapser {
 public:
  Collapser(const store::Graph& graph, std::span<const std::string> token_texts,
            int max_label_columns)
      : graph_(graph),
        token_texts_(token_texts),
        max_label_columns_(max_label_columns),
        places_(PlaceNodes(graph.nodes)),
        best_(PathActivations(graph.nodes)) {}

  void Run(DrawnGraph& out) {
    for (size_t i = 1; i < graph_.nodes.size(); ++i) {
      const TrieNode& node = graph_.nodes[i];
      if (node.kind == Kind::kActivating || node.kind == Kind::kContext)
        AddNode(static_cast<int32_t>(i), out);
      if (node.kind == Kind::kContext) AddEdge(static_cast<int32_t>(i), out);
      if (node.kind == Kind::kEnd) out.nodes[drawn_.at(places_[i].drawn_parent)].can_end = true;
    }
  }

 private:
  void AddNode(int32_t index, DrawnGraph& out) {
    const TrieNode& node = graph_.nodes[index];
    const auto [found, is_new] = by_token_.try_emplace({places_[index].depth, node.token},
                                                       static_cast<int>(out.nodes.size()));
    if (is_new) {
      DrawnNode drawn;
      drawn.activating = node.kind == Kind::kActivating;
      drawn.depth = places_[index].depth;
      drawn.token = node.token;
      drawn.text = TokenLabel(token_texts_, node.token);
      drawn.label = ShortenText(drawn.text, max_label_columns_);
      out.nodes.push_back(std::move(drawn));
    }
    DrawnNode& drawn = out.nodes[found->second];
    drawn.activation = std::max(drawn.activation, node.activation);
    drawn.importance = std::max(drawn.importance, node.importance);
    drawn.path_activation = std::max(drawn.path_activation, best_[index]);
    drawn.trie_nodes.push_back(index);
    drawn_[index] = found->second;
  }

  void AddEdge(int32_t index, DrawnGraph& out) {
    const Place& above = places_[graph_.nodes[index].parent];
    const int from = drawn_.at(index);
    const int to = drawn_.at(above.drawn_parent);
    const auto [found, is_new] =
        by_ends_.try_emplace({from, to}, static_cast<int>(out.edges.size()));
    if (is_new) out.edges.push_back({from, to, above.gap, above.gap, 0});
    DrawnEdge& edge = out.edges[found->second];
    edge.min_gap = std::min(edge.min_gap, above.gap);
    edge.max_gap = std::max(edge.max_gap, above.gap);
    ++edge.paths;
  }

  const store::Graph& graph_;
  std::span<const std::string> token_texts_;
  int max_label_columns_;
  std::vector<Place> places_;
  std::vector<float> best_;
  std::map<std::pair<int, store::TokenId>, int> by_token_;  // (depth, token) -> drawn node
  std::map<int32_t, int> drawn_;                            // trie node -> drawn node
  std::map<std::pair<int, int>, int> by_ends_;              // (from, to) -> drawn edge
};

// Strongest path first; on a path the token nearer to the activating one first, so that any prefix
// hangs together.
std::vector<int> StrongestFirst(const std::vector<DrawnNode>& nodes) {
  std::vector<int> order(nodes.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int>(i);
  const auto key = [&](int i) {
    const DrawnNode& node = nodes[i];
    const float strength =
        node.activating ? std::max(node.activation, node.path_activation) : node.path_activation;
    return std::make_tuple(-strength, node.depth, -node.importance, node.token);
  };
  std::sort(order.begin(), order.end(), [&](int a, int b) { return key(a) < key(b); });
  return order;
}

// Which nodes stay, in drawing order.
std::vector<int> Select(const DrawnGraph& graph, int max_nodes) {
  const std::vector<int> order = StrongestFirst(graph.nodes);
  const auto limit = static_cast<size_t>(max_nodes);
  if (order.size() <= limit) return order;

  std::vector<std::vector<int>> leads_to(graph.nodes.size());
  for (const DrawnEdge& edge : graph.edges) leads_to[edge.from].push_back(edge.to);
  std::vector<bool> kept(graph.nodes.size(), false);
  size_t count = 0;
  const auto keep = [&](int node) {
    if (count >= limit || kept[node]) return;
    kept[node] = true;
    ++count;
  };
  const size_t context_share = std::min(static_cast<size_t>(graph.context), limit / 2);
  for (const int node : order) {
    if (graph.nodes[node].activating && count < limit - context_share) keep(node);
  }
  for (const int node : order) {
    const auto& targets = leads_to[node];
    if (std::any_of(targets.begin(), targets.end(), [&](int target) { return kept[target]; }))
      keep(node);
  }
  for (const int node : order) {
    if (graph.nodes[node].activating) keep(node);
  }
  std::vector<int> selected;
  std::copy_if(order.begin(), order.end(), std::back_inserter(selected),
               [&](int node) { return kept[node]; });
  return selected;
}

DrawnGraph Restrict(const DrawnGraph& all, const std::vector<int>& selected) {
  DrawnGraph out = all;
  out.nodes.clear();
  out.edges.clear();
  std::vector<int> position(all.nodes.size(), -1);
  for (const int node : selected) {
    position[node] = static_cast<int>(out.nodes.size());
    out.nodes.push_back(all.nodes[node]);
    --(all.nodes[node].activating ? out.hidden_activating : out.hidden_context);
  }
  for (DrawnEdge edge : all.edges) {
    edge.from = position[edge.from];
    edge.to = position[edge.to];
    if (edge.from >= 0 && edge.to >= 0) out.edges.push_back(edge);
  }
  std::sort(out.edges.begin(), out.edges.end(), [](const DrawnEdge& a, const DrawnEdge& b) {
    return std::tie(a.to, a.from) < std::tie(b.to, b.from);
  });
  return out;
}

std::string Plural(int count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

}  // namespace

DrawnGraph DrawGraph(const store::Graph& graph, std::span<const std::string> token_texts,
                     const DrawOptions& options) {
  base::ValidateFields(options);
  CheckTrie(graph);
  DrawnGraph all;
  all.unit = graph.unit;
  all.max_activation = graph.max_activation;
  all.activation_low = options.activation_low;
  all.importance_low = options.importance_low;
  Collapser(graph, token_texts, options.max_label_columns).Run(all);
  for (const DrawnNode& node : all.nodes) ++(node.activating ? all.activating : all.context);
  all.hidden_activating = all.activating;
  all.hidden_context = all.context;
  return Restrict(all, Select(all, options.max_nodes));
}

std::string HiddenNote(const DrawnGraph& graph) {
  const int hidden = graph.hidden_activating + graph.hidden_context;
  if (hidden == 0) return "";
  if (graph.hidden_activating == 0) return fmt::format("+ {} more (context)", hidden);
  if (graph.hidden_context == 0) return fmt::format("+ {} more (activating)", hidden);
  return fmt::format("+ {} more ({} activating, {} context)", hidden, graph.hidden_activating,
                     graph.hidden_context);
}

std::string DescribeGraph(const DrawnGraph& graph) {
  if (graph.nodes.empty()) return "Empty graph: no training example was usable.";
  std::string strongest;
  int listed = 0;
  for (const DrawnNode& node : graph.nodes) {
    if (!node.activating || listed == 5) continue;
    strongest +=
        fmt::format("{}{} ({:.2f})", listed++ == 0 ? "" : ", ", node.text, node.activation);
  }
  return fmt::format("{} and {}. Strongest activating tokens: {}.",
                     Plural(graph.activating, "activating token"),
                     Plural(graph.context, "context token"), strongest);
}

std::string GapLabel(const DrawnEdge& edge) {
  if (edge.max_gap == 0) return "";
  if (edge.min_gap == edge.max_gap) return fmt::format("{}", edge.max_gap);
  return fmt::format("{}–{}", edge.min_gap, edge.max_gap);
}

}  // namespace assay::view
