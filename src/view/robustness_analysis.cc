// Curves, energy, constructs and saliency of the robustness page.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "view/curve_chart.h"
#include "view/markup.h"
#include "view/robustness_page.h"
#include "view/style.h"

namespace assay::view {
namespace {

using nlohmann::json;

std::string Percent(std::optional<double> value) {
  return value ? fmt::format("{:.1f}", 100 * *value) : std::string("–");
}

Curve CurveOf(const json& points, const char* member, const std::string& name,
              const std::string& css_class) {
  Curve curve{.name = name, .css_class = css_class};
  for (const json& point : points) {
    curve.points.push_back(
        {ReportNumber(point, "strength").value_or(0), ReportNumber(point, member)});
  }
  return curve;
}

std::string Figure(const std::string& caption, const CurveChart& chart) {
  return fmt::format("<figure><figcaption>{}</figcaption>{}</figure>\n", EscapeMarkup(caption),
                     WriteCurveChart(chart));
}

// Two decimals, none where they would say nothing.
std::string MeanOf(const json& summary) {
  const auto number = [&](const char* member) {
    const std::optional<double> value = ReportNumber(summary, member);
    return FormatNumber(value, std::abs(value.value_or(0)) >= 20 ? 0 : 2);
  };
  return fmt::format("{} <small>{}–{}</small>", number("mean"), number("p10"), number("p90"));
}

std::string MinimalEnergy(const json& report, const json& item, int number) {
  const json& least = item["minimal_energy"];
  const double correct = ReportNumber(least, "correct").value_or(0);
  if (correct <= 0) return "";
  Curve curve{.name = "fooled",
              .css_class = ScaleClass(Scale::kActivation, 8),
              .dots = false,
              .steps = true};
  curve.points.push_back({0, 0.0});
  double count = 0;
  for (const json& value : least.value("values", json::array()))
    curve.points.push_back({value.get<double>(), ++count / correct});
  CurveChart chart{.title = "Share of tiles fooled within an energy",
                   .x_label = "RMSE of the stored change, grey levels",
                   .curves = {curve},
                   .width_px = 420,
                   .id = fmt::format("least-{}", number)};
  std::string by;
  const json from = least.value("from", json::object());
  for (const json& other : report["items"]) {
    const std::string name = ReportText(other, "name");
    if (from.contains(name)) {
      by += fmt::format("{}{} on {}", by.empty() ? " Found by " : " · ", ReportText(other, "title"),
                        ReportText(from, name.c_str()));
    }
  }
  if (!by.empty()) by += ".";
  return Figure("Least energy that fools", chart) +
         fmt::format(
             "<p class=\"quiet\">{} of {} correctly classified tiles fooled after rounding "
             "to 8 bits, each by the least of all pixel attacks at all their strengths; median {} "
             "grey levels RMSE, 80% between {} and {}.{}</p>\n",
             FormatCount(static_cast<int64_t>(count)), FormatCount(static_cast<int64_t>(correct)),
             FormatNumber(ReportNumber(least, "median"), 2),
             FormatNumber(ReportNumber(least, "p10"), 2),
             FormatNumber(ReportNumber(least, "p90"), 2), EscapeMarkup(by));
}

std::string ByNuclei(const json& report) {
  std::string rows;
  for (const json& item : report["items"]) {
    if (!item.contains("by_nuclei")) continue;
    for (const char* what : {"count", "area"}) {
      const json parts = item["by_nuclei"].value(what, json::array());
      if (parts.empty()) continue;
      const bool area = std::string_view(what) == "area";
      rows += fmt::format("<tr><th scope=\"row\">{}</th><td class=\"text\">{}</td>",
                          EscapeMarkup(ReportText(item, "title")),
                          area ? "area of nuclei" : "number of nuclei");
      for (const json& part : parts) {
        const double scale = area ? 100 : 1;
        rows += fmt::format("<td>{} <small>at {:.0f}–{:.0f}{}, n={}</small></td>",
                            Percent(ReportNumber(part, "fooling_rate")),
                            scale * ReportNumber(part, "from").value_or(0),
                            scale * ReportNumber(part, "to").value_or(0), area ? "%" : "",
                            ReportText(part, "images"));
      }
      rows += "</tr>\n";
    }
  }
  if (rows.empty()) return "";
  return "<details class=\"kind\"><summary>Fooling rate against number and area of nuclei"
         "</summary><div class=\"wide\"><table class=\"measures\"><thead><tr><th></th><th "
         "class=\"text\">Tiles by</th><th>lowest quarter</th><th></th><th></th><th>highest "
         "quarter</th></tr></thead><tbody>\n" +
         rows + "</tbody></table></div></details>\n";
}

}  // namespace

std::string RobustnessCurves(const json& report) {
  std::string figures;
  int number = 0;
  for (const json& item : report["items"]) {
    if (!item.contains("curve")) continue;
    const json& points = item["curve"]["points"];
    CurveChart chart{.title = ReportText(item, "title") + ": accuracy against strength",
                     .x_label = ReportText(item["curve"], "x"),
                     .id = fmt::format("curve-{}", number++)};
    chart.curves = {
        CurveOf(points, "accuracy", "accuracy", ScaleClass(Scale::kImportance, 8)),
        CurveOf(points, "fooling_rate", "fooling rate", ScaleClass(Scale::kActivation, 7))};
    if (!points.empty()) chart.rule = ReportNumber(points[0], "accuracy");
    figures += Figure(ReportText(item, "title"), chart);
  }
  if (figures.empty()) return "";
  return "<h2>Accuracy against strength</h2>\n<div class=\"charts\">\n" + figures +
         "</div>\n<p class=\"quiet\">Dashed: clean accuracy. A flip found at a smaller strength "
         "counts at every larger one.</p>\n";
}

std::string RobustnessEnergy(const json& report) {
  std::string least, rows;
  int number = 0;
  for (const json& item : report["items"]) {
    if (item.contains("minimal_energy")) least += MinimalEnergy(report, item, number++);
    if (!item.contains("energy")) continue;
    rows += fmt::format("<tr><th scope=\"row\">{}</th>", EscapeMarkup(ReportText(item, "title")));
    for (const char* member :
         {"rmse_grey", "mean_abs_grey", "l2_grey", "linf_grey", "l0", "ssim", "delta_e"}) {
      rows += fmt::format("<td>{}</td>", item["energy"].contains(member)
                                             ? MeanOf(item["energy"][member])
                                             : std::string("–"));
    }
    rows += "</tr>\n";
  }
  std::string out = "<h2>Energy of the changes</h2>\n";
  if (!least.empty()) out += "<div class=\"charts\">" + least + "</div>\n";
  return out +
         "<div class=\"wide\"><table class=\"measures\"><thead><tr><th></th><th>RMSE</th>"
         "<th>Mean abs.</th><th>L2</th><th>Largest</th><th>Share changed</th><th>SSIM</th>"
         "<th title=\"largest CIELAB difference of a pixel; about 2.3 is just "
         "noticeable\">ΔE</th></tr></thead><tbody>\n" +
         rows +
         "</tbody></table></div>\n<p class=\"quiet\">Means over tiles, small: 10th to 90th "
         "percentile. Grey levels of 255 in the first four.</p>\n";
}

std::string RobustnessConstructs(const json& report) {
  std::string rows, confined;
  for (const json& item : report["items"]) {
    if (!item.contains("constructs") || item["constructs"].empty()) continue;
    rows += fmt::format("<tr><th scope=\"row\">{}</th>", EscapeMarkup(ReportText(item, "title")));
    for (const json& part : item["constructs"]) {
      rows += fmt::format("<td>{} <small>{} on {}</small></td>",
                          FormatNumber(ReportNumber(part, "density_ratio"), 2),
                          Percent(ReportNumber(part, "energy_share")),
                          Percent(ReportNumber(part, "area_share")));
    }
    rows += "</tr>\n";
    for (const json& part : item.value("confined", json::array())) {
      confined += fmt::format(
          "<tr><th scope=\"row\">{}</th><td class=\"text\">{}</td><td>{}</td><td>{}</td>"
          "<td>{} of {}</td><td>{}</td></tr>\n",
          EscapeMarkup(ReportText(part, "construct")), EscapeMarkup(ReportText(item, "title")),
          Percent(ReportNumber(part, "area_share")), Percent(ReportNumber(part, "fooling_rate")),
          ReportText(part, "flipped"), ReportText(part, "correct"),
          FormatNumber(ReportNumber(part, "rmse_grey"), 2));
    }
  }
  if (rows.empty()) return "";
  std::string out =
      "<h2>Where the energy lies</h2>\n<div class=\"wide\"><table class=\"measures\"><thead><tr>"
      "<th></th><th>Nuclei</th><th>Border of nuclei</th><th>Stroma</th><th>Background</th></tr>"
      "</thead><tbody>\n" +
      rows +
      "</tbody></table></div>\n<p class=\"quiet\">Density of energy against the whole tile: above "
      "1 "
      "the change prefers that construct. Small: percent of the energy on percent of the area. " +
      EscapeMarkup(ReportText(report["data"], "nuclei_from")) + "</p>\n";
  if (!confined.empty()) {
    out +=
        "<h3>Attacks allowed to touch one construct only</h3>\n<div class=\"wide\"><table "
        "class=\"measures\"><thead><tr><th></th><th class=\"text\">Attack</th><th>Area, "
        "%</th><th>Fooling rate, %</th><th>Tiles</th><th>RMSE</th></tr></thead><tbody>\n" +
        confined + "</tbody></table></div>\n";
  }
  return out + ByNuclei(report);
}

std::string RobustnessSaliency(const json& report) {
  std::string rows;
  for (const json& item : report["items"]) {
    for (const json& row : item.value("saliency", json::array())) {
      const auto cell = [&](const char* member) {
        return row.contains(member) ? MeanOf(row[member]) : std::string("–");
      };
      const auto error = ReportNumber(row, "completeness_error");
      rows += fmt::format(
          "<tr><th scope=\"row\">{}</th><td class=\"text\">{}</td><td>{}</td><td>{}</td>"
          "<td>{}</td><td>{}</td></tr>\n",
          EscapeMarkup(ReportText(item, "title")), EscapeMarkup(ReportText(row, "method")),
          cell("spearman"), cell("ssim"), cell("top_k"),
          error ? fmt::format("{:.2f}%", 100 * *error) : std::string("–"));
    }
  }
  if (rows.empty()) return "";
  return "<h2>Saliency before and after</h2>\n<details class=\"kind\" open><summary>Similarity of "
         "the maps</summary><div class=\"wide\"><table class=\"measures\"><thead><tr><th></th><th "
         "class=\"text\">Method</th><th>Rank correlation</th><th>SSIM</th><th title=\"of the "
         "tenth of the pixels that matter most\">Top 10% shared</th><th title=\"largest relative "
         "error of the sum of attributions\">Completeness error</th></tr></thead><tbody>\n" +
         rows +
         "</tbody></table></div></details>\n<p class=\"quiet\">Maps of the answer given, before "
         "and after. Means over fooled tiles, small: 10th to 90th percentile.</p>\n";
}

}  // namespace assay::view
