// The gallery of the robustness page: original, perturbed, amplified difference, saliency before
// and after.
#include <fmt/format.h>

#include <array>

#include "view/markup.h"
#include "view/robustness_page.h"

namespace assay::view {
namespace {

using nlohmann::json;

std::string ClassName(const json& report, const json& row, const char* member) {
  const auto index = ReportNumber(row, member);
  const json classes = report["model"].value("classes", json::array());
  if (!index || *index < 0 || static_cast<size_t>(*index) >= classes.size()) return "?";
  const json& name = classes[static_cast<size_t>(*index)];
  return name.is_string() ? name.get<std::string>() : "?";
}

std::string Picture(const json& row, const char* which, const std::string& caption,
                    const PictureLoader& load) {
  const std::string file = ReportText(row.value("pictures", json::object()), which);
  const std::string bytes = file.empty() ? "" : load(file);
  if (bytes.empty()) return "<figure></figure>";
  return fmt::format(
      "<figure><img src=\"{}\" alt=\"{} of {}\"><figcaption>{}</figcaption></figure>",
      PngUrl(bytes), EscapeMarkup(caption), EscapeMarkup(ReportText(row, "tile")),
      EscapeMarkup(caption));
}

std::string Row(const json& report, const json& row, const PictureLoader& load) {
  const std::string before = ClassName(report, row, "answer_before"),
                    after = ClassName(report, row, "answer_after");
  const double p = ReportNumber(row, "score_before").value_or(0);
  // Reports of before 2026-11-29 lack the probability of the new answer.
  const auto now = ReportNumber(row, "score_answer_after");
  const std::string perturbed =
      now ? fmt::format("perturbed: {} {:.1f}%", after, 100 * *now)
          : fmt::format("perturbed: {} ({} {:.1f}% is left)", after, before,
                        100 * ReportNumber(row, "score_after").value_or(0));
  const bool fooled = row.value("fooled", false);
  std::string out = "<div class=\"row\">";
  out += Picture(row, "original", fmt::format("original: {} {:.1f}%", before, 100 * p), load);
  out += Picture(row, "perturbed", perturbed, load);
  out += Picture(row, "difference",
                 fmt::format("difference × {}", ReportText(row, "amplification")), load);
  out += Picture(row, "saliency_before", "saliency before", load);
  out += Picture(row, "saliency_after", "saliency after", load);
  out += fmt::format(
      "<div class=\"about\"><b class=\"{}\">{}</b><br>truth {}<br>RMSE {} grey levels, largest {}"
      "<br><span class=\"quiet\">{}</span></div></div>\n",
      fooled ? "wrong" : "", fooled ? EscapeMarkup(before + " → " + after) : "not fooled",
      EscapeMarkup(ClassName(report, row, "label")),
      FormatNumber(ReportNumber(row, "rmse_grey"), 2),
      FormatNumber(ReportNumber(row, "linf_grey"), 1), EscapeMarkup(ReportText(row, "tile")));
  return out;
}

// The one perturbation, and what chance does.
std::string Universal(const json& item, const PictureLoader& load) {
  if (!item.contains("universal")) return "";
  const json& universal = item["universal"];
  const std::string file = ReportText(universal, "picture");
  const std::string bytes = file.empty() ? "" : load(file);
  std::string out = "<div class=\"row\">";
  if (!bytes.empty()) {
    out += fmt::format(
        "<figure><img src=\"{}\" alt=\"the perturbation\"><figcaption>the perturbation × {}"
        "</figcaption></figure>",
        PngUrl(bytes), EscapeMarkup(ReportText(universal, "amplification")));
  }
  out += "<div class=\"about\">One perturbation for all tiles.";
  for (const json& control : universal.value("controls", json::array())) {
    out += fmt::format("<br>Control {}: {}% flipped", EscapeMarkup(ReportText(control, "name")),
                       FormatNumber(100 * ReportNumber(control, "fooling_rate").value_or(0), 1));
  }
  return out + "</div></div>\n";
}

}  // namespace

std::string PngUrl(const std::string& bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out = "data:image/png;base64,";
  out.reserve(out.size() + bytes.size() * 4 / 3 + 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    const size_t count = std::min<size_t>(3, bytes.size() - i);
    for (size_t j = 0; j < 3; ++j)
      group = group << 8 | (j < count ? static_cast<unsigned char>(bytes[i + j]) : 0U);
    for (size_t j = 0; j < 4; ++j) out += j <= count ? kDigits[group >> (18 - 6 * j) & 63] : '=';
  }
  return out;
}

std::string RobustnessGallery(const json& report, const PictureLoader& load) {
  std::string out;
  int shown = 0;
  for (const json& item : report["items"]) {
    const json rows = item.value("gallery", json::array());
    if (rows.empty()) continue;
    // The first few are what most people look for; the rest is a click away.
    out += fmt::format("<details class=\"kind\"{}><summary>{}</summary>\n<div class=\"rows\">\n",
                       shown++ < 3 ? " open" : "", EscapeMarkup(ReportText(item, "title")));
    out += Universal(item, load);
    if (!rows[0].value("fooled", false))
      out += "<p class=\"quiet\">No tile was fooled; these are evenly spread over all.</p>\n";
    for (const json& row : rows) out += Row(report, row, load);
    out += "</div></details>\n";
  }
  if (out.empty()) return "";
  return "<h2>Gallery</h2>\n<p class=\"quiet\">Fooled tiles where there are any, evenly spread "
         "over "
         "them and not chosen. In percent: the probability of the answer given. The difference is "
         "amplified around mid-grey; saliency is smoothed by one pixel "
         "and scaled to its own largest value.</p>\n" +
         out;
}

}  // namespace assay::view
