// Where the boxes and curves of a picture go, computed by Graphviz "dot" (libgvc), left to right.
// Nothing is drawn. Thread-safe: Graphviz is not, so calls wait for each other.
#pragma once

#include <vector>

namespace assay::view {

struct Point {
  double x = 0, y = 0;
};

struct LayoutNode {
  double width_px = 0, height_px = 0;
  bool rightmost = false;  // stands in the last column
};

struct LayoutEdge {
  int from = 0, to = 0;  // indices of nodes
};

struct Layout {
  struct Curve {
    std::vector<Point> bezier;  // cubic: first point, then three for each piece
    Point tip;                  // of the arrow head that starts where the curve ends
  };
  double width_px = 0, height_px = 0;
  std::vector<Point> centres;  // of the nodes; y grows downwards
  std::vector<Curve> curves;   // of the edges
};

// Throws kInternal with Graphviz' own message when it cannot lay the graph out (e.g. its layout
// plugin is missing).
Layout PlaceGraph(const std::vector<LayoutNode>& nodes, const std::vector<LayoutEdge>& edges);

}  // namespace assay::view
