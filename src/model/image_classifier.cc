#include "model/image_classifier.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/file.h"
#include "base/sha256.h"
#include "model/image_network.h"
#include "model/image_spec.h"
#include "model/torchscript_classifier.h"

namespace assay::model {
namespace {

using base::ErrorKind;
using base::Fail;
namespace fs = std::filesystem;

// Logarithms of what another classifier gives. A probability of 0 counts as the smallest float, and
// has no gradient.
class LogProbabilities : public ImageClassifier {
 public:
  explicit LogProbabilities(std::unique_ptr<ImageClassifier> inner) : inner_(std::move(inner)) {
    spec_ = inner_->spec();
    spec_.gives_probabilities = true;
  }
  at::Tensor Logits(const at::Tensor& images) const override {
    return Logarithms(inner_->Logits(images));
  }
  std::optional<FeatureMaps> LogitsWithFeatures(const at::Tensor& images) const override {
    auto found = inner_->LogitsWithFeatures(images);
    if (found) found->logits = Logarithms(found->logits);
    return found;
  }

 private:
  static at::Tensor Logarithms(const at::Tensor& probabilities) {
    return probabilities.clamp_min(std::numeric_limits<float>::min()).log();
  }

  std::unique_ptr<ImageClassifier> inner_;
};

// Wraps `inner` only to give it class names.
class Renamed : public ImageClassifier {
 public:
  Renamed(std::unique_ptr<ImageClassifier> inner, std::vector<std::string> names)
      : inner_(std::move(inner)) {
    spec_ = inner_->spec();
    spec_.class_names = std::move(names);
  }
  at::Tensor Logits(const at::Tensor& images) const override { return inner_->Logits(images); }
  std::optional<FeatureMaps> LogitsWithFeatures(const at::Tensor& images) const override {
    return inner_->LogitsWithFeatures(images);
  }

 private:
  std::unique_ptr<ImageClassifier> inner_;
};

// Whether rows are non-negative and sum to 1: no logits of a trained network are, over all probes.
bool AreProbabilities(const at::Tensor& rows) {
  return (rows >= 0).all().item<bool>() && ((rows.sum(1) - 1).abs() < 1e-3).all().item<bool>();
}

// Checks what comes out for the probes, and wraps the classifier where it needs it.
std::unique_ptr<ImageClassifier> Probe(std::unique_ptr<ImageClassifier> classifier,
                                       const fs::path& file) {
  const c10::NoGradGuard no_gradients;
  const at::Tensor logits = classifier->Logits(ProbeImages(classifier->spec()));
  if (classifier->spec().class_names.empty()) {
    std::vector<std::string> names;
    for (int64_t i = 0; i < logits.size(1); ++i) names.push_back(fmt::format("class {}", i));
    classifier = std::make_unique<Renamed>(std::move(classifier), std::move(names));
  }
  if (classifier->classes() < 2)
    Fail(ErrorKind::kBadInput, "{}: has {} class; expected 2 or more", file.string(),
         classifier->classes());
  if (AreProbabilities(logits)) return std::make_unique<LogProbabilities>(std::move(classifier));
  return classifier;
}

fs::path SidecarOf(const fs::path& file) { return fs::path(file).replace_extension(".json"); }

ImageSpec ReadSpec(const fs::path& file, const std::string& device) {
  const fs::path sidecar = SidecarOf(file);
  ImageSpec spec{.name = file.stem().string(), .any_size = true};
  if (fs::exists(sidecar)) {
    const nlohmann::json said = base::ReadJson(sidecar);
    spec = ParseSidecar(said, spec.name, sidecar);
    // FILE.pt and FILE.safetensors share a sidecar, whose hash is of the one it names.
    const bool of_this = !said.contains("file") || said["file"] == file.filename().string();
    if (!of_this) spec.declared_sha256.clear();
    if (!spec.declared_sha256.empty()) spec.sha256 = base::Sha256OfFile(file);
  }
  spec.device = device;
  return spec;
}

// The one model file of a folder.
fs::path FileIn(const fs::path& folder) {
  if (fs::exists(folder / "torchscript_model.pt")) return folder / "torchscript_model.pt";
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string extension = entry.path().extension().string();
    if (extension == ".pt" || extension == ".safetensors") found.push_back(entry.path());
  }
  if (found.size() == 1) return found.front();
  Fail(found.empty() ? ErrorKind::kNotFound : ErrorKind::kBadInput,
       "{}: the folder has {} files of weights (.pt, .safetensors); expected one", folder.string(),
       found.size());
}

std::unique_ptr<ImageClassifier> Open(const fs::path& file, const std::string& device) {
  if (file.extension() == ".safetensors") {
    ImageSpec spec = ReadSpec(file, device);
    auto network = std::make_shared<ImageNetwork>(LoadImageNetwork(file));
    network->To(device);
    const auto classes = network->config().classes;
    const auto named = static_cast<int64_t>(spec.class_names.size());
    if (named != 0 && named != classes) {
      Fail(ErrorKind::kBadInput, "{}: the sidecar names {} classes; the weights have {}",
           file.string(), named, classes);
    }
    spec.any_size = true;  // the built-in networks pool over any map
    return BuildClassifier(std::move(network), std::move(spec));
  }
  const fs::path config = file.parent_path() / "config.json";
  if (file.filename() == "torchscript_model.pt" && fs::exists(config) &&
      !fs::exists(SidecarOf(file))) {
    const std::string name = fs::absolute(file).parent_path().filename().string();
    WsinferConfig parsed = ParseWsinferConfig(base::ReadJson(config), name, config);
    parsed.spec.device = device;
    return LoadWsinfer(file, std::move(parsed));
  }
  return LoadTorchScript(file, ReadSpec(file, device));
}

}  // namespace

at::Tensor ProbeImages(const ImageSpec& spec) {
  const int64_t c = spec.channels, h = spec.height == 0 ? 64 : spec.height,
                w = spec.width == 0 ? 64 : spec.width;
  auto generator = at::make_generator<at::CPUGeneratorImpl>(20261125);
  const at::Tensor noise = at::rand({c, h, w}, generator);
  const at::Tensor flat = at::rand({c, 1, 1}, generator).expand({c, h, w});
  // Soft blobs: coarse noise, enlarged.
  const auto blobs = [&] {
    return at::upsample_bilinear2d(at::rand({1, c, 5, 5}, generator), {h, w}, true)[0];
  };
  const at::Tensor first = blobs(), second = blobs();
  return (at::stack({noise, flat, first, second}) * (spec.high - spec.low) + spec.low)
      .to(at::Device(spec.device));
}

void CheckImages(const ImageSpec& spec, const at::Tensor& images) {
  const bool any = spec.any_size;
  const bool fits = images.dim() == 4 && images.size(1) == spec.channels && images.size(0) > 0 &&
                    (any || spec.height == 0 || images.size(2) == spec.height) &&
                    (any || spec.width == 0 || images.size(3) == spec.width);
  if (!fits) {
    const auto size = [&](int pixels) {
      return any || pixels == 0 ? std::string("any") : std::to_string(pixels);
    };
    Fail(ErrorKind::kBadInput, "{}: images of shape [{}]; expected [B, {}, {}, {}]", spec.name,
         fmt::join(images.sizes().vec(), ", "), spec.channels, size(spec.height), size(spec.width));
  }
  if (images.scalar_type() != at::kFloat)
    Fail(ErrorKind::kBadInput, "{}: images of type {}; expected float32", spec.name,
         at::toString(images.scalar_type()));
  const auto [least, most] = at::aminmax(images.detach());
  const double low = least.item<double>(), high = most.item<double>();
  if (!std::isfinite(low) || !std::isfinite(high))  // a NaN anywhere makes both NaN
    Fail(ErrorKind::kBadInput, "{}: {} of {} image values are not finite", spec.name,
         at::isfinite(images.detach()).logical_not().sum().item<int64_t>(), images.numel());
  const double slack = 1e-4 * (spec.high - spec.low);
  if (!(low >= spec.low - slack && high <= spec.high + slack)) {
    Fail(ErrorKind::kBadInput, "{}: values from {} to {}; expected {} to {}", spec.name, low, high,
         spec.low, spec.high);
  }
}

void CheckLogits(const ImageSpec& spec, const at::Tensor& logits, int64_t batch) {
  const auto classes = static_cast<int64_t>(spec.class_names.size());
  const bool rows = logits.dim() == 2 && logits.size(0) == batch;
  if (rows && logits.size(1) == 1)
    Fail(ErrorKind::kBadInput,
         "{}: answers with one number an image; expected a logit for each of two classes or more. "
         "For a model with a single logit z, export one that returns [0, z]",
         spec.name);
  if (rows && classes != 0 && logits.size(1) != classes)
    Fail(ErrorKind::kBadInput, "{}: the sidecar names {} classes; the model answers with {}",
         spec.name, classes, logits.size(1));
  if (!rows) {
    Fail(ErrorKind::kBadInput, "{}: gives an output of shape [{}] for {} images; expected [{}, {}]",
         spec.name, fmt::join(logits.sizes().vec(), ", "), batch, batch,
         classes == 0 ? std::string("classes") : std::to_string(classes));
  }
  if (logits.scalar_type() != at::kFloat)
    Fail(ErrorKind::kBadInput, "{}: gives logits of type {}; expected float32", spec.name,
         at::toString(logits.scalar_type()));
  if (!at::isfinite(logits.detach()).all().item<bool>())
    Fail(ErrorKind::kBadInput, "{}: gives logits that are not finite", spec.name);
}

std::unique_ptr<ImageClassifier> LoadImageClassifier(const fs::path& path,
                                                     const std::string& device) {
  if (!fs::exists(path)) Fail(ErrorKind::kNotFound, "{}: no such file", path.string());
  const fs::path file = fs::is_directory(path) ? FileIn(path) : path;
  try {
    return Probe(Open(file, device), file);
  } catch (const c10::Error& error) {
    Fail(ErrorKind::kBadInput, "{}: cannot be used: {}", file.string(),
         error.what_without_backtrace());
  }
}

std::optional<std::string> WhyNotDifferentiable(const ImageClassifier& classifier) {
  const c10::AutoGradMode with_gradients(true);
  // Away from the ends of the range, where a module may clamp.
  const ImageSpec& spec = classifier.spec();
  at::Tensor images =
      (ProbeImages(spec) - spec.low) * 0.8 + 0.1 * (spec.high - spec.low) + spec.low;
  images = images.detach().requires_grad_(true);
  try {
    const at::Tensor logits = classifier.Logits(images);
    if (!logits.requires_grad()) return "the logits do not depend on the images by autograd";
    const at::Tensor weights = at::arange(logits.size(1), logits.options().requires_grad(false));
    (logits * weights).sum().backward();
  } catch (const c10::Error& error) {
    return fmt::format("backward fails: {}", error.what_without_backtrace());
  } catch (const std::exception& error) {
    return fmt::format("backward fails: {}", error.what());
  }
  const at::Tensor gradient = images.grad();
  if (!gradient.defined()) return "no gradient reaches the images";
  if (!at::isfinite(gradient).all().item<bool>()) return "some gradients are not finite";
  if ((gradient == 0).all().item<bool>()) return "all gradients are zero";
  return std::nullopt;
}

void CheckDifferentiable(const ImageClassifier& classifier) {
  if (const auto reason = WhyNotDifferentiable(classifier)) {
    Fail(ErrorKind::kUnsupported, "{}: the model is not differentiable: {}", classifier.spec().name,
         *reason);
  }
}

}  // namespace assay::model
