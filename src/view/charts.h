// Line charts as inline SVG for pages that have PageCss(); the larger one also stands alone.
// Thread-safe: pure functions.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace assay::view {

struct ChartLine {
  std::string name;            // at the right end of the line; none when empty
  std::vector<double> values;  // [i] at x = i; a line breaks where a value is not a number
  std::string css_class;       // "q-3" (ScaleClass), or "faint"
};

struct LineChart {
  std::string title;             // for screen readers
  std::string x_label, y_label;  // along the axes
  std::vector<ChartLine> lines;  // at least y = 0 to 1 is shown
  std::optional<double> rule;    // a dashed horizontal line
  double width_px = 560, height_px = 260;
  std::string id = "chart";  // as in SvgOptions
  bool standalone = false;   // carries its style sheet and background
};
std::string WriteLineChart(const LineChart& chart);

// A word-sized line of `values` with a dashed rule and a dot at the last value; `title` says it in
// words.
std::string WriteSparkline(const std::vector<double>& values, double rule,
                           const std::string& title);

}  // namespace assay::view
