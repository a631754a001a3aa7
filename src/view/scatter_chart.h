// Points in a plane as a standalone SVG, in named series, joined to curves on request: units by two
// measures, autoencoders by sparsity and error. Thread-safe: a pure function.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace assay::view {

struct ScatterPoint {
  double x = 0, y = 0;
  std::string title;  // shown when the pointer rests on it
};

struct ScatterSeries {
  std::string name;  // in the legend
  std::vector<ScatterPoint> points;
  bool joined = false;  // a line through the points, in their order
};

struct ScatterRule {
  double y = 0;
  std::string label;  // above its left end
};

struct ScatterChart {
  std::string title, x_label, y_label;
  std::vector<ScatterSeries> series;  // at most 8 colours, then they repeat
  bool from_zero = false;             // both axes begin at 0
  std::optional<double> y_reaches;    // the y axis goes at least so far
  std::optional<ScatterRule> rule;    // a dashed horizontal line
  double width_px = 720, height_px = 480;
};

// Points that are not finite are left out. Without points: empty axes.
std::string WriteScatterChart(const ScatterChart& chart);

}  // namespace assay::view
