// The small script of the pages: shade toggle, folding, values by keyboard, paths of the graph
// under the pointer, and the "go to neuron" field of the index. Pages read well without it,
// everything unfolded. Thread-safe.
#pragma once

#include <string>
#include <string_view>

namespace assay::view {

std::string_view PageScript();

// A whole HTML document around `body` (markup) with style sheet and script; title is escaped here.
// It asks the browser to load nothing from anywhere.
std::string WrapPage(std::string_view title, std::string_view body);

}  // namespace assay::view
