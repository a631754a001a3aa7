#include "view/flip_curve.h"

#include <fmt/format.h>

#include <algorithm>

#include "view/scatter_chart.h"

namespace assay::view {

std::string WriteFlipCurve(const FlipCurve& curve) {
  std::vector<FlipPoint> points = curve.points;
  std::sort(points.begin(), points.end(),
            [](const FlipPoint& a, const FlipPoint& b) { return a.epsilon < b.epsilon; });
  // No change flips nothing.
  if (!points.empty() && points.front().epsilon > 0) points.insert(points.begin(), FlipPoint{});
  const double unit = curve.norm == "linf" ? 255 : 1;
  const auto series = [&](const char* name, double FlipPoint::*share) {
    ScatterSeries out{.name = name, .joined = true};
    for (const FlipPoint& point : points)
      out.points.push_back(
          {point.epsilon * unit, 100 * (point.*share),
           fmt::format("{} at {:.4g}: {:.1f}%", name, point.epsilon * unit, 100 * (point.*share))});
    return out;
  };
  ScatterChart chart{
      .title = fmt::format("Universal perturbation of {}: flips of unseen images", curve.model),
      .x_label = curve.norm == "linf" ? "largest change of a value (grey levels of 255)"
                                      : fmt::format("{} norm of the perturbation", curve.norm),
      .y_label = "flipped, % of images that were right",
      .series = {series("universal", &FlipPoint::flips), series("shuffled", &FlipPoint::shuffled),
                 series("random", &FlipPoint::random)},
      .from_zero = true,
      .y_reaches = 100};
  if (curve.goal > 0 && !points.empty())
    chart.rule = ScatterRule{100 * curve.goal, fmt::format("goal {:.0f}%", 100 * curve.goal)};
  return WriteScatterChart(chart);
}

}  // namespace assay::view
