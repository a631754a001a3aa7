#include "view/image_unit_page.h"

#include <fmt/format.h>

#include <cmath>

#include "base/unit_id.h"
#include "view/markup.h"
#include "view/page_script.h"

namespace assay::view {
namespace {

std::string Fact(std::string_view name, const std::string& value) {
  return fmt::format("<div><dt>{}</dt><dd>{}</dd></div>", name, value);
}

std::string Statistics(const ImageUnitPage& page) {
  std::string facts = Fact("A location sees", EscapeMarkup(page.seen));
  if (page.stats) {
    facts += Fact("Largest pre-activation", FormatNumber(page.stats->maximum, 3));
    facts += Fact("Smallest", FormatNumber(page.stats->minimum, 3));
    facts += Fact("Mean", FormatNumber(page.stats->mean, 4));
    facts += Fact("Standard deviation", FormatNumber(std::sqrt(page.stats->variance), 4));
    facts += Fact("Above zero", FormatNumber(page.stats->firing_rate * 100, 2) + " % of locations");
    facts += Fact("Locations seen", FormatCount(page.stats->tokens));
  }
  return fmt::format("<h2>Statistics</h2>\n<dl class=\"facts\">{}</dl>\n", facts);
}

}  // namespace

std::string Base64(std::string_view bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    for (size_t j = 0; j < 3; ++j)
      group = group << 8 | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0);
    for (size_t j = 0; j < 4; ++j)
      out += i + j > bytes.size() ? '=' : kDigits[group >> (18 - 6 * j) & 63];
  }
  return out;
}

std::string WritePatchFigure(const PatchFigure& figure) {
  const std::string about = EscapeMarkup(fmt::format(
      "{}{}{}, {}", figure.tile, figure.label.empty() ? "" : ", ", figure.label, figure.place));
  return fmt::format(
      "<figure title=\"{0}\"><img src=\"data:image/png;base64,{1}\" width=\"{2}\" height=\"{2}\" "
      "alt=\"{0}\"><figcaption>{3} · {4}</figcaption></figure>\n",
      about, Base64(figure.png), figure.edge_px, EscapeMarkup(figure.rank),
      FormatNumber(figure.activation, 2));
}

std::string WriteImageUnitPage(const ImageUnitPage& page) {
  const std::string body = fmt::format(
      "<main>\n<header class=\"top\"><div><p class=\"quiet\">{} · {}</p><h1>Layer {}, unit "
      "{}</h1></div></header>\n{}<p class=\"quiet\">{}</p>\n{}</main>\n",
      EscapeMarkup(page.model), EscapeMarkup(page.layer), page.unit.layer, page.unit.index,
      Statistics(page),
      page.clusters_html.empty()
          ? "No clusters."
          : "A patch is what the unit sees where it fires most in a tile; grey lies beyond the "
            "edge "
            "of the tile. A frame marks what it sees where more of the tile is shown.",
      page.clusters_html);
  return WrapPage(fmt::format("{} · {} · Assay", base::ToString(page.unit), page.model), body);
}

}  // namespace assay::view
