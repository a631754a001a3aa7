// The scores of a run as tables for the terminal and as JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "store/run_store.h"

namespace assay::app {

// A table for each set of texts: layers down, methods across, with the rules and what was left out
// below.
std::string ScoreTables(const store::RunStore& store);

// {"sets": {"held_out": [{"layer", "units", "excluded", "n2g": {...}, "token_lookup": {...},
// "ngram": {"2": {...}}}]},
//  "units": [{"layer", "neuron", "sets": {...}}], "rules": "..."}
nlohmann::ordered_json ScoreJson(const store::RunStore& store);

}  // namespace assay::app
