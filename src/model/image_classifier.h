// Image classifiers: images in [0, 1] in, logits out, differentiable in the images. Normalisation
// is inside. Const members are safe to call from several threads, as far as libtorch's modules are.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace assay::model {

// What a classifier expects and promises: its JSON sidecar, or what the file itself says.
struct ImageSpec {
  std::string name;                      // of the file, without extension
  std::vector<std::string> class_names;  // [K]; "class 0", ... where the sidecar has none
  int channels = 3;
  int height = 0, width = 0;  // 0: any
  double low = 0, high = 1;   // range of the values that it is given
  std::optional<double> microns_per_pixel;
  std::optional<double> clean_accuracy;  // declared by the sidecar
};

class ImageClassifier {
 public:
  virtual ~ImageClassifier() = default;
  const ImageSpec& spec() const { return spec_; }
  int64_t classes() const { return static_cast<int64_t>(spec_.class_names.size()); }

  // images: [B, C, H, W] float32 in [low, high] -> logits [B, K] float32. Autograd follows the
  // images, never the weights. Throws kBadInput when the shape does not fit.
  virtual at::Tensor Logits(const at::Tensor& images) const = 0;

  // The same logits with the last feature maps before they are pooled: [B, D, h, w], part of the
  // graph of the logits where gradients are recorded (Grad-CAM). Nothing where the model does not
  // show them, as TorchScript files do not.
  struct FeatureMaps {
    at::Tensor logits, features;
  };
  virtual std::optional<FeatureMaps> LogitsWithFeatures(const at::Tensor& images) const {
    (void)images;
    return std::nullopt;
  }

 protected:
  ImageSpec spec_;
};

// A TorchScript file (`.pt`) with a JSON sidecar beside it (same name, `.json`). Throws kNotFound,
// kBadInput naming the file.
std::unique_ptr<ImageClassifier> LoadImageClassifier(const std::filesystem::path& path,
                                                     const std::string& device = "cpu");

}  // namespace assay::model
