#include "model/image_network.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <c10/core/GradMode.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <mutex>

#include "base/error.h"
#include "base/rng.h"

namespace assay::model {
namespace {

using base::ErrorKind;
using base::Fail;

constexpr double kNormEpsilon = 1e-5, kNormMomentum = 0.1;

// A convolution with its batch norm; torchvision's names without ".weight" and so on.
struct ConvLayer {
  std::string conv, norm;
  int64_t in = 0, out = 0, kernel = 3, stride = 1;
  bool is_shortcut = false;
};

// The layers of the blocks of one stage; `in` becomes the channels after it.
void AddStage(const ImageNetworkConfig& config, size_t stage, int64_t& in,
              std::vector<ConvLayer>& layers) {
  const bool bottleneck = config.block == BlockKind::kBottleneck;
  const int64_t planes = config.width << stage, out = bottleneck ? 4 * planes : planes;
  for (int64_t block = 0; block < config.depths[stage]; ++block) {
    const int64_t stride = stage > 0 && block == 0 ? 2 : 1;
    const std::string at = fmt::format("layer{}.{}.", stage + 1, block);
    if (bottleneck) {
      layers.push_back({at + "conv1", at + "bn1", in, planes, 1, 1});
      layers.push_back({at + "conv2", at + "bn2", planes, planes, 3, stride});
      layers.push_back({at + "conv3", at + "bn3", planes, out, 1, 1});
    } else {
      layers.push_back({at + "conv1", at + "bn1", in, planes, 3, stride});
      layers.push_back({at + "conv2", at + "bn2", planes, planes, 3, 1});
    }
    if (stride != 1 || in != out)
      layers.push_back({at + "downsample.0", at + "downsample.1", in, out, 1, stride, true});
    in = out;
  }
}

// In the order in which a forward pass needs them.
std::vector<ConvLayer> LayersOf(const ImageNetworkConfig& config) {
  std::vector<ConvLayer> layers;
  int64_t in = config.channels;
  if (config.block == BlockKind::kPlain) {
    for (size_t i = 0; i < config.depths.size(); ++i) {
      const int64_t out = config.width << i;
      layers.push_back(
          {fmt::format("conv{}", i + 1), fmt::format("bn{}", i + 1), in, out, 3, i == 0 ? 1 : 2});
      in = out;
    }
    return layers;
  }
  layers.push_back({"conv1", "bn1", in, config.width, config.imagenet_stem ? 7 : 3,
                    config.imagenet_stem ? 2 : 1});
  in = config.width;
  for (size_t stage = 0; stage < config.depths.size(); ++stage) AddStage(config, stage, in, layers);
  return layers;
}

// [B, C, H, W], normalised -> the last map [B, F, h, w]. apply(i, x) is layer i with its norm.
template <typename Apply>
at::Tensor Features(const ImageNetworkConfig& config, const std::vector<ConvLayer>& layers,
                    at::Tensor x, Apply&& apply) {
  size_t next = 0;
  if (config.block == BlockKind::kPlain) {
    while (next < layers.size()) {
      x = apply(next, x).relu_();
      ++next;
    }
    return x;
  }
  x = apply(next++, x).relu_();
  if (config.imagenet_stem) x = at::max_pool2d(x, {3, 3}, {2, 2}, {1, 1});
  const int convolutions = config.block == BlockKind::kBottleneck ? 3 : 2;
  while (next < layers.size()) {
    at::Tensor y = x;
    for (int i = 0; i < convolutions; ++i) {
      y = apply(next++, y);
      if (i + 1 < convolutions) y.relu_();
    }
    const bool projects = next < layers.size() && layers[next].is_shortcut;
    x = (y + (projects ? apply(next++, x) : x)).relu_();
  }
  return x;
}

at::Tensor Convolve(const at::Tensor& x, const ConvLayer& layer, const at::Tensor& weight,
                    const at::Tensor& bias) {
  const int64_t padding = layer.kernel / 2;
  return at::conv2d(x, weight, bias, {layer.stride, layer.stride}, {padding, padding});
}

// Channels last: about a tenth faster at 64 images, and never slower (classifier_bench).
at::Tensor Normalised(const at::Tensor& images, const at::Tensor& mean, const at::Tensor& std) {
  return (images.contiguous(at::MemoryFormat::ChannelsLast) - mean) / std;
}

using Shapes = std::vector<std::pair<std::string, std::vector<int64_t>>>;

Shapes ParameterShapes(const ImageNetworkConfig& config, const std::vector<ConvLayer>& layers) {
  Shapes out;
  for (const ConvLayer& layer : layers) {
    out.push_back({layer.conv + ".weight", {layer.out, layer.in, layer.kernel, layer.kernel}});
    out.push_back({layer.norm + ".weight", {layer.out}});
    out.push_back({layer.norm + ".bias", {layer.out}});
  }
  out.push_back({"fc.weight", {config.classes, layers.back().out}});
  out.push_back({"fc.bias", {config.classes}});
  return out;
}

Shapes BufferShapes(const std::vector<ConvLayer>& layers) {
  Shapes out;
  for (const ConvLayer& layer : layers) {
    out.push_back({layer.norm + ".running_mean", {layer.out}});
    out.push_back({layer.norm + ".running_var", {layer.out}});
  }
  return out;
}

at::Tensor PerChannel(std::vector<double> values, int64_t channels, double otherwise) {
  if (values.empty()) values.assign(static_cast<size_t>(channels), otherwise);
  ASSAY_CHECK(static_cast<int64_t>(values.size()) == channels);
  return at::tensor(values, at::kFloat).view({1, channels, 1, 1});
}

void CheckConfig(const ImageNetworkConfig& config) {
  ASSAY_CHECK(config.classes >= 1 && config.width >= 1 && !config.depths.empty());
  for (const double value : config.std) ASSAY_CHECK(value > 0);
}

}  // namespace

struct ImageNetwork::Folded {
  at::Tensor head_weight, head_bias;
  std::vector<at::Tensor> weights, biases;  // of each layer, batch norm folded in
};

struct ImageNetwork::Cache {
  std::mutex mutex;
  std::atomic<uint64_t> trained = 0;  // batch norm moves its statistics without telling autograd
  uint64_t version = 0;
  std::shared_ptr<const Folded> folded;
};

std::vector<std::string> ImageArchitectures() {
  return {"resnet18", "resnet18w16", "resnet50", "cnn"};
}

ImageNetworkConfig ImageArchitecture(const std::string& name, int64_t classes) {
  ImageNetworkConfig config{.architecture = name, .classes = classes};
  if (name == "resnet18" || name == "resnet18w16") {
    config.depths = {2, 2, 2, 2};
    if (name == "resnet18w16") {
      config.width = 16;
      config.imagenet_stem = false;
    }
  } else if (name == "resnet50") {
    config.block = BlockKind::kBottleneck;
    config.depths = {3, 4, 6, 3};
  } else if (name == "cnn") {
    config.block = BlockKind::kPlain;
    config.depths = {1, 1, 1, 1};
    config.width = 16;
    config.imagenet_stem = false;
  } else {
    Fail(ErrorKind::kUsage, "the architecture '{}' is not built in; expected one of: {}", name,
         fmt::join(ImageArchitectures(), ", "));
  }
  return config;
}

ImageNetwork::ImageNetwork(ImageNetworkConfig config, uint64_t seed)
    : config_(std::move(config)), cache_(std::make_shared<Cache>()) {
  CheckConfig(config_);
  const std::vector<ConvLayer> layers = LayersOf(config_);
  std::map<std::string, at::Tensor> tensors;
  uint64_t index = 0;
  for (const auto& [name, shape] : ParameterShapes(config_, layers)) {
    auto generator =
        at::make_generator<at::CPUGeneratorImpl>(base::Rng(seed, "image network", index++).Next());
    if (shape.size() == 4) {  // fan out, for ReLU
      const auto fan = static_cast<double>(shape[0] * shape[2] * shape[3]);
      tensors[name] = at::randn(shape, generator) * std::sqrt(2 / fan);
    } else if (name.starts_with("fc.")) {
      const double bound = 1 / std::sqrt(static_cast<double>(shape.back()));
      tensors[name] =
          name == "fc.bias" ? at::zeros(shape) : (at::rand(shape, generator) * 2 - 1) * bound;
    } else {
      tensors[name] = name.ends_with(".weight") ? at::ones(shape) : at::zeros(shape);
    }
  }
  for (const auto& [name, shape] : BufferShapes(layers))
    tensors[name] = name.ends_with("_var") ? at::ones(shape) : at::zeros(shape);
  Adopt(std::move(tensors), "random weights");
}

ImageNetwork::ImageNetwork(ImageNetworkConfig config, std::map<std::string, at::Tensor> tensors,
                           const std::string& where)
    : config_(std::move(config)), cache_(std::make_shared<Cache>()) {
  CheckConfig(config_);
  Adopt(std::move(tensors), where);
}

void ImageNetwork::Adopt(std::map<std::string, at::Tensor> tensors, const std::string& where) {
  const c10::InferenceMode not_inference(false);
  if (config_.mean.empty()) config_.mean.assign(static_cast<size_t>(config_.channels), 0);
  if (config_.std.empty()) config_.std.assign(static_cast<size_t>(config_.channels), 1);
  mean_ = PerChannel(config_.mean, config_.channels, 0);
  std_ = PerChannel(config_.std, config_.channels, 1);
  const std::vector<ConvLayer> layers = LayersOf(config_);
  const auto take = [&](const Shapes& shapes, bool with_gradients,
                        std::map<std::string, at::Tensor>& into) {
    for (const auto& [name, shape] : shapes) {
      const auto found = tensors.find(name);
      if (found == tensors.end())
        Fail(ErrorKind::kBadInput, "{}: has no tensor '{}' of {}", where, name,
             config_.architecture);
      if (found->second.sizes() != at::IntArrayRef(shape)) {
        Fail(ErrorKind::kBadInput, "{}: '{}' has shape [{}]; {} has [{}]", where, name,
             fmt::join(found->second.sizes().vec(), ", "), config_.architecture,
             fmt::join(shape, ", "));
      }
      at::Tensor value = found->second.detach().to(at::kFloat).clone();
      if (!at::isfinite(value).all().item<bool>())
        Fail(ErrorKind::kBadInput, "{}: '{}' has values that are not finite", where, name);
      into[name] = value.requires_grad_(with_gradients);
      tensors.erase(found);
    }
  };
  take(ParameterShapes(config_, layers), true, parameters_);
  take(BufferShapes(layers), false, buffers_);
  for (const auto& [name, tensor] : tensors) {
    if (!name.ends_with("num_batches_tracked") && name != "mean" && name != "std")
      Fail(ErrorKind::kBadInput, "{}: the tensor '{}' is none of {}", where, name,
           config_.architecture);
  }
}

std::shared_ptr<const ImageNetwork::Folded> ImageNetwork::FoldedWeights() const {
  uint64_t version = base::MixBits(cache_->trained);
  for (const auto* tensors : {&parameters_, &buffers_}) {
    for (const auto& [name, tensor] : *tensors) {
      version = base::MixBits(version ^ static_cast<uint64_t>(tensor._version())) +
                reinterpret_cast<uintptr_t>(tensor.unsafeGetTensorImpl());
    }
  }
  const std::lock_guard lock(cache_->mutex);
  if (cache_->folded && cache_->version == version) return cache_->folded;
  // Weights that are kept must serve later calls with gradients too.
  const c10::InferenceMode not_inference(false);
  const c10::NoGradGuard no_gradients;
  auto folded = std::make_shared<Folded>();
  for (const ConvLayer& layer : LayersOf(config_)) {
    const at::Tensor scale = parameters_.at(layer.norm + ".weight") /
                             (buffers_.at(layer.norm + ".running_var") + kNormEpsilon).sqrt();
    folded->weights.push_back((parameters_.at(layer.conv + ".weight") * scale.view({-1, 1, 1, 1}))
                                  .contiguous(at::MemoryFormat::ChannelsLast));
    folded->biases.push_back(parameters_.at(layer.norm + ".bias") -
                             buffers_.at(layer.norm + ".running_mean") * scale);
  }
  folded->head_weight = parameters_.at("fc.weight").detach();
  folded->head_bias = parameters_.at("fc.bias").detach();
  cache_->folded = folded;
  cache_->version = version;
  return folded;
}

ImageNetwork::WithFeatures ImageNetwork::EvaluateWithFeatures(const at::Tensor& images) const {
  const auto folded = FoldedWeights();
  const std::vector<ConvLayer> layers = LayersOf(config_);
  WithFeatures out;
  out.features = Features(config_, layers, Normalised(images, mean_, std_),
                          [&](size_t i, const at::Tensor& x) {
                            return Convolve(x, layers[i], folded->weights[i], folded->biases[i]);
                          });
  out.logits = at::linear(out.features.mean({2, 3}), folded->head_weight, folded->head_bias);
  return out;
}

at::Tensor ImageNetwork::Evaluate(const at::Tensor& images) const {
  return EvaluateWithFeatures(images).logits;
}

at::Tensor ImageNetwork::Train(const at::Tensor& images) {
  ++cache_->trained;
  const std::vector<ConvLayer> layers = LayersOf(config_);
  const at::Tensor features = Features(
      config_, layers, Normalised(images, mean_, std_), [&](size_t i, const at::Tensor& x) {
        const ConvLayer& layer = layers[i];
        return at::batch_norm(
            Convolve(x, layer, parameters_.at(layer.conv + ".weight"), {}),
            parameters_.at(layer.norm + ".weight"), parameters_.at(layer.norm + ".bias"),
            buffers_.at(layer.norm + ".running_mean"), buffers_.at(layer.norm + ".running_var"),
            /*training=*/true, kNormMomentum, kNormEpsilon, /*cudnn_enabled=*/true);
      });
  return at::linear(features.mean({2, 3}), parameters_.at("fc.weight"), parameters_.at("fc.bias"));
}

std::map<std::string, at::Tensor> ImageNetwork::Tensors() const {
  std::map<std::string, at::Tensor> out = buffers_;
  for (const auto& [name, tensor] : parameters_) out[name] = tensor.detach();
  return out;
}

void ImageNetwork::Set(const std::map<std::string, at::Tensor>& tensors) {
  const c10::NoGradGuard no_gradients;
  for (const auto& [name, value] : tensors) {
    const auto parameter = parameters_.find(name);
    at::Tensor into = parameter != parameters_.end() ? parameter->second : buffers_.at(name);
    ASSAY_CHECK(into.sizes() == value.sizes());
    into.copy_(value);
  }
}

void ImageNetwork::To(const std::string& device) {
  const at::Device to(device);
  for (auto& [name, tensor] : parameters_) tensor = tensor.detach().to(to).requires_grad_(true);
  for (auto& [name, tensor] : buffers_) tensor = tensor.to(to);
  mean_ = mean_.to(to);
  std_ = std_.to(to);
}

}  // namespace assay::model
