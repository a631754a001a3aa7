#include "view/unit_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "view/markup.h"
#include "view/style.h"

namespace assay::view {
namespace {

std::string Square(const MapUnit& unit, int x, int y, int size) {
  const std::string name = base::ToString(unit.unit);
  const std::string colour = unit.f1 ? ScaleClass(Scale::kQuality, ScaleStep(*unit.f1)) : "none";
  const std::string square = fmt::format(
      "<rect class=\"box unit {}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" "
      "rx=\"1.5\"><title>{} · {}</title></rect>",
      colour, x, y, size, size, name, unit.f1 ? "F1 " + FormatNumber(unit.f1, 2) : "not scored");
  if (unit.href.empty()) return square + "\n";
  return fmt::format("<a href=\"{}\" data-unit=\"{}\" tabindex=\"-1\">{}</a>\n",
                     EscapeLink(unit.href), name, square);
}

std::string Legend() {
  std::string steps;
  for (int step = 0; step < kScaleSteps; ++step) {
    steps += fmt::format("<rect class=\"box {}\" x=\"{}\" y=\"0\" width=\"12.5\" height=\"11\"/>",
                         ScaleClass(Scale::kQuality, step), step * 12);
  }
  return fmt::format(
      "<p class=\"quiet\">F1 on the held-out half: 0 <svg class=\"picture\" width=\"133\" "
      "height=\"11\" aria-hidden=\"true\" "
      "style=\"display:inline;vertical-align:-1px\">{}</svg> 1. Grey: not scored. A square leads "
      "to the neuron's page.</p>\n",
      steps);
}

}  // namespace

std::string UnitMapSvg(const std::vector<const MapUnit*>& units) {
  const auto count = static_cast<int>(units.size());
  // Wide rather than tall, and small squares for wide layers, so that layers can be compared at a
  // glance.
  const int columns = std::clamp(static_cast<int>(std::ceil(std::sqrt(count * 6.0))), 1, 110);
  const int pitch = count > 1000 ? 10 : 14;
  const int rows = (count + columns - 1) / columns;
  std::string squares;
  for (int i = 0; i < count; ++i) {
    squares += Square(*units[static_cast<size_t>(i)], 2 + i % columns * pitch,
                      2 + i / columns * pitch, pitch - 2);
  }
  return fmt::format(
      "<svg class=\"picture\" role=\"group\" aria-label=\"{0} neurons coloured by F1\" "
      "width=\"{1}\" height=\"{2}\" "
      "viewBox=\"0 0 {1} {2}\">\n{3}</svg>\n",
      count, columns * pitch + 2, rows * pitch + 2, squares);
}

std::string UnitMapsHtml(const std::vector<MapUnit>& units) {
  std::map<int, std::vector<const MapUnit*>> layers;
  for (const MapUnit& unit : units) layers[unit.unit.layer].push_back(&unit);
  std::string out = Legend();
  for (auto& [layer, members] : layers) {
    std::sort(members.begin(), members.end(),
              [](const MapUnit* a, const MapUnit* b) { return a->unit < b->unit; });
    double sum = 0;
    int scored = 0;
    for (const MapUnit* member : members) {
      if (!member->f1) continue;
      sum += *member->f1;
      ++scored;
    }
    out += fmt::format(
        "<div class=\"map\"><p><b>Layer {}</b> <span class=\"quiet\">{} neurons, mean F1 "
        "{}</span></p>{}</div>\n",
        layer, FormatCount(static_cast<int64_t>(members.size())),
        FormatNumber(scored > 0 ? std::optional(sum / scored) : std::nullopt, 2),
        UnitMapSvg(members));
  }
  return out;
}

}  // namespace assay::view
