// Saliency: which pixels a classifier's logit of a class depends on. Gradient methods need a
// differentiable model, occlusion any model, Grad-CAM one that shows its feature maps (the built-in
// ones). Thread-safe as far as the model is.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "base/options.h"
#include "model/image_classifier.h"

namespace assay::measure {

// "gradient" (Simonyan 2013), "gradient-input", "integrated-gradients" (Sundararajan 2017),
// "smoothgrad" (Smilkov 2017), "grad-cam" (Selvaraju 2017), "occlusion" (Zeiler 2014).
std::vector<std::string> SaliencyMethods();

struct SaliencyOptions {
  std::string method = "gradient";
  // Integrated gradients: steps are doubled, for the images that need it, until the attributions
  // add up to the difference of the logits between image and baseline within the tolerance.
  std::string baseline = "white";  // empty glass; black; or the mean colour of the image
  double completeness = 0.01;      // relative error aimed at
  int max_steps = 4096;
  int samples = 25;     // SmoothGrad
  double noise = 0.15;  // SmoothGrad: standard deviation, as a share of the image's range
  int window_px = 8;    // occlusion: side of the square
  int stride_px = 4;    // occlusion
  uint64_t seed = 0;    // SmoothGrad
  template <typename Visitor>
  void VisitFields(Visitor&& visit) {
    visit("saliency", method, "saliency method", base::OneOf(SaliencyMethods()));
    visit("baseline", baseline, "where integrated gradients start",
          base::OneOf({"white", "black", "mean"}));
    visit("completeness", completeness, "relative completeness error aimed at",
          base::Between(1e-6, 1));
    visit("max-steps", max_steps, "most steps of integrated gradients", base::Between(8, 65536));
    visit("samples", samples, "samples of SmoothGrad", base::Between(1, 10000));
    visit("noise", noise, "noise of SmoothGrad, share of the range", base::Between(0, 1));
    visit("window-px", window_px, "side of the occluding square", base::Between(1, 4096));
    visit("stride-px", stride_px, "step of the occluding square", base::Between(1, 4096));
    visit("seed", seed, "of the noise");
  }
};

struct SaliencyMaps {
  at::Tensor map;                 // [B, H, W] float32, magnitudes
  at::Tensor attribution;         // [B, C, H, W] signed; undefined for Grad-CAM and occlusion
  at::Tensor completeness_error;  // [B] float64, relative; integrated gradients only
  std::vector<int> steps;         // [B], integrated gradients only
};

// Of the logit of classes[b]. images: [B, C, H, W] in the model's range; classes: [B] int64. An
// image's map does not depend on the others of the batch. Throws kUsage for options out of range,
// kUnsupported when the model is not differentiable or shows no feature maps (Grad-CAM).
SaliencyMaps ComputeSaliency(const model::ImageClassifier& model, const at::Tensor& images,
                             const at::Tensor& classes, const SaliencyOptions& options);

}  // namespace assay::measure
