// Built-in image networks as files, and as classifiers.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/file.h"
#include "model/image_network.h"
#include "model/image_spec.h"
#include "model/safetensors.h"

namespace assay::model {
namespace {

using base::ErrorKind;
using base::Fail;
namespace fs = std::filesystem;

class NetworkClassifier : public ImageClassifier {
 public:
  NetworkClassifier(std::shared_ptr<const ImageNetwork> network, ImageSpec spec)
      : network_(std::move(network)) {
    spec_ = std::move(spec);
  }

  at::Tensor Logits(const at::Tensor& images) const override {
    CheckImages(spec_, images);
    at::Tensor logits = network_->Evaluate(images);
    CheckLogits(spec_, logits, images.size(0));
    return logits;
  }

  std::optional<FeatureMaps> LogitsWithFeatures(const at::Tensor& images) const override {
    CheckImages(spec_, images);
    auto found = network_->EvaluateWithFeatures(images);
    CheckLogits(spec_, found.logits, images.size(0));
    return FeatureMaps{std::move(found.logits), std::move(found.features)};
  }

  const ImageNetwork& network() const { return *network_; }

 private:
  std::shared_ptr<const ImageNetwork> network_;
};

// Sizes from the shapes of the tensors.
ImageNetworkConfig ConfigOf(const SafetensorsFile& file) {
  const auto shape = [&](const std::string& name) {
    const auto found = file.tensors().find(name);
    if (found == file.tensors().end())
      Fail(ErrorKind::kBadInput,
           "{}: has no tensor '{}'; expected a ResNet with torchvision's "
           "names or our CNN",
           file.name(), name);
    return found->second.shape;
  };
  const auto stem = shape("conv1.weight"), head = shape("fc.weight");
  if (stem.size() != 4 || head.size() != 2 || stem[0] < 1 || head[0] < 1)
    Fail(ErrorKind::kBadInput, "{}: conv1.weight has shape [{}], fc.weight [{}]", file.name(),
         fmt::join(stem, ", "), fmt::join(head, ", "));
  ImageNetworkConfig config{
      .width = stem[0], .imagenet_stem = stem[2] == 7, .classes = head[0], .channels = stem[1]};
  if (!file.Has("layer1.0.conv1.weight")) {
    config.block = BlockKind::kPlain;
    while (file.Has(fmt::format("conv{}.weight", config.depths.size() + 1)))
      config.depths.push_back(1);
    config.architecture = "cnn";
    return config;
  }
  config.block = file.Has("layer1.0.conv3.weight") ? BlockKind::kBottleneck : BlockKind::kBasic;
  for (int stage = 1; file.Has(fmt::format("layer{}.0.conv1.weight", stage)); ++stage) {
    int64_t blocks = 0;
    while (file.Has(fmt::format("layer{}.{}.conv1.weight", stage, blocks))) ++blocks;
    config.depths.push_back(blocks);
  }
  config.architecture =
      fmt::format("ResNet of [{}] blocks, width {}", fmt::join(config.depths, ", "), config.width);
  for (const std::string& name : ImageArchitectures()) {
    const ImageNetworkConfig known = ImageArchitecture(name, config.classes);
    if (known.block == config.block && known.depths == config.depths &&
        known.width == config.width && known.imagenet_stem == config.imagenet_stem) {
      config.architecture = name;
    }
  }
  return config;
}

nlohmann::json SidecarOf(const fs::path& file) {
  const fs::path sidecar = fs::path(file).replace_extension(".json");
  return fs::exists(sidecar) ? base::ReadJson(sidecar) : nlohmann::json::object();
}

std::vector<double> Normalisation(const SafetensorsFile& file, const nlohmann::json& sidecar,
                                  const char* key, int64_t channels) {
  std::vector<double> values;
  if (file.Has(key)) {
    const at::Tensor tensor = file.Read(key).to(at::kDouble).flatten().contiguous();
    values.assign(tensor.data_ptr<double>(), tensor.data_ptr<double>() + tensor.numel());
  } else if (sidecar.contains(key) && sidecar[key].is_array()) {
    for (const auto& value : sidecar[key]) {
      if (value.is_number()) values.push_back(value.get<double>());
    }
  } else {
    Fail(ErrorKind::kBadInput,
         "{}: neither a tensor nor the JSON sidecar says '{}', with which inputs are normalised",
         file.name(), key);
  }
  bool usable = static_cast<int64_t>(values.size()) == channels;
  for (const double value : values)
    usable = usable && std::isfinite(value) && (value > 0 || key == std::string("mean"));
  if (!usable) {
    Fail(ErrorKind::kBadInput, "{}: '{}' is [{}]; expected {} usable numbers", file.name(), key,
         fmt::join(values, ", "), channels);
  }
  return values;
}

}  // namespace

std::unique_ptr<ImageClassifier> BuildClassifier(std::shared_ptr<const ImageNetwork> network,
                                                 ImageSpec spec) {
  if (spec.class_names.empty()) {
    for (int64_t i = 0; i < network->config().classes; ++i)
      spec.class_names.push_back(fmt::format("class {}", i));
  }
  ASSAY_CHECK(static_cast<int64_t>(spec.class_names.size()) == network->config().classes);
  spec.channels = static_cast<int>(network->config().channels);
  return std::make_unique<NetworkClassifier>(std::move(network), std::move(spec));
}

const ImageNetwork* NetworkOf(const ImageClassifier& classifier) {
  const auto* built_in = dynamic_cast<const NetworkClassifier*>(&classifier);
  return built_in == nullptr ? nullptr : &built_in->network();
}

ImageNetwork LoadImageNetwork(const fs::path& path) {
  const SafetensorsFile file = SafetensorsFile::Open(path);
  const nlohmann::json sidecar = SidecarOf(path);
  ImageNetworkConfig config = ConfigOf(file);
  const std::vector<std::string> known = ImageArchitectures();
  const std::string named = sidecar.value("architecture", nlohmann::json()).is_string()
                                ? sidecar["architecture"].get<std::string>()
                                : "";
  if (std::find(known.begin(), known.end(), named) != known.end() && named != config.architecture) {
    Fail(ErrorKind::kBadInput, "{}: the sidecar says '{}'; the tensors are those of a {}",
         path.string(), named, config.architecture);
  }
  config.mean = Normalisation(file, sidecar, "mean", config.channels);
  config.std = Normalisation(file, sidecar, "std", config.channels);
  std::map<std::string, at::Tensor> tensors;
  for (const auto& [name, info] : file.tensors()) tensors[name] = file.Read(name);
  return {std::move(config), std::move(tensors), path.string()};
}

void SaveImageNetwork(const ImageNetwork& network, const ImageSpec& spec, const fs::path& file,
                      bool half, const nlohmann::json& more) {
  std::map<std::string, at::Tensor> tensors;
  for (const auto& [name, tensor] : network.Tensors())
    tensors[name] = tensor.to(half ? at::kHalf : at::kFloat);
  const ImageNetworkConfig& config = network.config();
  nlohmann::json sidecar = {
      {"file", file.filename().string()},
      {"format", fmt::format("safetensors, {}", half ? "float16" : "float32")},
      {"architecture", config.architecture},
      {"output", "logits [B, classes], no softmax"},
      {"task", spec.task},
      {"class_names", spec.class_names},
      {"input_range", {spec.low, spec.high}},
      {"input_shape", {"B", spec.channels, spec.height, spec.width}},
      {"any_size", spec.any_size},
      {"mean", config.mean},
      {"std", config.std}};
  if (spec.microns_per_pixel) sidecar["microns_per_pixel"] = *spec.microns_per_pixel;
  if (spec.clean_accuracy) {
    const std::string data = spec.clean_data.empty() ? "test" : spec.clean_data;
    sidecar["clean_accuracy"] = {{data, *spec.clean_accuracy}};
  }
  if (spec.demonstration) sidecar["demonstration"] = true;
  if (!more.is_null()) sidecar.update(more);
  WriteSafetensors(file, tensors, {{"architecture", config.architecture}});
  base::WriteFile(fs::path(file).replace_extension(".json"), sidecar.dump(1) + "\n");
}

}  // namespace assay::model
