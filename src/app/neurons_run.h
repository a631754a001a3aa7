// What the neuron commands share: opening a run with its model, and reading one neuron's rows.
#pragma once

#include <memory>
#include <string>

#include "app/loaded_model.h"
#include "neurons/graph_options.h"
#include "neurons/token_classes.h"
#include "store/run_store.h"
#include "view/neuron_records.h"

namespace assay::app {

// The run's manifest entry; throws kNotFound saying which command makes it.
nlohmann::json RequireManifest(const store::RunStore& store, const std::string& key,
                               const std::string& command);

// The manifest's entry about the model that a run measures.
nlohmann::json DescribeModel(const LoadedModel& model, const std::string& device,
                             const std::string& dtype);
// Where a unit's activation is read, by that entry: "blocks.2.mlp.hook_post".
std::string HookOf(const nlohmann::json& model_entry, base::UnitId unit);

// Loads the model that the run was collected with (or the folder given). Throws kBadInput when its
// content has changed.
LoadedModel LoadRunModel(const store::RunStore& store, const std::string& given_folder,
                         const std::string& device, const std::string& dtype);

// Options that the run's graphs were made with. Throws kNotFound when there are none yet.
neurons::GraphOptions RunGraphOptions(const store::RunStore& store);
neurons::TokenClasses RunTokenClasses(const store::RunStore& store,
                                      const neurons::GraphOptions& options);

// BOS tokens that every sequence of the run starts with (0 or 1), and the first token that counts.
int RunBosTokens(const store::RunStore& store);
int RunFirstCounted(const store::RunStore& store);

// Throws kNotFound when the run has nothing about the unit.
view::NeuronRecords ReadNeuron(const store::RunStore& store, base::UnitId unit);

// "2026-11-22T21:03:00Z"
std::string TimeNow();

}  // namespace assay::app
