// One neuron as the page asks for it, in parts: a summary that shows at once, examples by the page,
// how one example was pruned and varied, and the picture of the graph. Thread-safe: pure functions
// of stored rows (layouts wait for each other).
#pragma once

#include "serve/served_run.h"
#include "view/graph_drawing.h"
#include "view/svg.h"

namespace assay::serve {

// Statistics, scores, counts of examples by kind, activation histogram, trajectories, measures,
// clusters and their similar clusters, neighbours. Throws kNotFound when the run does not have the
// unit.
Json NeuronSummary(const ServedRun& run, base::UnitId unit);

struct ExampleQuery {
  std::string kind = "top";    // top, bottom, quantile, given, above
  std::optional<int> cluster;  // only this cluster's members, the most central one first
  std::vector<int> ranks;      // only these; empty: all
  int offset = 0, limit = 10;
};
// {"total", "examples": [...]}; tokens as text to show, activations, importances for the pivot.
Json NeuronExamples(const ServedRun& run, base::UnitId unit, const ExampleQuery& query);

// Pruning and variations of the training example of a rank.
Json NeuronPrompts(const ServedRun& run, base::UnitId unit, int rank);

// {"svg", "description", "words", "activation_low", "importance_low", "nodes": [{"text",
// "activation", "importance", "examples": ranks}]}, of the whole unit or of one of its clusters.
// The id and the style sheet of `svg` are chosen here. Throws kNotFound when there is no graph.
Json NeuronPicture(const ServedRun& run, base::UnitId unit, std::optional<int> cluster,
                   const view::DrawOptions& options, view::SvgOptions svg = {});

// Which training examples (ranks) have a kept prompt that walks through the trie node, for every
// node: the token at its depth left of some activating target matches all the way up.
std::vector<std::vector<int>> ExamplesOfNodes(const std::vector<store::TrieNode>& nodes,
                                              const std::vector<store::Prompt>& prompts);

}  // namespace assay::serve
