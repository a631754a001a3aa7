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
  std::string name;  // of the file, without extension; of the folder for WSInfer
  std::vector<std::string> class_names;  // [K]; "class 0", ... where the sidecar has none
  int channels = 3;
  int height = 0, width = 0;  // 0: any
  // Other sizes work too, though it was trained at height x width.
  bool any_size = false;
  double low = 0, high = 1;  // range of the values that it is given
  std::optional<double> microns_per_pixel;
  std::optional<double> clean_accuracy;  // declared by the sidecar
  std::string clean_data;                // on which data, as the sidecar says it
  std::string task, architecture;        // as the sidecar says them
  bool demonstration = false;            // the sidecar says that it is for demonstration only
  std::string sha256, declared_sha256;   // of the weights, where the sidecar declares one
  // The file gives probabilities (found by a probe); Logits returns their logarithms.
  bool gives_probabilities = false;
  std::string device = "cpu";  // where the images are expected
};

class ImageClassifier {
 public:
  virtual ~ImageClassifier() = default;
  const ImageSpec& spec() const { return spec_; }
  int64_t classes() const { return static_cast<int64_t>(spec_.class_names.size()); }

  // images: [B, C, H, W] float32 in [low, high] -> logits [B, K] float32. Autograd follows the
  // images, never the weights. Throws kBadInput when the shape does not fit, for values outside the
  // range (by more than rounding) or not finite, and for logits that are not finite.
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

// A classifier from
//   FILE.pt            TorchScript, with a JSON sidecar beside it (same name, .json)
//   FILE.safetensors   weights of a built-in network (model/image_network.h), with a sidecar whose
//                      "architecture" names it; without one the tensors tell
//   FOLDER, or FOLDER/torchscript_model.pt with a config.json beside it   the layout of WSInfer,
//                      whose transforms (Resize, ToTensor, Normalize) we apply
//   FOLDER             holding exactly one .safetensors or .pt file
// Probes it with generated images and throws kNotFound, or kBadInput naming the file: not readable,
// weights or logits that are not finite, another number of classes than the sidecar names. A module
// that gives probabilities is used by their logarithms, and spec().gives_probabilities says so.
std::unique_ptr<ImageClassifier> LoadImageClassifier(const std::filesystem::path& path,
                                                     const std::string& device = "cpu");

// Generated images that fit: noise, a flat colour, soft blobs. [4, C, H, W] float32 in [low, high]
// on spec.device, always the same; H and W are 64 where any are taken and none is declared.
at::Tensor ProbeImages(const ImageSpec& spec);

// Why gradients of the logits by the images cannot be had, from a probe: the module breaks the
// graph, fails backward, or all gradients are zero or some are not finite. Absent: they can.
std::optional<std::string> WhyNotDifferentiable(const ImageClassifier& classifier);
// Throws kUnsupported naming the classifier and the reason.
void CheckDifferentiable(const ImageClassifier& classifier);

// For implementations and code that takes images from outside: throws kBadInput as Logits does.
void CheckImages(const ImageSpec& spec, const at::Tensor& images);
void CheckLogits(const ImageSpec& spec, const at::Tensor& logits, int64_t batch);

}  // namespace assay::model
