// What the JSON files beside a classifier say. Thread-safe.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "model/image_classifier.h"

namespace assay::model {

// The sidecar of our own models: class_names, input_shape ["B", C, H, W] (H and W may be null),
// any_size (present and not false), input_range, clean_accuracy (the first number),
// microns_per_pixel, task, architecture, demonstration, sha256. Missing keys keep their defaults.
// Throws kBadInput naming the file and the key.
ImageSpec ParseSidecar(const nlohmann::json& json, const std::string& name,
                       const std::filesystem::path& file);

// The config.json of WSInfer.
struct WsinferConfig {
  ImageSpec spec;
  std::optional<int64_t> resize_shorter;              // "Resize" with one size: of the shorter edge
  std::optional<std::pair<int64_t, int64_t>> resize;  // with two: height, width
  std::vector<double> mean, std;                      // of "Normalize"; empty: none
};
// Throws kBadInput naming the file and the key, kUnsupported for a transform that is not known.
WsinferConfig ParseWsinferConfig(const nlohmann::json& json, const std::string& name,
                                 const std::filesystem::path& file);

}  // namespace assay::model
