// Polysemanticity of a run's units as a table by layer and as JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "store/run_store.h"

namespace assay::app {

// The run, for changes; throws kNotFound when it does not exist, instead of making it.
store::RunStore OpenForWriting(const std::string& run);

// Means over the units of each layer where a measure is defined. `units` names them in the header.
// layer_names: shown after a layer's number where there is one.
std::string MeasureTable(std::span<const store::UnitMeasures> measures, const std::string& units,
                         std::span<const std::string> layer_names = {});

// Per unit: measures (null where undefined), cut and its reason, clusters with label and size.
nlohmann::json MeasureJson(const store::RunStore& store,
                           std::span<const store::UnitMeasures> measures);

}  // namespace assay::app
