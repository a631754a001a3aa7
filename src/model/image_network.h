// The built-in image networks: ResNets of basic or bottleneck blocks with torchvision's topology
// and tensor names, and a small CNN. Weights are plain tensors, so that training, saving and
// changing them need nothing else; use BuildClassifier for everything but training. Thread-safe as
// long as nobody trains.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "model/image_classifier.h"

namespace assay::model {

enum class BlockKind { kBasic, kBottleneck, kPlain };

// Sizes and switches of a network.
struct ImageNetworkConfig {
  std::string architecture;  // its name, see ImageArchitectures
  BlockKind block = BlockKind::kBasic;
  std::vector<int64_t> depths;  // blocks of each stage; kPlain: convolutions, one a stage
  int64_t width = 64;           // channels of the first stage; they double from stage to stage
  bool imagenet_stem = true;    // 7x7 stride 2 and max-pool; else 3x3 stride 1
  int64_t classes = 2, channels = 3;
  std::vector<double> mean, std;  // [channels]; inputs are normalised with them
};

// "resnet18", "resnet50": torchvision's. "resnet18w16": widths 16, 32, 64, 128 and a 3x3 stem
// (models/idc_resnet18w16.ARCH.md). "cnn": 4 x (3x3 convolution, batch norm, ReLU), 16 to 128
// channels, stride 2 from the second on, global average pool, linear.
std::vector<std::string> ImageArchitectures();
// Mean and std are 0 and 1. Throws kUsage for another name.
ImageNetworkConfig ImageArchitecture(const std::string& name, int64_t classes);

class ImageNetwork {
 public:
  // Random weights (He et al. 2015; the last batch norm of each block starts at 1, as torchvision
  // does by default), the same for the same seed.
  ImageNetwork(ImageNetworkConfig config, uint64_t seed);
  // `tensors` must hold every weight with its shape; num_batches_tracked is passed over. Throws
  // kBadInput naming `where` and the tensor when one is missing, has another shape, is not finite,
  // or is not known.
  ImageNetwork(ImageNetworkConfig config, std::map<std::string, at::Tensor> tensors,
               const std::string& where);

  const ImageNetworkConfig& config() const { return config_; }

  // images: [B, C, H, W] -> logits [B, K]. Running statistics, no gradients for the weights.
  at::Tensor Evaluate(const at::Tensor& images) const;
  // The last map before pooling too, for Grad-CAM: [B, F, h, w].
  struct WithFeatures {
    at::Tensor features, logits;
  };
  WithFeatures EvaluateWithFeatures(const at::Tensor& images) const;
  // The same with batch statistics, which update the running ones (momentum 0.1), and gradients for
  // the parameters.
  at::Tensor Train(const at::Tensor& images);

  // Parameters (weights and biases; they require gradients) and buffers (running_mean, running_var)
  // by name. The tensors may be changed in place by an optimiser.
  const std::map<std::string, at::Tensor>& parameters() const { return parameters_; }
  const std::map<std::string, at::Tensor>& buffers() const { return buffers_; }
  std::map<std::string, at::Tensor> Tensors() const;           // both, without gradients
  void Set(const std::map<std::string, at::Tensor>& tensors);  // copies the values in
  void To(const std::string& device);

 private:
  struct Folded;  // convolutions with their batch norms folded in
  std::shared_ptr<const Folded> FoldedWeights() const;
  void Adopt(std::map<std::string, at::Tensor> tensors, const std::string& where);

  ImageNetworkConfig config_;
  std::map<std::string, at::Tensor> parameters_, buffers_;
  at::Tensor mean_, std_;  // [1, C, 1, 1]
  struct Cache;
  std::shared_ptr<Cache> cache_;  // of FoldedWeights, until a tensor changes
};

// The network as a classifier. It follows later changes of the weights; Logits uses running
// statistics and gives the weights no gradients.
std::unique_ptr<ImageClassifier> BuildClassifier(std::shared_ptr<const ImageNetwork> network,
                                                 ImageSpec spec);

// What a built-in classifier is made of; null for TorchScript. For Grad-CAM.
const ImageNetwork* NetworkOf(const ImageClassifier& classifier);

// Reads FILE.safetensors with its sidecar. The tensors tell the sizes; an "architecture" of the
// sidecar that is one of ImageArchitectures must agree. Mean and std are tensors `mean` and `std`
// or keys of the sidecar; having neither is an error. Float16 weights become float32. Throws
// kNotFound, kBadInput naming the file.
ImageNetwork LoadImageNetwork(const std::filesystem::path& file);

// Writes FILE.safetensors (float16 when `half`) and its sidecar: the spec, architecture, mean and
// std, and the keys of `more` (an object, or null). Throws kIo.
void SaveImageNetwork(const ImageNetwork& network, const ImageSpec& spec,
                      const std::filesystem::path& file, bool half, const nlohmann::json& more);

}  // namespace assay::model
