// The vector h that enters a unit at the pivot of each of its examples, for all units of some
// layers: for examples that the run has, and in a pass over a text for a uniform sample of all
// examples above a share of each unit's maximum. Not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "model/inspectable_model.h"
#include "store/run_store.h"

namespace assay::neurons {

using base::UnitId;
using TokenId = int32_t;

struct ExampleInput {
  store::Example example;
  std::vector<float> input;  // [d]
};

// The next sequence of a text, in order of id; nothing at its end.
using SequenceStream = std::function<std::optional<store::Sequence>()>;

// h for the examples of `units` (one layer or several) that `wanted` accepts, strongest kinds first
// as stored. One answer a unit. Runs each sequence once.
std::vector<std::vector<ExampleInput>> StoredInputs(
    const store::RunStore& store, const model::TokenUnits& model, std::span<const UnitId> units,
    const std::function<bool(const store::Example&)>& wanted);

struct AboveOptions {
  double share = 0.75;  // of the unit's maximum
  int cap = 100;        // examples kept of those above, uniformly
  int first_counted = 1;
  uint64_t seed = 1;
};

// Runs the text one sequence at a time, as collection does, so that values are the same. A sequence
// whose largest activation is at least share * maximum is an example, its pivot that token. Units
// with a maximum of at most 0 have none. Examples come strongest first, kind kAbove, rank in that
// order. `sequences` receives those that examples use.
std::vector<std::vector<ExampleInput>> InputsAbove(const SequenceStream& text,
                                                   const model::TokenUnits& model,
                                                   std::span<const UnitId> units,
                                                   std::span<const double> maxima,
                                                   const AboveOptions& options,
                                                   std::map<int64_t, store::Sequence>& sequences);

}  // namespace assay::neurons
