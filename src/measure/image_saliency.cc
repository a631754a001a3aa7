#include "measure/image_saliency.h"

#include <ATen/ATen.h>

#include <cmath>

#include "base/hash.h"
#include "base/rng.h"

namespace assay::measure {
namespace {

using base::ErrorKind;
using base::Fail;
using model::ImageClassifier;

constexpr int64_t kLargestBatch = 64;  // images of one forward in the methods that repeat an image

at::Tensor ClassLogits(const at::Tensor& logits, const at::Tensor& classes) {
  return logits.gather(1, classes.unsqueeze(1)).squeeze(1);  // [B]
}

struct Gradient {
  at::Tensor logit;  // [B] float64
  at::Tensor input;  // [B, C, H, W], d logit / d image
};

Gradient GradientOf(const ImageClassifier& model, const at::Tensor& images,
                    const at::Tensor& classes) {
  const at::Tensor leaf = images.detach().clone().requires_grad_(true);
  const at::Tensor logits = model.Logits(leaf);
  if (!logits.requires_grad()) {
    Fail(ErrorKind::kUnsupported,
         "{}: is not differentiable in its input; use occlusion for its saliency",
         model.spec().name);
  }
  const at::Tensor chosen = ClassLogits(logits, classes);
  chosen.sum().backward();
  return {chosen.detach().to(at::kDouble), leaf.grad()};
}

at::Tensor Magnitudes(const at::Tensor& attribution) { return attribution.abs().sum(1); }

at::Tensor Baseline(const at::Tensor& images, const std::string& kind,
                    const model::ImageSpec& spec) {
  if (kind == "white") return at::full_like(images, spec.high);
  if (kind == "black") return at::full_like(images, spec.low);
  return images.mean(at::IntArrayRef{2, 3}, true).expand_as(images).contiguous();
}

// Gauss-Legendre of two points in each of `steps` equal parts of [0, 1]: the same cost as the
// midpoint rule of 2 * steps, and exact for cubic paths.
std::vector<double> PathPlaces(int steps) {
  std::vector<double> places;
  const double half = 0.5 / std::sqrt(3.0);
  for (int i = 0; i < steps / 2; ++i) {
    for (const double offset : {-half, half})
      places.push_back((i + 0.5 + offset) / (static_cast<double>(steps) / 2));
  }
  return places;
}

struct IntegratedImage {
  at::Tensor attribution;  // [C, H, W] float32
  double error = 0;
  int steps = 0;
};

// image, baseline: [1, C, H, W]; of_class: [1].
IntegratedImage Integrate(const ImageClassifier& model, const at::Tensor& image,
                          const at::Tensor& baseline, const at::Tensor& of_class,
                          const SaliencyOptions& options) {
  const at::Tensor logits = model.Logits(at::cat({baseline, image}));
  const at::Tensor ends = ClassLogits(logits, of_class.expand({2})).to(at::kDouble);
  const double rise = (ends[1] - ends[0]).item<double>();
  // A difference far below a logit cannot be met relatively in float32.
  const double scale = std::max(std::abs(rise), 1e-3);
  IntegratedImage best;
  for (int steps = 32;; steps *= 2) {
    steps = std::min(steps, options.max_steps - options.max_steps % 2);
    at::Tensor sum = at::zeros_like(image, at::kDouble);
    const std::vector<double> places = PathPlaces(steps);
    for (size_t begin = 0; begin < places.size(); begin += kLargestBatch) {
      const auto count =
          std::min<int64_t>(kLargestBatch, static_cast<int64_t>(places.size() - begin));
      const at::Tensor at_places =
          at::tensor(std::vector<double>(places.begin() + static_cast<int64_t>(begin),
                                         places.begin() + static_cast<int64_t>(begin) + count))
              .to(image.dtype())
              .to(image.device())
              .reshape({count, 1, 1, 1});
      const at::Tensor path = baseline + at_places * (image - baseline);
      sum += GradientOf(model, path, of_class.expand({count})).input.to(at::kDouble).sum(0, true);
    }
    const at::Tensor attribution =
        (image - baseline).to(at::kDouble) * sum / static_cast<double>(places.size());
    const double error = std::abs(attribution.sum().item<double>() - rise) / scale;
    if (best.steps == 0 || error < best.error)
      best = {attribution.squeeze(0).to(image.dtype()), error, steps};
    if (error <= options.completeness || 2 * steps > options.max_steps) return best;
  }
}

SaliencyMaps IntegratedGradients(const ImageClassifier& model, const at::Tensor& images,
                                 const at::Tensor& classes, const SaliencyOptions& options) {
  const at::Tensor baselines = Baseline(images, options.baseline, model.spec());
  SaliencyMaps maps;
  std::vector<at::Tensor> attributions;
  std::vector<double> errors;
  for (int64_t i = 0; i < images.size(0); ++i) {
    IntegratedImage image = Integrate(model, images.narrow(0, i, 1), baselines.narrow(0, i, 1),
                                      classes.narrow(0, i, 1), options);
    attributions.push_back(std::move(image.attribution));
    errors.push_back(image.error);
    maps.steps.push_back(image.steps);
  }
  maps.attribution = at::stack(attributions);
  maps.completeness_error = at::tensor(errors, at::kDouble);
  maps.map = Magnitudes(maps.attribution);
  return maps;
}

SaliencyMaps SmoothGrad(const ImageClassifier& model, const at::Tensor& images,
                        const at::Tensor& classes, const SaliencyOptions& options) {
  std::vector<at::Tensor> attributions;
  for (int64_t i = 0; i < images.size(0); ++i) {
    const at::Tensor image = images.narrow(0, i, 1).contiguous();
    const at::Tensor stored = image.to(at::kCPU).contiguous();
    // The stream belongs to the image, not to its place in the batch.
    base::Rng rng(options.seed, "smoothgrad",
                  base::HashBytes({static_cast<const char*>(stored.data_ptr()), stored.nbytes()}));
    const double range = (image.max() - image.min()).item<double>();
    std::vector<float> noise(static_cast<size_t>(options.samples * image.numel()));
    for (float& value : noise) value = static_cast<float>(rng.Normal() * options.noise * range);
    // Within the model's range, which it may insist on.
    const at::Tensor noisy =
        (image + at::tensor(noise)
                     .reshape({options.samples, image.size(1), image.size(2), image.size(3)})
                     .to(image.device()))
            .clamp(model.spec().low, model.spec().high);
    at::Tensor sum = at::zeros_like(image);
    for (const at::Tensor& part : noisy.split(kLargestBatch)) {
      sum += GradientOf(model, part, classes.narrow(0, i, 1).expand({part.size(0)}))
                 .input.sum(0, true);
    }
    attributions.push_back(sum / options.samples);
  }
  SaliencyMaps maps;
  maps.attribution = at::cat(attributions);
  maps.map = Magnitudes(maps.attribution);
  return maps;
}

// ReLU of the feature maps weighted by the mean of their gradients, resized to the image.
SaliencyMaps GradCam(const ImageClassifier& model, const at::Tensor& images,
                     const at::Tensor& classes) {
  const at::Tensor leaf = images.detach().clone().requires_grad_(true);
  auto found = model.LogitsWithFeatures(leaf);
  if (!found) {
    Fail(ErrorKind::kUnsupported,
         "{}: shows no feature maps, which Grad-CAM needs; load it as a built-in architecture "
         "(safetensors) or use another saliency method",
         model.spec().name);
  }
  found->features.retain_grad();
  ClassLogits(found->logits, classes).sum().backward();
  const at::Tensor features = found->features.detach(), slope = found->features.grad();
  const at::Tensor weights = slope.mean(at::IntArrayRef{2, 3}, true);  // [B, D, 1, 1]
  const at::Tensor cam = (weights * features).sum(1, true).clamp_min(0);
  SaliencyMaps maps;
  maps.map = at::upsample_bilinear2d(cam, {images.size(2), images.size(3)}, false).squeeze(1);
  return maps;
}

// Places of a window along a side, the last one flush with the end.
std::vector<int64_t> WindowPlaces(int64_t side, int64_t window, int64_t stride) {
  std::vector<int64_t> places;
  for (int64_t at = 0; at + window < side; at += stride) places.push_back(at);
  places.push_back(std::max<int64_t>(0, side - window));
  return places;
}

// How much the logit falls when a square is filled with the image's mean colour; a pixel gets the
// mean over the squares that cover it. Rises count as 0: nothing there speaks for the class.
SaliencyMaps Occlusion(const ImageClassifier& model, const at::Tensor& images,
                       const at::Tensor& classes, const SaliencyOptions& options) {
  const int64_t height = images.size(2), width = images.size(3);
  const int64_t window = std::min<int64_t>({options.window_px, height, width});
  const at::Tensor fill = Baseline(images, "mean", model.spec());
  at::Tensor drop = at::zeros({images.size(0), height, width}, images.options());
  at::Tensor covered = at::zeros({height, width}, images.options());
  const at::Tensor whole = ClassLogits(model.Logits(images), classes);
  for (const int64_t top : WindowPlaces(height, window, options.stride_px)) {
    for (const int64_t left : WindowPlaces(width, window, options.stride_px)) {
      const auto square = [&](const at::Tensor& x) {
        return x.narrow(-2, top, window).narrow(-1, left, window);
      };
      at::Tensor hidden = images.clone();
      square(hidden).copy_(square(fill));
      const at::Tensor fall = whole - ClassLogits(model.Logits(hidden), classes);  // [B]
      square(drop).add_(fall.reshape({-1, 1, 1}));
      square(covered).add_(1);
    }
  }
  SaliencyMaps maps;
  maps.map = (drop / covered.clamp_min(1)).clamp_min(0);
  return maps;
}

}  // namespace

std::vector<std::string> SaliencyMethods() {
  return {"gradient",   "gradient-input", "integrated-gradients",
          "smoothgrad", "grad-cam",       "occlusion"};
}

SaliencyMaps ComputeSaliency(const ImageClassifier& model, const at::Tensor& images,
                             const at::Tensor& classes, const SaliencyOptions& options) {
  base::ValidateFields(options);
  if (images.dim() != 4 || images.size(0) == 0 || classes.dim() != 1 ||
      classes.size(0) != images.size(0)) {
    Fail(ErrorKind::kBadInput, "saliency needs images [B, C, H, W] and one class for each");
  }
  if (options.method == "integrated-gradients")
    return IntegratedGradients(model, images, classes, options);
  if (options.method == "smoothgrad") return SmoothGrad(model, images, classes, options);
  if (options.method == "grad-cam") return GradCam(model, images, classes);
  if (options.method == "occlusion") {
    const at::NoGradGuard no_gradients;
    return Occlusion(model, images, classes, options);
  }
  SaliencyMaps maps;
  maps.attribution = GradientOf(model, images, classes).input;
  if (options.method == "gradient-input") maps.attribution = maps.attribution * images;
  maps.map = Magnitudes(maps.attribution);
  return maps;
}

}  // namespace assay::measure
