#include "view/svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include "view/graph_layout.h"
#include "view/markup.h"
#include "view/style.h"
#include "view/token_text.h"

namespace assay::view {
namespace {

constexpr double kMargin = 18;
constexpr double kFontPx = 14;
constexpr double kNotePx = 11.5;
constexpr double kPillPx = 10.5;
constexpr double kPillHeight = 14;
constexpr double kBoxHeight = 28;
constexpr double kBoxPadding = 11;
constexpr std::string_view kSpaceMark = "·";

std::string Num(double value) { return FormatCoordinate(value); }

double BoxWidth(const DrawnNode& node) {
  return std::max(34.0, std::ceil(TextWidthPx(node.label, kFontPx)) + 2 * kBoxPadding);
}

// A label with its leading space mark paler than the word.
std::string LabelMarkup(const std::string& label) {
  if (!label.starts_with(kSpaceMark) || label == kSpaceMark) return EscapeMarkup(label);
  return fmt::format("<tspan fill-opacity=\".6\">{}</tspan>{}", kSpaceMark,
                     EscapeMarkup(std::string_view(label).substr(kSpaceMark.size())));
}

std::string NodeTip(const DrawnNode& node) {
  std::string tip =
      node.activating
          ? fmt::format("{}\nactivating token, activation {:.2f}", node.text, node.activation)
          : fmt::format("{}\ncontext token, importance {:.2f}\nstrongest path {:.2f}", node.text,
                        node.importance, node.path_activation);
  if (node.can_end) tip += "\na pattern can start here";
  return tip;
}

std::string NodeMarkup(const DrawnGraph& graph, size_t index, Point centre) {
  const DrawnNode& node = graph.nodes[index];
  const Scale scale = node.activating ? Scale::kActivation : Scale::kImportance;
  const int step = node.activating ? ScaleStep(node.activation, graph.activation_low)
                                   : ScaleStep(node.importance, graph.importance_low);
  const double width = BoxWidth(node);
  return fmt::format(
      "<g class=\"node {}{}\" data-node=\"{}\"><title>{}</title>"
      "<rect class=\"box\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"8\"/>"
      "<text class=\"label\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text></g>\n",
      ScaleClass(scale, step), node.can_end ? " end" : "", index, EscapeMarkup(NodeTip(node)),
      Num(centre.x - width / 2), Num(centre.y - kBoxHeight / 2), Num(width), Num(kBoxHeight),
      Num(centre.x), Num(centre.y + 0.35 * kFontPx), LabelMarkup(node.label));
}

Point OnCurve(const std::vector<Point>& bezier, double share) {
  const size_t pieces = (bezier.size() - 1) / 3;
  const double at = share * static_cast<double>(pieces);
  const size_t piece = std::min(static_cast<size_t>(at), pieces - 1);
  const double t = at - static_cast<double>(piece);
  const double weights[] = {(1 - t) * (1 - t) * (1 - t), 3 * t * (1 - t) * (1 - t),
                            3 * t * t * (1 - t), t * t * t};
  Point out;
  for (int i = 0; i < 4; ++i) {
    out.x += weights[i] * bezier[3 * piece + i].x;
    out.y += weights[i] * bezier[3 * piece + i].y;
  }
  return out;
}

std::string TipMarkup(Point base, Point tip) {
  const double dx = tip.x - base.x, dy = tip.y - base.y;
  const double length = std::max(std::hypot(dx, dy), 1e-6);
  const double nx = -dy / length * 3.2, ny = dx / length * 3.2;  // half the width of the head
  return fmt::format("<path class=\"tip\" d=\"M{} {}L{} {}L{} {}Z\"/>", Num(base.x + nx),
                     Num(base.y + ny), Num(tip.x), Num(tip.y), Num(base.x - nx), Num(base.y - ny));
}

struct Pill {
  Point centre;
  double width = 0;
};

std::string PillMarkup(const Pill& pill, std::string_view text) {
  return fmt::format(
      "<rect class=\"pill\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"{}\"/>"
      "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
      Num(pill.centre.x - pill.width / 2), Num(pill.centre.y - kPillHeight / 2), Num(pill.width),
      Num(kPillHeight), Num(kPillHeight / 2), Num(pill.centre.x), Num(pill.centre.y + 3.5), text);
}

// The numbers on edges, each at the place on its curve, nearest to the middle, where it covers
// neither a box nor an earlier one.
class PillPlacer {
 public:
  void AddBox(Point centre, double width) { taken_.push_back({centre, width, kBoxHeight}); }

  Pill Place(const std::vector<Point>& bezier, std::string_view text) {
    const double width = std::max(kPillHeight, TextWidthPx(text, kPillPx) + 8);
    Pill pill;
    for (const double share : {0.46, 0.54, 0.38, 0.62, 0.3, 0.7, 0.22, 0.78, 0.86, 0.46}) {
      pill = {OnCurve(bezier, share), width};  // the last resort is the first choice
      if (std::none_of(taken_.begin(), taken_.end(),
                       [&](const Taken& other) { return Covers(pill, other); }))
        break;
    }
    taken_.push_back({pill.centre, pill.width, kPillHeight});
    return pill;
  }

 private:
  struct Taken {
    Point centre;
    double width = 0, height = 0;
  };
  static bool Covers(const Pill& pill, const Taken& other) {
    return std::abs(pill.centre.x - other.centre.x) < (pill.width + other.width) / 2 + 1 &&
           std::abs(pill.centre.y - other.centre.y) < (kPillHeight + other.height) / 2 + 1;
  }

  std::vector<Taken> taken_;
};

std::string EdgeMarkup(const DrawnGraph& graph, const DrawnEdge& edge, const Layout::Curve& curve) {
  std::string path = fmt::format("M{} {}C", Num(curve.bezier[0].x), Num(curve.bezier[0].y));
  for (size_t i = 1; i < curve.bezier.size(); ++i) {
    path +=
        fmt::format("{}{} {}", i == 1 ? "" : " ", Num(curve.bezier[i].x), Num(curve.bezier[i].y));
  }
  std::string title = graph.nodes[edge.from].text + " before " + graph.nodes[edge.to].text;
  if (edge.max_gap > 0) {
    title += fmt::format(", {} token{} of any kind between", GapLabel(edge),
                         edge.max_gap == 1 ? "" : "s");
  }
  return fmt::format(
      "<g class=\"edge{}\" data-from=\"{}\" data-to=\"{}\"><title>{}</title><path class=\"wire\" "
      "d=\"{}\"/>{}</g>\n",
      edge.max_gap > 0 ? " gap" : "", edge.from, edge.to, EscapeMarkup(title), path,
      TipMarkup(curve.bezier.back(), curve.tip));
}

// Pieces of the picture, stacked from top to bottom; each knows its size and draws itself at an
// offset.
class Picture {
 public:
  Picture(const DrawnGraph& graph, const SvgOptions& options) : graph_(graph), options_(options) {
    Connect();
    flow_width_ = std::max(options.wrap_width_px, layout_.width_px);
    // Beside the last columns, where the tokens are that fire: a wide picture is seen from there.
    loose_left_ = flow_width_ - options.wrap_width_px;
  }

  std::string Write() {
    AddTitle();
    AddConnected();
    AddLoose(alone_,
             fmt::format("{} on {}, whatever stands before", connected_.empty() ? "fires" : "and",
                         alone_.size() == 1 ? "this" : "these"));
    AddLoose(cut_, fmt::format("{} on {}, after context that is not shown",
                               connected_.empty() && alone_.empty() ? "fires" : "and",
                               cut_.size() == 1 ? "this" : "these"));
    AddNotes();
    if (options_.legend && !graph_.nodes.empty()) AddLegend();
    return Wrap();
  }

 private:
  // Nodes with an edge are placed by Graphviz; the others are loose: activating tokens that need no
  // context, or whose context the limit cut off.
  void Connect() {
    std::vector<int> position(graph_.nodes.size(), -1);
    std::vector<LayoutNode> nodes;
    std::vector<LayoutEdge> edges;
    for (const DrawnEdge& edge : graph_.edges) position[edge.from] = position[edge.to] = 0;
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      if (position[i] < 0) {
        (graph_.nodes[i].can_end ? alone_ : cut_).push_back(i);
        continue;
      }
      position[i] = static_cast<int>(nodes.size());
      nodes.push_back({BoxWidth(graph_.nodes[i]), kBoxHeight, graph_.nodes[i].activating});
      connected_.push_back(i);
    }
    for (const DrawnEdge& edge : graph_.edges)
      edges.push_back({position[edge.from], position[edge.to]});
    layout_ = PlaceGraph(nodes, edges);
  }

  void AddText(std::string_view css_class, std::string_view text, double size_px, double advance,
               double left = 0) {
    body_ += fmt::format("<text class=\"{}\" x=\"{}\" y=\"{}\">{}</text>\n", css_class,
                         Num(kMargin + left), Num(y_ + size_px), EscapeMarkup(text));
    width_ =
        std::max(width_, left + TextWidthPx(text, size_px) * (css_class == "title" ? 1.12 : 1));
    y_ += advance;
  }

  void AddTitle() {
    if (!options_.title.empty()) AddText("title", ShortenText(options_.title, 80), 15, 21);
    if (!options_.subtitle.empty())
      AddText("note", ShortenText(options_.subtitle, 100), kNotePx, 17);
    if (y_ > kMargin) y_ += 9;
  }

  void AddConnected() {
    if (connected_.empty()) return;
    body_ += fmt::format("<g transform=\"translate({} {})\">\n", Num(kMargin), Num(y_));
    for (size_t i = 0; i < graph_.edges.size(); ++i) {
      body_ += EdgeMarkup(graph_, graph_.edges[i], layout_.curves[i]);
    }
    PillPlacer placer;
    for (size_t i = 0; i < connected_.size(); ++i)
      placer.AddBox(layout_.centres[i], BoxWidth(graph_.nodes[connected_[i]]));
    for (size_t i = 0; i < graph_.edges.size(); ++i) {
      const std::string gap = GapLabel(graph_.edges[i]);
      if (gap.empty()) continue;
      body_ += fmt::format("<g class=\"count\">{}</g>\n",
                           PillMarkup(placer.Place(layout_.curves[i].bezier, gap), gap));
    }
    for (size_t i = 0; i < connected_.size(); ++i)
      body_ += NodeMarkup(graph_, connected_[i], layout_.centres[i]);
    body_ += "</g>\n";
    width_ = std::max(width_, layout_.width_px);
    y_ += layout_.height_px + 16;
  }

  void AddLoose(const std::vector<size_t>& nodes, std::string_view caption) {
    if (nodes.empty()) return;
    AddText("note", caption, kNotePx, 21, loose_left_);
    double x = loose_left_;
    for (const size_t node : nodes) {
      const double width = BoxWidth(graph_.nodes[node]);
      if (x > loose_left_ && x + width > flow_width_) {
        x = loose_left_;
        y_ += kBoxHeight + 9;
      }
      body_ += NodeMarkup(graph_, node, {kMargin + x + width / 2, y_ + kBoxHeight / 2});
      width_ = std::max(width_, x + width);
      x += width + 9;
    }
    y_ += kBoxHeight + 16;
  }

  void AddNotes() {
    if (graph_.nodes.empty())
      AddText("note", "No graph: no training example was usable.", kNotePx, 20);
    const std::string hidden = HiddenNote(graph_);
    if (hidden.empty()) return;
    const double width = TextWidthPx(hidden, kNotePx) + 20;
    body_ += fmt::format(
        "<rect class=\"hidden\" x=\"{0}\" y=\"{1}\" width=\"{2}\" height=\"22\" rx=\"8\"/>"
        "<text class=\"note\" x=\"{3}\" y=\"{4}\">{5}</text>\n",
        Num(kMargin + loose_left_), Num(y_), Num(width), Num(kMargin + loose_left_ + 10),
        Num(y_ + 15), hidden);
    width_ = std::max(width_, loose_left_ + width);
    y_ += 36;
  }

  // One entry of the legend: a drawing of `mark_width` and a text, on the next line if it does not
  // fit.
  void AddKey(double& x, double mark_width, std::string_view text, const std::string& mark) {
    const double width = mark_width + 7 + TextWidthPx(text, kNotePx);
    if (x > 0 && x + width > flow_width_) {
      x = 0;
      y_ += 20;
    }
    body_ += fmt::format(
        "<g transform=\"translate({} {})\">{}<text class=\"note\" x=\"{}\" "
        "y=\"10\">{}</text></g>\n",
        Num(kMargin + x), Num(y_), mark, Num(mark_width + 7), text);
    width_ = std::max(width_, x + width);
    x += width + 20;
  }

  static std::string ScaleStrip(Scale scale) {
    std::string strip;
    for (int step = 0; step < kScaleSteps; ++step) {
      strip += fmt::format("<rect class=\"box {}\" x=\"{}\" y=\"0\" width=\"6.5\" height=\"12\"/>",
                           ScaleClass(scale, step), Num(step * 6));
    }
    return strip;
  }

  void AddLegend() {
    y_ += 6;
    double x = 0;
    AddKey(x, 66.5, fmt::format("activation {:.2g} to 1", graph_.activation_low),
           ScaleStrip(Scale::kActivation));
    if (graph_.context > 0) {
      AddKey(x, 66.5, fmt::format("importance {:.2g} to 1", graph_.importance_low),
             ScaleStrip(Scale::kImportance));
    }
    AddKey(x, 26, "a pattern can start here",
           "<rect class=\"key end\" x=\"1.5\" y=\"0\" width=\"23\" height=\"12\" rx=\"4\"/>");
    const bool gaps = std::any_of(graph_.edges.begin(), graph_.edges.end(),
                                  [](const DrawnEdge& edge) { return edge.max_gap > 0; });
    if (gaps) {
      AddKey(x, 44, "n tokens of any kind between",
             "<g class=\"edge gap\"><path class=\"wire\" d=\"M0 6H38\"/><path class=\"tip\" "
             "d=\"M37 2.8L44 6L37 9.2Z\"/></g>"
             "<g class=\"count\">" +
                 PillMarkup({{19, 6}, kPillHeight}, "n") + "</g>");
    }
    y_ += 18;
  }

  std::string Wrap() const {
    const double width = std::ceil(std::max(width_, 120.0) + 2 * kMargin);
    const double height = std::ceil(y_ + kMargin - 8);
    const std::string title =
        options_.title.empty() ? "Neuron " + base::ToString(graph_.unit) : options_.title;
    std::string out = fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"picture\" role=\"img\" "
        "aria-labelledby=\"{0}-title {0}-desc\" width=\"{5}\" height=\"{6}\" viewBox=\"0 0 {1} "
        "{2}\">\n"
        "<title id=\"{0}-title\">{3}</title>\n<desc id=\"{0}-desc\">{4}</desc>\n",
        options_.id, Num(width), Num(height), EscapeMarkup(title),
        EscapeMarkup(DescribeGraph(graph_)), Num(width * options_.scale),
        Num(height * options_.scale));
    if (options_.standalone) {
      out += fmt::format(
          "<style>{}</style>\n<rect class=\"ground\" width=\"100%\" height=\"100%\"/>\n",
          PictureCss());
    }
    return out + body_ + "</svg>\n";
  }

  const DrawnGraph& graph_;
  const SvgOptions& options_;
  std::vector<size_t> connected_, alone_, cut_;
  Layout layout_;
  double flow_width_ = 0;
  double loose_left_ = 0;
  double width_ = 0;  // of the content, without margins
  double y_ = kMargin;
  std::string body_;
};

}  // namespace

std::string WriteSvg(const DrawnGraph& graph, const SvgOptions& options) {
  return Picture(graph, options).Write();
}

}  // namespace assay::view
