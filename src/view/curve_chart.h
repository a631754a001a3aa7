// Curves over a numeric axis as inline SVG, for pages that have PageCss(). Thread-safe: pure
// functions.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace assay::view {

struct CurvePoint {
  double x = 0;
  std::optional<double> y;  // absent: the line breaks
};

struct Curve {
  std::string name;                // in the legend; none when empty
  std::string css_class;           // colour: "q-3", "act-8", "imp-8" (ScaleClass)
  std::vector<CurvePoint> points;  // ascending x
  bool dots = true;
  bool steps = false;  // holds its value until the next point
};

struct CurveChart {
  std::string title;    // for screen readers
  std::string x_label;  // below the axis
  std::vector<Curve> curves;
  std::optional<double> rule;  // a dashed horizontal line
  bool percent = true;         // y from 0 to 1 is shown in percent
  double width_px = 320, height_px = 210;
  std::string id = "curve";  // letters, digits, '-'; its own for each chart of a page
};
std::string WriteCurveChart(const CurveChart& chart);

}  // namespace assay::view
