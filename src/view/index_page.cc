#include "view/index_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "view/charts.h"
#include "view/markup.h"
#include "view/page_script.h"
#include "view/score_html.h"
#include "view/style.h"
#include "view/svg.h"
#include "view/unit_map.h"

namespace assay::view {
namespace {

using nlohmann::json;

// JSON text of a value; bytes that are not UTF-8 are replaced, not refused.
std::string ValueText(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

void Flatten(const std::string& prefix, const json& value, std::string& rows) {
  if (value.is_object() && !value.empty()) {
    for (const auto& [key, inner] : value.items())
      Flatten(prefix.empty() ? key : prefix + "." + key, inner, rows);
    return;
  }
  rows += fmt::format("<dt>{}</dt><dd dir=\"auto\">{}</dd>", EscapeMarkup(prefix),
                      EscapeMarkup(ValueText(value)));
}

std::string RunFacts(const json& manifest) {
  if (!manifest.is_object()) return "";
  std::string facts, groups;
  for (const auto& [key, value] : manifest.items()) {
    if (!value.is_structured()) {
      facts += fmt::format("<div><dt>{}</dt><dd dir=\"auto\">{}</dd></div>", EscapeMarkup(key),
                           EscapeMarkup(ValueText(value)));
      continue;
    }
    std::string rows;
    Flatten("", value.is_object() ? value : json{{key, value}}, rows);
    groups += fmt::format("<details class=\"options\"><summary>{}</summary><dl>{}</dl></details>\n",
                          EscapeMarkup(key), rows);
  }
  return fmt::format("<h2>The run</h2>\n<dl class=\"facts\">{}</dl>\n{}", facts, groups);
}

std::vector<store::Score> NamesOf(const std::vector<LayerScore>& scores) {
  std::vector<store::Score> names;
  for (const LayerScore& score : scores) {
    store::Score name;
    name.set = score.set;
    name.method = score.method;
    names.push_back(name);
  }
  return names;
}

const LayerScore* Find(const std::vector<LayerScore>& scores, int layer, std::string_view set,
                       std::string_view method) {
  for (const LayerScore& score : scores) {
    if (score.layer == layer && score.set == set && score.method == method) return &score;
  }
  return nullptr;
}

std::string LayerRow(const IndexPage& page, int layer, const std::string& set,
                     const std::vector<std::string>& methods) {
  double best = 0;
  int64_t units = 0, excluded = 0;
  for (const LayerScore& score : page.scores) {
    if (score.layer != layer || score.set != set) continue;
    best = std::max(best, score.f1.value_or(0));
    units = std::max(units, score.units);
    excluded = std::max(excluded, score.excluded);
  }
  std::string out = fmt::format("<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td>", layer,
                                FormatCount(units), FormatCount(excluded));
  for (const std::string& method : methods) {
    const LayerScore* score = Find(page.scores, layer, set, method);
    if (score == nullptr) {
      out += "<td>–</td>";
      continue;
    }
    const bool is_best = score->f1 && best > 0 && *score->f1 == best;
    out += fmt::format(
        "<td title=\"precision over the {} neurons with a prediction\"><small>{} / {} /</small> "
        "<{}>{}</{}></td>",
        score->precision_units, FormatNumber(score->precision, 2), FormatNumber(score->recall, 2),
        is_best ? "b" : "span", FormatNumber(score->f1, 2), is_best ? "b" : "span");
  }
  return out + "</tr>\n";
}

std::string ScoresByLayer(const IndexPage& page) {
  if (page.scores.empty()) return "";
  const std::vector<store::Score> names = NamesOf(page.scores);
  const std::vector<std::string> methods = MethodsOf(names);
  std::string out = "<h2>Precision / recall / <b>F1</b> by layer</h2>\n";
  for (const std::string& set : SetsOf(names)) {
    std::map<int, bool> layers;
    for (const LayerScore& score : page.scores) {
      if (score.set == set) layers[score.layer] = true;
    }
    out += fmt::format(
        "<div class=\"wide\"><table class=\"by-layer\"><caption>{}</caption><thead><tr><th "
        "scope=\"col\">Layer</th>"
        "<th scope=\"col\">Neurons</th><th scope=\"col\">Left out</th>",
        EscapeMarkup(SetTitle(set)));
    for (const std::string& method : methods)
      out += fmt::format("<th scope=\"col\">{}</th>", EscapeMarkup(MethodTitle(method)));
    out += "</tr></thead><tbody>\n";
    for (const auto& [layer, present] : layers) out += LayerRow(page, layer, set, methods);
    out += "</tbody></table></div><br>\n";
  }
  return out +
         "<p class=\"quiet\">Means over the neurons of a layer of each neuron's own figures. Where "
         "a "
         "method predicts nothing its precision is left out and its F1 is 0. The best F1 of a row "
         "is bold.</p>\n";
}

std::string TrajectoriesByLayer(const std::vector<LayerTrajectory>& trajectories) {
  if (trajectories.empty()) return "";
  LineChart chart;
  // The palest steps of the scale would not show on a white page.
  constexpr int kDarkestSteps = 8;
  const auto last = static_cast<int>(trajectories.size()) - 1;
  for (int i = 0; i <= last; ++i) {
    const LayerTrajectory& line = trajectories[static_cast<size_t>(i)];
    const int step = last == 0 ? 0 : i * kDarkestSteps / last;
    chart.lines.push_back(
        {fmt::format("layer {}", line.layer), line.values, ScaleClass(Scale::kQuality, step)});
  }
  chart.title = "Mean activation at the pivot by tokens of left context, one line a layer";
  chart.x_label = "tokens of left context";
  chart.y_label = "share of the whole activation, mean over pruned examples";
  chart.rule = 0.5;
  chart.width_px = 760;
  chart.height_px = 320;
  chart.id = "trajectories";
  return fmt::format(
      "<h2>How much context each layer needs</h2>\n<div class=\"wide\">{}</div>\n<p "
      "class=\"quiet\">An example whose "
      "pruning stopped earlier keeps its last value.</p>\n",
      WriteLineChart(chart));
}

std::string Gallery(const IndexPage& page) {
  if (page.gallery.empty()) return "";
  std::string cards;
  for (const GalleryItem& item : page.gallery) {
    const store::UnitId unit = item.graph.unit;
    SvgOptions options;
    options.standalone = false;
    options.legend = false;
    options.scale = 0.85;
    options.wrap_width_px = 360;
    options.id = fmt::format("g-{}-{}", unit.layer, unit.index);
    const std::string name = fmt::format("Layer {}, neuron {}", unit.layer, unit.index);
    const std::string title = item.href.empty() ? fmt::format("<b>{}</b>", name)
                                                : fmt::format("<b><a href=\"{}\">{}</a></b>",
                                                              EscapeLink(item.href), name);
    cards += fmt::format(
        "<article class=\"card\"><header>{}<span class=\"quiet\">{}</span></header>\n<div "
        "class=\"wide\">{}</div></article>\n",
        title, EscapeMarkup(item.caption),
        WriteSvg(DrawGraph(item.graph, page.token_texts, page.gallery_draw), options));
  }
  return fmt::format(
      "<h2>Gallery</h2>\n<p class=\"quiet\">Red: activating tokens by activation. Blue: context "
      "tokens by importance. Bold "
      "outline: a pattern can start here. A number on a dashed line: so many tokens of any kind "
      "between.</p>\n"
      "<div class=\"gallery\">\n{}</div>\n",
      cards);
}

std::string Maps(const IndexPage& page) {
  if (page.units.empty()) return "";
  const bool linked = std::any_of(page.units.begin(), page.units.end(),
                                  [](const MapUnit& u) { return !u.href.empty(); });
  const std::string go =
      linked ? "<form id=\"go\"><label>Go to neuron <input placeholder=\"layer:neuron\" "
               "inputmode=\"text\" autocomplete=\"off\"></label><button>Go</button><output "
               "class=\"quiet\"></output></form>\n"
             : "";
  return "<h2>All neurons</h2>\n" + go + UnitMapsHtml(page.units);
}

}  // namespace

std::string WriteIndexPage(const IndexPage& page) {
  std::string body = fmt::format(
      "<main>\n<header class=\"top\"><div><p class=\"quiet\">{}</p><h1>{}</h1></div></header>\n",
      EscapeMarkup(page.subtitle), EscapeMarkup(page.title));
  body += ScoresByLayer(page);
  body += Gallery(page);
  body += TrajectoriesByLayer(page.trajectories);
  body += Maps(page);
  body += RunFacts(page.manifest);
  return WrapPage(page.title + " · Assay", body + "</main>\n");
}

}  // namespace assay::view
