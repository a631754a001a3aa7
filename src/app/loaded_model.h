// A model folder as the neuron commands use it: network and tokenizer that fit each other.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "data/token_sequences.h"
#include "model/transformer.h"
#include "tokenizer/tokenizer.h"

namespace assay::app {

struct LoadedModel {
  std::filesystem::path folder;
  model::Transformer network;
  std::unique_ptr<tokenizer::Tokenizer> tokenizer;
  std::string hash;  // of config, weights and tokenizer files
};

// Throws kBadInput when the tokenizer has ids beyond the model's vocabulary, and what loading
// throws.
LoadedModel LoadModel(const std::filesystem::path& folder, const std::string& device,
                      const std::string& dtype);

// --device and --dtype.
void AddDeviceOptions(CLI::App& command, std::string& device, std::string& dtype);

// How every token id of the network reads; ids that the tokenizer lacks as "<id 4095>".
std::vector<std::string> TokenTexts(const LoadedModel& model);

// Hash of the files in a model folder that matter.
std::string HashModelFolder(const std::filesystem::path& folder);

}  // namespace assay::app
