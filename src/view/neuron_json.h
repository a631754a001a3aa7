// One neuron as JSON for other programs: statistics, examples, prunings, prompts, graph, scores.
// The schema is stable and documented in docs/neuron-json.md; a change that breaks readers raises
// kNeuronJsonSchema. Thread-safe: pure functions.
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>

#include "view/neuron_records.h"

namespace assay::view {

inline constexpr std::string_view kNeuronJsonSchema = "assay.neuron/1";

// Throws kNotFound or kBadInput when rows are missing or do not fit each other (see
// neuron_records.h).
nlohmann::ordered_json NeuronJson(const NeuronRecords& records,
                                  std::span<const std::string> token_texts, std::string_view model);

// The same as text, one line. Token texts that are not UTF-8 have U+FFFD in place of the bad bytes;
// their ids are exact.
std::string WriteNeuronJson(const NeuronRecords& records, std::span<const std::string> token_texts,
                            std::string_view model);

}  // namespace assay::view
