#include "view/neuron_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "view/charts.h"
#include "view/markup.h"
#include "view/page_script.h"
#include "view/score_html.h"
#include "view/style.h"
#include "view/svg.h"
#include "view/trajectory.h"

namespace assay::view {
namespace {

using store::Example;
using store::ExampleKind;

std::string Link(std::string_view href, std::string_view rel, std::string_view text) {
  if (href.empty()) return "";
  return fmt::format("<a href=\"{}\" rel=\"{}\">{}</a>", EscapeLink(href), rel, text);
}

std::string Heading(const NeuronPage& page) {
  const store::UnitId unit = page.records.unit;
  std::string place;
  if (!page.model.empty()) place += EscapeMarkup(page.model);
  if (!page.hook.empty())
    place += fmt::format("{}{}", place.empty() ? "" : " · ", EscapeMarkup(page.hook));
  return fmt::format(
      "<header class=\"top\"><div><p class=\"quiet\">{}</p><h1>Layer {}, neuron {}</h1></div>"
      "<nav aria-label=\"neurons\">{}{}{}</nav></header>\n",
      place, unit.layer, unit.index, Link(page.previous_href, "prev", "← Previous"),
      Link(page.index_href, "up", "All neurons"), Link(page.next_href, "next", "Next →"));
}

std::string GraphSection(const NeuronPage& page) {
  if (!page.records.graph) return "<p class=\"quiet\">No graph was made for this neuron.</p>\n";
  const DrawnGraph drawn = DrawGraph(*page.records.graph, page.token_texts, page.draw);
  SvgOptions options;
  options.standalone = false;
  return fmt::format(
      "<section class=\"graph wide\" tabindex=\"0\" aria-label=\"graph: context on the left, "
      "activating tokens on the "
      "right\">\n{}</section>\n",
      WriteSvg(drawn, options));
}

std::string Fact(std::string_view name, const std::string& value) {
  return fmt::format("<div><dt>{}</dt><dd>{}</dd></div>", name, value);
}

std::string Statistics(const NeuronRecords& records) {
  std::string facts;
  if (records.stats) {
    const store::UnitStats& stats = *records.stats;
    facts += Fact("Largest activation", FormatQuantity(stats.maximum, 3));
    facts += Fact("Smallest activation", FormatQuantity(stats.minimum, 3));
    facts += Fact("Mean", FormatQuantity(stats.mean, 4));
    facts += Fact("Standard deviation", FormatQuantity(std::sqrt(stats.variance), 4));
    facts += Fact("Above zero", FormatNumber(stats.firing_rate * 100, 2) + " % of tokens");
    facts += Fact("Tokens seen", FormatCount(stats.tokens));
  }
  if (records.graph) {
    facts += Fact("Activations divided by", FormatQuantity(records.graph->max_activation, 3));
    facts += Fact("Train / test examples",
                  fmt::format("{} / {}", records.graph->train.size(), records.graph->test.size()));
  }
  if (facts.empty()) return "";
  return fmt::format("<h2>Statistics</h2>\n<dl class=\"facts\">{}</dl>\n", facts);
}

std::string Trajectories(const NeuronPage& page) {
  LineChart chart;
  TrajectoryMean mean;
  for (const store::Pruning& pruning : page.records.prunings) {
    std::vector<double> values = NormalisedTrajectory(pruning);
    mean.Add(pruning);
    if (!values.empty()) chart.lines.push_back({"", std::move(values), "faint"});
  }
  if (mean.examples() == 0) return "";
  chart.lines.push_back({"mean", mean.Values(), ScaleClass(Scale::kActivation, 8)});
  chart.title = "Activation at the pivot by tokens of left context";
  chart.x_label = "tokens of left context";
  chart.y_label = "share of the whole activation";
  chart.rule = page.examples.prune_share;
  chart.width_px = 430;
  chart.height_px = 230;
  chart.id = "trajectory";
  return fmt::format(
      "<div><h2>How much context it needs</h2>\n<div class=\"wide\">{}</div><p class=\"quiet\">One "
      "thin line an "
      "example; the mean keeps the last value of those that stopped.</p></div>\n",
      WriteLineChart(chart));
}

std::string Ramp(Scale scale, std::string_view name) {
  std::string steps;
  for (int step = 1; step < kScaleSteps; ++step)
    steps += fmt::format("<i class=\"{}\"></i>", ScaleClass(scale, step));
  return fmt::format("<span class=\"ramp {}\" aria-hidden=\"true\">{}</span>", name, steps);
}

// What shades the examples below it; it stays on the screen.
std::string Toolbar(std::string_view title) {
  return fmt::format(
      "<div class=\"toolbar\"><h2>{}</h2><span class=\"quiet\">0 {}{} "
      "1</span><fieldset><legend>Shade tokens "
      "by</legend><label><input type=\"radio\" name=\"shade\" value=\"activation\" "
      "checked>Activation</label>"
      "<label><input type=\"radio\" name=\"shade\" "
      "value=\"importance\">Importance</label></fieldset></div>\n",
      title, Ramp(Scale::kActivation, "act"), Ramp(Scale::kImportance, "imp"));
}

std::string ExampleList(const NeuronPage& page, ExampleKind kind) {
  std::vector<const Example*> examples;
  for (const Example& example : page.records.examples) {
    if (example.kind == kind) examples.push_back(&example);
  }
  std::stable_sort(examples.begin(), examples.end(), [](const Example* a, const Example* b) {
    return a->bin != b->bin ? a->bin > b->bin : a->rank < b->rank;
  });
  std::string out;
  std::optional<int> bin;
  for (const Example* example : examples) {
    if (kind == ExampleKind::kQuantile && bin != example->bin) {
      out += fmt::format("<h3 class=\"quiet\">Quantile bin {} of the uniform sample{}</h3>\n",
                         example->bin, example->bin == 0 ? " (lowest)" : "");
      bin = example->bin;
    }
    out += ExampleHtml(page.records, *example, fmt::format("#{}", example->rank + 1),
                       page.token_texts, page.examples);
  }
  return out;
}

std::string ExampleSections(const NeuronPage& page) {
  constexpr std::pair<ExampleKind, std::string_view> kSections[] = {
      {ExampleKind::kGiven, "Given examples"},
      {ExampleKind::kTop, "Highest activations"},
      {ExampleKind::kQuantile, "Across the range: lower quantiles"},
      {ExampleKind::kBottom, "Lowest activations"}};
  std::string out;
  for (const auto& [kind, title] : kSections) {
    const std::string list = ExampleList(page, kind);
    if (list.empty()) continue;
    const bool open = kind == ExampleKind::kTop || kind == ExampleKind::kGiven;
    out += fmt::format("<details class=\"kind\"{}><summary>{}</summary>\n{}</details>\n",
                       open ? " open" : "", title, list);
  }
  if (out.empty()) return "<p class=\"quiet\">No examples.</p>\n";
  return (page.clusters_html.empty() ? Toolbar("Examples") : "<h2>Examples</h2>\n") +
         "<p class=\"quiet\">Activation is shaded from 0 to the neuron's largest; importance is "
         "measured on the tokens "
         "that pruning kept. The underlined token is the pivot. Point at a token, or focus a text "
         "and use ← →, for "
         "values.</p>\n" +
         out;
}

}  // namespace

std::string WriteNeuronPage(const NeuronPage& page) {
  const NeuronRecords& records = page.records;
  std::string body = "<main>\n" + Heading(page) + GraphSection(page);
  body += "<h2>How well the graph predicts the neuron</h2>\n<div class=\"columns\">" +
          ScoreTablesHtml(records.scores) + "</div>\n";
  body += "<div class=\"columns\">" + Trajectories(page) + "<div style=\"flex:1 1 300px\">" +
          Statistics(records) + "</div></div>\n";
  if (!page.clusters_html.empty()) body += Toolbar("Clusters and examples") + page.clusters_html;
  body += ExampleSections(page) + "</main>\n";
  return WrapPage(fmt::format("{} · {}{}", base::ToString(records.unit),
                              page.model.empty() ? "" : page.model + " · ", "Assay"),
                  body);
}

}  // namespace assay::view
