#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <set>

#include "base/error.h"
#include "base/rng.h"
#include "neurons/graph_run.h"

namespace assay::neurons {
namespace {

using base::ErrorKind;
using base::Fail;

std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> out(1);
  for (const char c : text) {
    if (c == separator) {
      out.emplace_back();
    } else {
      out.back() += c;
    }
  }
  return out;
}

std::optional<int> Number(std::string_view text) {
  int value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

// "4" or "2-7"
std::pair<int, int> Range(const std::string& text, const std::string& whole) {
  const auto parts = Split(text, '-');
  const auto first = Number(parts.front()), last = Number(parts.back());
  if (parts.size() > 2 || !first || !last || *first > *last) {
    Fail(ErrorKind::kUsage, "'{}' in '{}' is no number or range; expected for example 4 or 2-7",
         text, whole);
  }
  return {*first, *last};
}

}  // namespace

UnitId ParseUnit(const std::string& text) {
  const auto parts = Split(text, ':');
  const auto layer = parts.size() == 2 ? Number(parts[0]) : std::nullopt,
             index = parts.size() == 2 ? Number(parts[1]) : std::nullopt;
  if (!layer || !index)
    Fail(ErrorKind::kUsage, "'{}' is no neuron; expected LAYER:NEURON, for example 2:15", text);
  return {*layer, *index};
}

std::vector<UnitId> SelectUnits(const UnitSelection& selection, std::span<const UnitId> available) {
  const std::set<UnitId> known(available.begin(), available.end());
  std::set<UnitId> wanted;
  if (!selection.layers.empty()) {
    for (const std::string& part : Split(selection.layers, ',')) {
      const auto [first, last] = Range(part, selection.layers);
      bool found = false;
      for (const UnitId unit : available) {
        if (unit.layer < first || unit.layer > last) continue;
        wanted.insert(unit);
        found = true;
      }
      if (!found)
        Fail(ErrorKind::kUsage, "--layers {}: the run has no examples for layers {} to {}",
             selection.layers, first, last);
    }
  }
  if (!selection.units.empty()) {
    for (const std::string& part : Split(selection.units, ',')) {
      const auto sides = Split(part, ':');
      if (sides.size() != 2)
        Fail(ErrorKind::kUsage, "'{}' in '{}': expected LAYER:NEURON or LAYER:FIRST-LAST", part,
             selection.units);
      const auto [layer, layer_end] = Range(sides[0], selection.units);
      const auto [first, last] = Range(sides[1], selection.units);
      for (int l = layer; l <= layer_end; ++l) {
        for (int index = first; index <= last; ++index) {
          if (!known.contains({l, index}))
            Fail(ErrorKind::kUsage, "--units {}: the run has no examples for neuron {}:{}",
                 selection.units, l, index);
          wanted.insert({l, index});
        }
      }
    }
  }
  if (selection.layers.empty() && selection.units.empty()) wanted = known;
  if (selection.sample <= 0) return {wanted.begin(), wanted.end()};
  std::map<int, std::vector<UnitId>> by_layer;
  for (const UnitId unit : wanted) by_layer[unit.layer].push_back(unit);
  std::vector<UnitId> out;
  for (auto& [layer, units] : by_layer) {
    base::Rng(selection.seed, "unit sample", static_cast<uint64_t>(layer)).Shuffle(units);
    units.resize(std::min(units.size(), static_cast<size_t>(selection.sample)));
    out.insert(out.end(), units.begin(), units.end());
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace assay::neurons
