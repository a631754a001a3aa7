// The units that a run is about: the MLP neurons of a model, or the features of a sparse
// autoencoder on one of its hooks.
#pragma once

#include <memory>
#include <string>

#include "app/loaded_model.h"
#include "model/inspectable_model.h"
#include "neurons/embedding_run.h"
#include "store/run_store.h"

namespace assay::app {

struct LoadedUnits {
  LoadedModel model;
  std::unique_ptr<model::SparseAutoencoder> autoencoder;  // null: neurons
  std::filesystem::path autoencoder_folder;
  std::string autoencoder_hash;
  std::unique_ptr<model::TokenUnits> units;  // borrows from the above
};

// `autoencoder` is a SAELens folder, or empty for neurons. Throws what loading throws, and
// kBadInput when the SAE does not fit the model.
std::unique_ptr<LoadedUnits> LoadUnits(const std::filesystem::path& model,
                                       const std::string& autoencoder, const std::string& device,
                                       const std::string& dtype,
                                       const neurons::EmbedOptions& embed = {});

// The units that the run was collected with. Throws as LoadRunModel, and kBadInput when the SAE's
// files have changed.
std::unique_ptr<LoadedUnits> LoadRunUnits(const store::RunStore& store,
                                          const std::string& given_model, const std::string& device,
                                          const std::string& dtype,
                                          const neurons::EmbedOptions& embed = {});

// The manifest's entry about the model and the units that a run measures.
nlohmann::json DescribeUnits(const LoadedUnits& units, const std::string& device,
                             const std::string& dtype);

// The text that the run was collected from, from its beginning, as the same sequences. Throws
// kBadInput when it has changed.
neurons::SequenceStream OpenRunText(const store::RunStore& store, const LoadedModel& model);

}  // namespace assay::app
