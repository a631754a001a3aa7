#include "view/curve_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "view/markup.h"
#include "view/token_text.h"

namespace assay::view {
namespace {

std::string Num(double value) { return FormatCoordinate(value); }

struct Frame {
  double left, top, width, height, x_max;
  double X(double x) const { return left + width * x / x_max; }
  double Y(double y) const { return top + height * (1 - std::clamp(y, 0.0, 1.0)); }
};

double NiceStep(double span, int steps) {
  const double power = std::pow(10, std::floor(std::log10(span / steps)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (span / (power * factor) <= steps) return power * factor;
  }
  return power * 10;
}

std::string Axes(const CurveChart& chart, const Frame& frame) {
  std::string out;
  for (const double y : {0.0, 0.25, 0.5, 0.75, 1.0}) {
    const std::string label = chart.percent ? fmt::format("{:.0f}%", 100 * y) : FormatNumber(y, 2);
    out += fmt::format(
        "<path class=\"grid\" d=\"M{} {}h{}\"/><text class=\"note\" x=\"{}\" y=\"{}\" "
        "text-anchor=\"end\">{}</text>",
        Num(frame.left), Num(frame.Y(y)), Num(frame.width), Num(frame.left - 6),
        Num(frame.Y(y) + 4), label);
  }
  const double step = NiceStep(frame.x_max, 5), base = frame.top + frame.height;
  for (int i = 0; i * step <= frame.x_max * 1.0001; ++i) {
    const double x = i * step;
    out += fmt::format(
        "<path class=\"axis\" d=\"M{0} {1}v4\"/><text class=\"note\" x=\"{0}\" y=\"{2}\" "
        "text-anchor=\"middle\">{3:.4g}</text>",
        Num(frame.X(x)), Num(base), Num(base + 17), x);
  }
  return out + fmt::format(
                   "<path class=\"axis\" d=\"M{} {}h{}\"/><text class=\"note\" x=\"{}\" y=\"{}\" "
                   "text-anchor=\"middle\">{}</text>\n",
                   Num(frame.left), Num(base), Num(frame.width), Num(frame.left + frame.width / 2),
                   Num(base + 35), EscapeMarkup(chart.x_label));
}

std::string Draw(const Curve& curve, const Frame& frame) {
  std::string path, dots;
  bool pen_down = false;
  double last_y = 0;
  for (const CurvePoint& point : curve.points) {
    if (!point.y || !std::isfinite(*point.y) || !std::isfinite(point.x)) {
      pen_down = false;
      continue;
    }
    const double x = frame.X(point.x), y = frame.Y(*point.y);
    if (pen_down && curve.steps) path += fmt::format("L{} {}", Num(x), Num(last_y));
    path += fmt::format("{}{} {}", pen_down ? "L" : "M", Num(x), Num(y));
    pen_down = true;
    last_y = y;
    if (!curve.dots) continue;
    dots += fmt::format(
        "<circle class=\"box {}\" cx=\"{}\" cy=\"{}\" r=\"3\"><title>{}: {:.4g} at {:.4g}</title>"
        "</circle>",
        curve.css_class, Num(x), Num(y), EscapeMarkup(curve.name), *point.y, point.x);
  }
  return fmt::format("<path class=\"line {}\" d=\"{}\"><title>{}</title></path>{}\n",
                     curve.css_class, path, EscapeMarkup(curve.name), dots);
}

std::string Legend(const CurveChart& chart, const Frame& frame) {
  std::string out;
  double x = frame.left;
  for (const Curve& curve : chart.curves) {
    if (curve.name.empty()) continue;
    out += fmt::format(
        "<path class=\"line {}\" d=\"M{} {}h14\"/><text class=\"note\" x=\"{}\" y=\"{}\">{}</text>",
        curve.css_class, Num(x), Num(frame.top - 14), Num(x + 19), Num(frame.top - 10),
        EscapeMarkup(curve.name));
    x += 19 + TextWidthPx(curve.name, 11.5) + 16;
  }
  return out + "\n";
}

}  // namespace

std::string WriteCurveChart(const CurveChart& chart) {
  double x_max = 0;
  for (const Curve& curve : chart.curves) {
    for (const CurvePoint& point : curve.points) {
      if (std::isfinite(point.x)) x_max = std::max(x_max, point.x);
    }
  }
  if (x_max <= 0) x_max = 1;
  const Frame frame{44, 28, chart.width_px - 44 - 14, chart.height_px - 28 - 44, x_max};
  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"picture chart\" role=\"img\" "
      "aria-labelledby=\"{0}-title\" width=\"{1}\" height=\"{2}\" viewBox=\"0 0 {1} {2}\">\n"
      "<title id=\"{0}-title\">{3}</title>\n",
      chart.id, Num(chart.width_px), Num(chart.height_px), EscapeMarkup(chart.title));
  out += Axes(chart, frame);
  if (chart.rule) {
    out += fmt::format("<path class=\"axis rule\" d=\"M{} {}h{}\"/>\n", Num(frame.left),
                       Num(frame.Y(*chart.rule)), Num(frame.width));
  }
  for (const Curve& curve : chart.curves) out += Draw(curve, frame);
  return out + Legend(chart, frame) + "</svg>\n";
}

}  // namespace assay::view
