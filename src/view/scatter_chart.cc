#include "view/scatter_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "view/markup.h"

namespace assay::view {
namespace {

// Okabe and Ito's colours, told apart by most eyes.
constexpr std::array kColours = {"#0072B2", "#D55E00", "#009E73", "#CC79A7",
                                 "#E69F00", "#56B4E9", "#7F7F7F", "#000000"};
constexpr double kLeft = 64, kRight = 150, kTop = 40, kBottom = 52;

struct Range {
  double low = INFINITY, high = -INFINITY;
  void Include(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  void Widen() {
    if (low > high) *this = {0, 1};
    const double margin = high > low ? 0.04 * (high - low) : 0.5;
    low -= margin;
    high += margin;
  }
};

// 1, 2 or 5 times a power of ten, so that about five fit.
double TickStep(const Range& range) {
  const double raw = (range.high - range.low) / 5,
               power = std::pow(10, std::floor(std::log10(raw)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (raw <= factor * power) return factor * power;
  }
  return 10 * power;
}

bool IsFinite(const ScatterPoint& point) {
  return std::isfinite(point.x) && std::isfinite(point.y);
}

class Drawing {
 public:
  explicit Drawing(const ScatterChart& chart) : chart_(chart) {
    for (const ScatterSeries& series : chart.series) {
      for (const ScatterPoint& point : series.points) {
        if (!IsFinite(point)) continue;
        x_.Include(point.x);
        y_.Include(point.y);
      }
    }
    if (chart.from_zero) {
      x_.Include(0);
      y_.Include(0);
    }
    if (chart.y_reaches) y_.Include(*chart.y_reaches);
    if (chart.rule) y_.Include(chart.rule->y);
    x_.Widen();
    y_.Widen();
  }

  std::string Write() {
    out_ = fmt::format(
        R"(<svg xmlns="http://www.w3.org/2000/svg" width="{0:.0f}" height="{1:.0f}" )"
        R"(viewBox="0 0 {0:.0f} {1:.0f}" font-family="sans-serif" font-size="12" role="img">)"
        "\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
        "<text x=\"{2}\" y=\"22\" font-size=\"15\" font-weight=\"bold\">{3}</text>\n",
        chart_.width_px, chart_.height_px, kLeft, EscapeMarkup(chart_.title));
    WriteAxes();
    if (chart_.rule) WriteRule(*chart_.rule);
    for (size_t s = 0; s < chart_.series.size(); ++s) WriteSeries(s);
    return out_ + "</svg>\n";
  }

 private:
  double X(double x) const {
    return kLeft + (x - x_.low) / (x_.high - x_.low) * (chart_.width_px - kLeft - kRight);
  }
  double Y(double y) const {
    return chart_.height_px - kBottom -
           (y - y_.low) / (y_.high - y_.low) * (chart_.height_px - kTop - kBottom);
  }

  void WriteAxes() {
    const double right = chart_.width_px - kRight, bottom = chart_.height_px - kBottom;
    const double x_step = TickStep(x_), y_step = TickStep(y_);
    for (double i = std::ceil(x_.low / x_step); i * x_step <= x_.high; ++i) {
      out_ += fmt::format(
          "<line x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1}\" y2=\"{2}\" stroke=\"#e4e4e4\"/>"
          "<text x=\"{0:.1f}\" y=\"{3}\" text-anchor=\"middle\" fill=\"#444\">{4:.4g}</text>\n",
          X(i * x_step), kTop, bottom, bottom + 16, i * x_step + 0.0);
    }
    for (double i = std::ceil(y_.low / y_step); i * y_step <= y_.high; ++i) {
      out_ += fmt::format(
          "<line x1=\"{1}\" x2=\"{2}\" y1=\"{0:.1f}\" y2=\"{0:.1f}\" stroke=\"#e4e4e4\"/>"
          "<text x=\"{3}\" y=\"{4:.1f}\" text-anchor=\"end\" fill=\"#444\">{5:.4g}</text>\n",
          Y(i * y_step), kLeft, right, kLeft - 6, Y(i * y_step) + 4, i * y_step + 0.0);
    }
    out_ += fmt::format(
        "<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n"
        "<text x=\"16\" y=\"{:.1f}\" text-anchor=\"middle\" transform=\"rotate(-90 16 "
        "{:.1f})\">{}</text>\n",
        (kLeft + right) / 2, chart_.height_px - 12, EscapeMarkup(chart_.x_label),
        (kTop + bottom) / 2, (kTop + bottom) / 2, EscapeMarkup(chart_.y_label));
  }

  void WriteRule(const ScatterRule& rule) {
    const double y = Y(rule.y);
    out_ += fmt::format(
        "<line x1=\"{}\" x2=\"{}\" y1=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"#444\" "
        "stroke-dasharray=\"6 4\"/><text x=\"{}\" y=\"{:.1f}\" fill=\"#444\">{}</text>\n",
        kLeft, chart_.width_px - kRight, y, y, kLeft + 8, y - 6, EscapeMarkup(rule.label));
  }

  void WriteSeries(size_t index) {
    const ScatterSeries& series = chart_.series[index];
    const char* colour = kColours[index % kColours.size()];
    std::string path, points;
    int count = 0;
    for (const ScatterPoint& point : series.points) {
      if (!IsFinite(point)) continue;
      ++count;
      path += fmt::format("{}{:.1f},{:.1f}", path.empty() ? "" : " ", X(point.x), Y(point.y));
      points += fmt::format(
          "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{}\"><title>{}</title></circle>\n", X(point.x),
          Y(point.y), series.points.size() > 200 ? 2 : 4, EscapeMarkup(point.title));
    }
    if (series.joined && count > 1)
      out_ += fmt::format(
          "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"1.5\"/>\n", path,
          colour);
    out_ += fmt::format("<g fill=\"{}\" fill-opacity=\"{}\">\n{}</g>\n", colour,
                        series.joined ? 1.0 : 0.6, points);
    const double y = kTop + 10 + 20 * static_cast<double>(index), x = chart_.width_px - kRight + 16;
    out_ += fmt::format(
        "<circle cx=\"{}\" cy=\"{}\" r=\"5\" fill=\"{}\"/><text x=\"{}\" y=\"{}\">{}</text>\n", x,
        y, colour, x + 10, y + 4, EscapeMarkup(series.name));
  }

  const ScatterChart& chart_;
  Range x_, y_;
  std::string out_;
};

}  // namespace

std::string WriteScatterChart(const ScatterChart& chart) { return Drawing(chart).Write(); }

}  // namespace assay::view
