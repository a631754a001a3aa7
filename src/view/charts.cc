#include "view/charts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "view/markup.h"
#include "view/style.h"
#include "view/token_text.h"

namespace assay::view {
namespace {

std::string Num(double value) { return FormatCoordinate(value); }

struct Frame {
  double left, top, width, height;  // of the plot, in pixels
  double x_max, y_min, y_max;       // of the data; x starts at 0

  double X(double x) const { return left + width * x / x_max; }
  double Y(double y) const { return top + height * (y_max - y) / (y_max - y_min); }
};

struct Extent {
  double x_max = 1, y_min = 0, y_max = 1;
};

Extent ExtentOf(const std::vector<ChartLine>& lines) {
  Extent extent;
  for (const ChartLine& line : lines) {
    extent.x_max = std::max(extent.x_max, static_cast<double>(line.values.size()) - 1);
    for (const double value : line.values) {
      if (!std::isfinite(value)) continue;
      extent.y_min = std::min(extent.y_min, value);
      extent.y_max = std::max(extent.y_max, value);
    }
  }
  return extent;
}

// 1, 2 or 5 times a power of ten, so that about `steps` of it fill `span`.
double NiceStep(double span, int steps) {
  const double power = std::pow(10, std::floor(std::log10(span / steps)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (span / (power * factor) <= steps) return power * factor;
  }
  return power * 10;
}

std::string PathOf(const std::vector<double>& values, const Frame& frame) {
  std::string path;
  bool pen_down = false;
  for (size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) {
      pen_down = false;
      continue;
    }
    path += fmt::format("{}{} {}", pen_down ? "L" : "M", Num(frame.X(static_cast<double>(i))),
                        Num(frame.Y(values[i])));
    pen_down = true;
  }
  return path;
}

std::string Axes(const LineChart& chart, const Frame& frame) {
  std::string out;
  const double y_step = NiceStep(frame.y_max - frame.y_min, 5);
  for (double y = std::ceil(frame.y_min / y_step) * y_step; y <= frame.y_max + y_step / 1000;
       y += y_step) {
    out += fmt::format(
        "<path class=\"grid\" d=\"M{0} {1}H{2}\"/><text class=\"note\" x=\"{3}\" y=\"{4}\" "
        "text-anchor=\"end\">{5}</text>",
        Num(frame.left), Num(frame.Y(y)), Num(frame.left + frame.width), Num(frame.left - 7),
        Num(frame.Y(y) + 4),
        FormatNumber(y, y_step < 0.1 ? 2
                        : y_step < 1 ? 1
                                     : 0));
  }
  const double x_step = std::max(1.0, NiceStep(frame.x_max, 8));
  const double base = frame.top + frame.height;
  for (double x = 0; x <= frame.x_max; x += x_step) {
    out += fmt::format(
        "<path class=\"axis\" d=\"M{0} {1}v4\"/><text class=\"note\" x=\"{0}\" y=\"{2}\" "
        "text-anchor=\"middle\">{3}</text>",
        Num(frame.X(x)), Num(base), Num(base + 17), FormatNumber(x, 0));
  }
  out += fmt::format("<path class=\"axis\" d=\"M{} {}H{}\"/>", Num(frame.left), Num(base),
                     Num(frame.left + frame.width));
  out +=
      fmt::format("<text class=\"note\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                  Num(frame.left + frame.width / 2), Num(base + 36), EscapeMarkup(chart.x_label));
  return out + fmt::format("<text class=\"note\" x=\"{}\" y=\"{}\">{}</text>\n",
                           Num(frame.left - 30), Num(frame.top - 12), EscapeMarkup(chart.y_label));
}

struct EndLabel {
  double y;
  std::string text;
  std::string css_class;
};

// Names at the ends of their lines, pushed apart until none covers another.
std::string EndLabels(const LineChart& chart, const Frame& frame) {
  std::vector<EndLabel> labels;
  for (const ChartLine& line : chart.lines) {
    if (line.name.empty() || line.values.empty() || !std::isfinite(line.values.back())) continue;
    labels.push_back({frame.Y(line.values.back()), line.name, line.css_class});
  }
  constexpr double kLineHeight = 14;
  std::stable_sort(labels.begin(), labels.end(),
                   [](const EndLabel& a, const EndLabel& b) { return a.y < b.y; });
  for (size_t i = 1; i < labels.size(); ++i)
    labels[i].y = std::max(labels[i].y, labels[i - 1].y + kLineHeight);
  double lowest = frame.top + frame.height;
  for (size_t i = labels.size(); i-- > 0; lowest = labels[i].y - kLineHeight)
    labels[i].y = std::min(labels[i].y, lowest);
  std::string out;
  const double x = frame.left + frame.width;
  for (const EndLabel& label : labels) {
    out += fmt::format(
        "<path class=\"line {}\" d=\"M{} {}h12\"/><text class=\"note\" x=\"{}\" "
        "y=\"{}\">{}</text>\n",
        label.css_class, Num(x + 6), Num(label.y), Num(x + 23), Num(label.y + 4),
        EscapeMarkup(label.text));
  }
  return out;
}

}  // namespace

std::string WriteLineChart(const LineChart& chart) {
  const Extent extent = ExtentOf(chart.lines);
  double right = 14;
  for (const ChartLine& line : chart.lines) {
    if (!line.name.empty()) right = std::max(right, 32 + TextWidthPx(line.name, 11.5));
  }
  const Frame frame{40,
                    30,
                    chart.width_px - 40 - right,
                    chart.height_px - 30 - 46,
                    extent.x_max,
                    extent.y_min,
                    extent.y_max};
  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"picture chart\" role=\"img\" "
      "aria-labelledby=\"{0}-title\" "
      "width=\"{1}\" height=\"{2}\" viewBox=\"0 0 {1} {2}\">\n<title "
      "id=\"{0}-title\">{3}</title>\n",
      chart.id, Num(chart.width_px), Num(chart.height_px), EscapeMarkup(chart.title));
  if (chart.standalone) {
    out +=
        fmt::format("<style>{}</style>\n<rect class=\"ground\" width=\"100%\" height=\"100%\"/>\n",
                    PictureCss());
  }
  out += Axes(chart, frame);
  if (chart.rule) {
    out += fmt::format("<path class=\"axis rule\" d=\"M{} {}H{}\"/>\n", Num(frame.left),
                       Num(frame.Y(*chart.rule)), Num(frame.left + frame.width));
  }
  for (const ChartLine& line : chart.lines) {
    out += fmt::format("<path class=\"line {}\" d=\"{}\"><title>{}</title></path>\n",
                       line.css_class, PathOf(line.values, frame), EscapeMarkup(line.name));
  }
  return out + EndLabels(chart, frame) + "</svg>\n";
}

std::string WriteSparkline(const std::vector<double>& values, double rule,
                           const std::string& title) {
  if (values.empty()) return "";
  const Extent extent = ExtentOf({{"", values, ""}});
  const Frame frame{4, 4, 112, 24, extent.x_max, extent.y_min, extent.y_max};
  const double last = std::isfinite(values.back()) ? values.back() : 0;
  return fmt::format(
      "<svg class=\"picture spark\" role=\"img\" aria-label=\"{0}\" width=\"120\" height=\"32\" "
      "viewBox=\"0 0 120 32\">"
      "<title>{0}</title><path class=\"axis rule\" d=\"M4 {1}H116\"/><path class=\"line act-8\" "
      "d=\"{2}\"/>"
      "<circle class=\"box act-8\" cx=\"{3}\" cy=\"{4}\" r=\"2.6\"/></svg>",
      EscapeMarkup(title), Num(frame.Y(rule)), PathOf(values, frame),
      Num(frame.X(static_cast<double>(values.size() - 1))), Num(frame.Y(last)));
}

}  // namespace assay::view
