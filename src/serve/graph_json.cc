// The picture of a neuron's graph, and which examples are behind each of its nodes.
#include <fmt/format.h>

#include <set>

#include "serve/json_values.h"
#include "serve/neuron_json.h"
#include "view/graph_words.h"

namespace assay::serve {

using base::ErrorKind;
using base::Fail;

std::vector<std::vector<int>> ExamplesOfNodes(const std::vector<store::TrieNode>& nodes,
                                              const std::vector<store::Prompt>& prompts) {
  using Kind = store::TrieNode::Kind;
  std::vector<std::vector<size_t>> children(nodes.size());
  for (size_t i = 1; i < nodes.size(); ++i)
    children[static_cast<size_t>(nodes[i].parent)].push_back(i);
  std::vector<std::set<int>> found(nodes.size());
  for (const store::Prompt& prompt : prompts) {
    if (!prompt.kept) continue;
    for (const int target : prompt.targets) {
      std::vector<std::pair<size_t, int>> todo = {{0, target}};  // node, place of its children
      while (!todo.empty()) {
        const auto [node, place] = todo.back();
        todo.pop_back();
        for (const size_t child : children[node]) {
          const bool any = nodes[child].kind == Kind::kIgnore;
          if (nodes[child].kind == Kind::kEnd || place < 0 ||
              static_cast<size_t>(place) >= prompt.tokens.size()) {
            continue;
          }
          if (!any && prompt.tokens[static_cast<size_t>(place)] != nodes[child].token) continue;
          found[child].insert(prompt.example);
          todo.emplace_back(child, place - 1);
        }
      }
    }
  }
  std::vector<std::vector<int>> out;
  for (const std::set<int>& examples : found) out.emplace_back(examples.begin(), examples.end());
  return out;
}

Json NeuronPicture(const ServedRun& run, base::UnitId unit, std::optional<int> cluster,
                   const view::DrawOptions& options, view::SvgOptions svg) {
  const auto facts = run.Facts();
  const auto store = run.Borrow();
  std::optional<store::Graph> graph;
  if (cluster) {
    for (store::ClusterGraph& row : store->GetClusterGraphs(unit)) {
      if (row.cluster == *cluster) graph = std::move(row.graph);
    }
  } else {
    graph = store->GetGraph(unit);
  }
  if (!graph) Fail(ErrorKind::kNotFound, "{}: {} has no graph", run.name(), base::ToString(unit));
  const view::DrawnGraph drawn = view::DrawGraph(*graph, facts->token_texts, options);
  const auto of_trie_nodes = ExamplesOfNodes(graph->nodes, store->GetPrompts(unit));
  Json nodes = Json::array();
  for (const view::DrawnNode& node : drawn.nodes) {
    std::set<int> examples;
    for (const int32_t trie_node : node.trie_nodes) {
      const auto& ranks = of_trie_nodes[static_cast<size_t>(trie_node)];
      examples.insert(ranks.begin(), ranks.end());
    }
    nodes.push_back({{"text", node.text},
                     {"activating", node.activating},
                     {"activation", Short(node.activation)},
                     {"importance", Short(node.importance)},
                     {"can_end", node.can_end},
                     {"examples", examples}});
  }
  // One of its own for every picture that a page can show at once.
  svg.id = fmt::format("graph-{}-{}-{}-{}", unit.layer, unit.index,
                       cluster ? std::to_string(*cluster) : "all", options.max_nodes);
  svg.standalone = false;
  svg.legend = false;  // the page has its own, which stays in sight
  return {{"svg", view::WriteSvg(drawn, svg)},      {"description", view::DescribeGraph(drawn)},
          {"words", view::TellGraph(drawn)},        {"activation_low", drawn.activation_low},
          {"importance_low", drawn.importance_low}, {"nodes", nodes}};
}

}  // namespace assay::serve
