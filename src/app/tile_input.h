// The classifier and the tiles of every `assay robust` command: the same options, and the same
// words about tiles that cannot be used.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "data/tile_dataset.h"
#include "model/image_classifier.h"

namespace assay::app {

struct TileArguments {
  std::string model = "default", tiles, device = "cpu";
  data::TileOptions options;
};

// --model and --device only, for commands that take their images otherwise.
void AddClassifierOptions(CLI::App& command, TileArguments& arguments);
// --model, --tiles, --device, and the fields of TileOptions.
void AddTileArguments(CLI::App& command, TileArguments& arguments);

// "default" is the shipped demonstration classifier models/assay-he, and says so on standard error.
std::unique_ptr<model::ImageClassifier> OpenClassifier(const TileArguments& arguments);

// Where that classifier is.
std::filesystem::path ClassifierPath(const TileArguments& arguments);

// Tiles that fit the classifier. Problems are printed on standard error as they are met, the first
// ten of a kind.
data::TileDataset OpenTiles(const TileArguments& arguments, const model::ImageSpec& spec);

// The tiles that have a label. Throws kBadInput when none has, saying what can be done without.
std::vector<int64_t> LabelledTiles(const data::TileDataset& tiles, const std::string& where);

// {"left_out": 2, "converted": 1, "problems": {"truncated": 2, "alpha": 1}}, for JSON files.
nlohmann::json ProblemsJson(const data::TileDataset& tiles);

// "problems: none" or "left out 2 of 1,120 tiles, converted 1 (truncated 2, alpha 1)".
std::string DescribeProblems(const data::TileDataset& tiles);

}  // namespace assay::app
