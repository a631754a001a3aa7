// TorchScript modules as classifiers. Use LoadImageClassifier.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "model/image_classifier.h"
#include "model/image_spec.h"

namespace assay::model {

// The module in `file` as it is, on spec.device, for images as `spec` says. Throws kBadInput naming
// the file when it is no TorchScript module or a weight is not finite.
std::unique_ptr<ImageClassifier> LoadTorchScript(const std::filesystem::path& file, ImageSpec spec);

// The same with WSInfer's transforms before it.
std::unique_ptr<ImageClassifier> LoadWsinfer(const std::filesystem::path& file,
                                             WsinferConfig config);

}  // namespace assay::model
