// A graph as searching sees it: its row in graph_summary. Internal to store.
#pragma once

#include <optional>

#include "store/graph_codec.h"
#include "store/sqlite.h"

namespace assay::store {

enum class TokenRole { kActivating = 0, kContext = 1 };  // as stored

// The place in the order of F1 of a graph without one: after all others, whose place is minus their
// F1.
inline constexpr double kNoF1 = 1;
inline std::optional<double> F1At(double f1_order) {
  if (f1_order == kNoF1) return std::nullopt;
  return 0.0 - f1_order;
}

struct GraphSummary {
  UnitId unit;
  double f1_order = kNoF1;
  int activating_tokens = 0, context_tokens = 0, repeated_tokens = 0;
  double repeated_share = 0;
  GraphTokens tokens;
};

std::optional<GraphSummary> ReadGraphSummary(Connection& connection, UnitId unit);

}  // namespace assay::store
