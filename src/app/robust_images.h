// The labelled images that `assay robust` works on: a safetensors file, or tiles.
#pragma once

#include <ATen/core/Tensor.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <string>

#include "model/image_classifier.h"

namespace assay::app {

struct ImageArguments {
  std::string input, tiles, split, other_size = "leave-out";
  int64_t limit = 0;
  std::string prefix;  // of the options, for messages
};

// --PREFIXinput, --PREFIXtiles, --PREFIXsplit, --PREFIXother-size, --PREFIXlimit. `arguments` must
// outlive the parse.
void AddImageOptions(CLI::App& command, ImageArguments& arguments, const std::string& prefix = "");

struct LabelledImages {
  at::Tensor images;  // [B, C, H, W] float32 in [0, 1], on the classifier's device
  at::Tensor labels;  // [B] int64
  // Of tiles that were left out or converted; nothing for a safetensors file.
  std::string problems;                                      // DescribeProblems
  nlohmann::json problem_counts = nlohmann::json::object();  // ProblemsJson
  int64_t size() const { return labels.size(0); }
};

// At most `limit` images, evenly spread over the set (0: all); tiles without a label are left out.
// Throws kUsage unless exactly one of input and tiles is given, kBadInput naming the file and what
// is wrong with it.
LabelledImages ReadImages(const ImageArguments& arguments, const model::ImageSpec& spec);

}  // namespace assay::app
