#include "view/dot.h"

#include <fmt/format.h>

#include "view/markup.h"
#include "view/style.h"

namespace assay::view {
namespace {

// A quoted DOT string. Backslashes are doubled because labels have their own escapes (\N, \l); & is
// written as an entity because Graphviz decodes entities in labels.
std::string Quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : OneLine(text)) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '&') {
      out += "&amp;";
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string NodeLine(const DrawnGraph& graph, size_t index) {
  const DrawnNode& node = graph.nodes[index];
  const Scale scale = node.activating ? Scale::kActivation : Scale::kImportance;
  const double value = node.activating ? node.activation : node.importance;
  const double low = node.activating ? graph.activation_low : graph.importance_low;
  const Paint paint = ScalePaint(scale, ScaleStep(value, low));
  return fmt::format(
      "  n{} [label={}, fillcolor=\"{}\", fontcolor=\"{}\", penwidth={}, tooltip={}];\n", index,
      Quoted(node.label), paint.fill, paint.text, node.can_end ? "2.6" : "0.8",
      Quoted(fmt::format("{}: {} {:.2f}", node.text, node.activating ? "activation" : "importance",
                         value)));
}

std::string EdgeLine(const DrawnEdge& edge) {
  const std::string ends = fmt::format("  n{} -> n{}", edge.from, edge.to);
  if (edge.max_gap == 0) return ends + ";\n";
  return fmt::format("{} [style=dashed, label={}];\n", ends, Quoted("··" + GapLabel(edge)));
}

}  // namespace

std::string WriteDot(const DrawnGraph& graph, std::string_view title) {
  std::string out = fmt::format(
      "digraph {} {{\n"
      "  graph [rankdir=LR, nodesep=0.15, ranksep=0.5, charset=\"UTF-8\", fontname=\"Helvetica\", "
      "labelloc=b,\n"
      "         label={}];\n"
      "  node [shape=box, style=\"rounded,filled\", color=\"#1c2127\", fontname=\"Helvetica\", "
      "fontsize=14,\n"
      "        height=0.3, margin=\"0.12,0.04\"];\n"
      "  edge [color=\"#98a1ac\", fontcolor=\"#5b6470\", fontname=\"Helvetica\", fontsize=11, "
      "arrowsize=0.6];\n",
      Quoted(title), Quoted(HiddenNote(graph)));
  std::string activating;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    out += NodeLine(graph, i);
    if (graph.nodes[i].activating) activating += fmt::format(" n{};", i);
  }
  if (!activating.empty()) out += fmt::format("  {{ rank=sink;{} }}\n", activating);
  for (const DrawnEdge& edge : graph.edges) out += EdgeLine(edge);
  return out + "}\n";
}

}  // namespace assay::view
