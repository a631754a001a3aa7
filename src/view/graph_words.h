// A drawn graph as a sentence: what it says, for people who are new to the picture or cannot see
// it. Thread-safe: pure functions.
#pragma once

#include <string>

#include "view/graph_drawing.h"

namespace assay::view {

// "Fires most on “Paris” after “of”; on “London”, whatever stands before." The strongest activating
// tokens, those with the same context together, each with the tokens right before it that matter
// most. Empty for an empty graph.
std::string TellGraph(const DrawnGraph& graph);

}  // namespace assay::view
