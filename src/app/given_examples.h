// Examples that come from a file instead of collection: {"sequences": [[token ids, BOS included],
// ...], "units": [{"layer": 0, "neuron": 7, "max_activation": 1.93, "train": [indices into
// sequences], "test": [indices]}]}.
#pragma once

#include <filesystem>
#include <vector>

#include "app/loaded_model.h"
#include "measure/prober.h"
#include "store/run_store.h"

namespace assay::app {

// Reads the file, measures every unit on its examples, and writes sequences, examples and manifest
// to the run. Returns the units, ascending. Throws kBadInput naming the file, the unit and the
// value for ids outside the vocabulary, units the model does not have, indices without a sequence,
// a sequence in both halves, and a maximum that is not positive.
std::vector<base::UnitId> StoreGivenExamples(const std::filesystem::path& file,
                                             const LoadedModel& model, measure::Prober& prober,
                                             store::RunStore& store);

}  // namespace assay::app
