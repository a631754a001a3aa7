// The name of one inspectable unit: a neuron of an MLP layer (or, later, a feature or a channel at
// the same place).
#pragma once

#include <fmt/format.h>

#include <compare>
#include <string>
#include <string_view>

namespace assay::base {

struct UnitId {
  int layer = 0;
  int index = 0;  // position within the layer, from 0
  auto operator<=>(const UnitId&) const = default;
};

inline std::string ToString(UnitId unit) { return fmt::format("{}:{}", unit.layer, unit.index); }

}  // namespace assay::base
