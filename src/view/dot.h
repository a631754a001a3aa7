// A drawn graph as Graphviz DOT text, for people who want to lay out or restyle it themselves.
// Thread-safe: pure functions.
#pragma once

#include <string>
#include <string_view>

#include "view/graph_drawing.h"

namespace assay::view {

// UTF-8 text; the graph's name is `title`. Same nodes, colours, outlines and notes as the SVG
// picture.
std::string WriteDot(const DrawnGraph& graph, std::string_view title);

}  // namespace assay::view
