// A drawn graph as an SVG picture: on its own as a file, or inside a page.
// Thread-safe; layouts wait for each other (graph_layout.h).
#pragma once

#include <string>

#include "view/graph_drawing.h"

namespace assay::view {

struct SvgOptions {
  std::string title;     // over the picture and for screen readers; none is drawn when empty
  std::string subtitle;  // small, under the title
  std::string id =
      "graph";  // letters, digits, '-': prefix of ids, one of its own for each picture of a page
  bool standalone =
      true;  // with style sheet and background; false inside a page that has PageCss()
  bool legend = true;
  double wrap_width_px =
      620;           // loose nodes and legend go to the next line here, unless the graph is wider
  double scale = 1;  // of the whole picture
};

// Throws kInternal when the layout fails.
std::string WriteSvg(const DrawnGraph& graph, const SvgOptions& options);

}  // namespace assay::view
