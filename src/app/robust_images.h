// What `assay robust` attacks: a classifier and labelled images.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>

#include "model/image_classifier.h"

namespace assay::app {

struct LabelledImages {
  at::Tensor images;  // [B, C, H, W] float32 in [0, 1]
  at::Tensor labels;  // [B] int64
  int64_t size() const { return labels.size(0); }
};

// `input` and `labels` of a safetensors file, at most `limit` images, evenly spread (0: all).
// Throws kBadInput naming the file and what is wrong with it.
LabelledImages ReadImages(const std::string& path, int64_t limit);

// `images` at these places, on the device of the model.
LabelledImages Slice(const LabelledImages& images, int64_t from, int64_t count);

}  // namespace assay::app
