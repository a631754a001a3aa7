// Corruptions of the robustness page.
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "view/markup.h"
#include "view/robustness_page.h"

namespace assay::view {
namespace {

using nlohmann::json;

// Accuracy with the AUC beside it.
std::string Figures(std::optional<double> accuracy, std::optional<double> auc) {
  return fmt::format("{} <small>{}</small>",
                     accuracy ? fmt::format("{:.1f}", 100 * *accuracy) : std::string("–"),
                     FormatNumber(auc, 2));
}

std::optional<double> At(const json& row, const char* member, size_t index) {
  if (!row.is_object() || !row.contains(member) || !row[member].is_array() ||
      index >= row[member].size() || !row[member][index].is_number())
    return std::nullopt;
  return row[member][index].get<double>();
}

std::optional<double> Clean(const json& report, const char* member) {
  const json& clean = report["clean"];
  return clean.is_object() && clean.contains(member) ? ReportNumber(clean[member], "value")
                                                     : std::nullopt;
}

// "0.5, 0.8, 1.2, 1.8, 2.6"
std::string Severities(const json& row) {
  std::string out;
  for (size_t i = 0; i < 5; ++i) {
    if (const auto value = At(row, "severities", i))
      out += fmt::format("{}{:g}", out.empty() ? "" : ", ", *value);
  }
  return out;
}

}  // namespace

std::string RobustnessCorruptions(const json& report) {
  const json rows = report.value("corruptions", json::array());
  if (!rows.is_array() || rows.empty()) return "";
  std::string out =
      "<h2>Accuracy on corrupted tiles</h2>\n<p class=\"quiet\">Without an adversary: every tile "
      "changed alike, in five fixed severities (small, below what they measure). Accuracy in "
      "percent, beside it the AUC.</p>\n"
      "<div class=\"wide\"><table class=\"measures\"><thead><tr><th></th><th class=\"text\">What "
      "grows</th><th>Clean</th>";
  for (int severity = 1; severity <= 5; ++severity)
    out += fmt::format("<th title=\"severity {0}\">{0}</th>", severity);
  out += "<th title=\"over the five severities\">Mean</th></tr></thead><tbody>\n";
  for (const json& row : rows) {
    std::string name = ReportText(row, "name");
    std::replace(name.begin(), name.end(), '_', ' ');
    out += fmt::format(
        "<tr><th scope=\"row\">{}</th><td class=\"text\">{}<br><small>{}</small></td><td>{}</td>",
        EscapeMarkup(name), EscapeMarkup(ReportText(row, "what")), EscapeMarkup(Severities(row)),
        Figures(Clean(report, "accuracy"), Clean(report, "auc")));
    for (size_t i = 0; i < 5; ++i)
      out += fmt::format("<td>{}</td>", Figures(At(row, "accuracy", i), At(row, "auc", i)));
    const auto mean = ReportNumber(row, "mean_accuracy");
    out += fmt::format(
        "<td class=\"bar\"><i style=\"--share:{:.3f}\"></i><span>{}</span></td></tr>\n",
        std::clamp(mean.value_or(0), 0.0, 1.0), Figures(mean, ReportNumber(row, "mean_auc")));
  }
  return out + "</tbody></table></div>\n";
}

}  // namespace assay::view
