#include "transforms/corruption.h"

#include <ATen/ATen.h>

#include "base/error.h"
#include "base/rng.h"
#include "transforms/transform.h"

namespace assay::transforms {

using base::ErrorKind;
using base::Fail;

const std::vector<Corruption>& Corruptions() {
  static const std::vector<Corruption> kSuite{
      {"blur", "blur", "sigma", "standard deviation, px", {0.5, 0.8, 1.2, 1.8, 2.6}},
      {"defocus", "defocus", "radius", "radius of the disc, px", {0.8, 1.2, 1.8, 2.6, 3.6}},
      {"resolution",
       "resolution",
       "factor",
       "width of a pixel in old ones",
       {1.25, 1.6, 2, 2.8, 4}},
      {"jpeg", "jpeg", "quality", "quality", {80, 50, 30, 15, 7}},
      {"noise",
       "noise",
       "sigma",
       "standard deviation, image value",
       {0.01, 0.02, 0.04, 0.07, 0.11}},
      {"sharpen", "sharpen", "amount", "amount", {0.5, 1, 1.75, 2.75, 4}},
      {"brighter", "brightness", "factor", "gain", {1.06, 1.12, 1.2, 1.3, 1.45}},
      {"darker", "brightness", "factor", "gain", {0.94, 0.88, 0.8, 0.7, 0.55}},
      {"contrast_loss", "contrast", "factor", "gain about the mean", {0.9, 0.8, 0.65, 0.5, 0.35}},
      {"gamma_dark", "gamma", "gamma", "exponent", {1.1, 1.25, 1.45, 1.7, 2}},
      {"gamma_light", "gamma", "gamma", "exponent", {0.9, 0.8, 0.7, 0.6, 0.5}},
      {"stain_pale", "hed", "alpha", "gain of all stains", {0.92, 0.84, 0.74, 0.62, 0.5}},
      {"stain_strong", "hed", "alpha", "gain of all stains", {1.08, 1.17, 1.3, 1.45, 1.65}},
      {"haematoxylin_weak",
       "hed",
       "alpha",
       "gain of haematoxylin",
       {0.9, 0.8, 0.65, 0.5, 0.3},
       {1, 0, 0}},
      {"eosin_weak", "hed", "alpha", "gain of eosin", {0.9, 0.8, 0.65, 0.5, 0.3}, {0, 1, 0}},
      // Haematoxylin turns red, eosin turns blue: a batch of other dyes.
      {"stain_shift",
       "random_stain",
       "weights",
       "change of the stain matrix, optical density",
       {0.03, 0.06, 0.1, 0.15, 0.22},
       {-1, 0.5, 1, 0.5, -1, 1, 0, 0, 0}},
  };
  return kSuite;
}

at::Tensor Corrupt(const at::Tensor& images, std::string_view name, int severity,
                   std::span<const int64_t> image_ids) {
  if (severity < 1 || severity > 5)
    Fail(ErrorKind::kUsage, "corruption '{}': severity is {}; expected 1 to 5", name, severity);
  if (images.dim() != 4 || images.size(0) != static_cast<int64_t>(image_ids.size()))
    Fail(ErrorKind::kUsage, "corruption '{}': images have shape [{}]; expected [{}, 3, H, W]", name,
         fmt::join(images.sizes(), ", "), image_ids.size());
  std::vector<std::string> names;
  for (const Corruption& corruption : Corruptions()) {
    names.push_back(corruption.name);
    if (corruption.name != name) continue;
    const auto transform = MakeTransform(corruption.transform);
    at::Tensor parameters =
        transform->Identity(images.size(0), images.size(2), images.size(3));  // [B, P]
    int64_t column = 0;
    for (const ParameterSpec& spec : transform->Parameters(images.size(2), images.size(3))) {
      for (int64_t e = 0; e < spec.Count(); ++e, ++column) {
        const auto& direction = corruption.direction;
        const double share = direction.size() == 1 ? direction[0] : direction[e % direction.size()];
        if (spec.name == corruption.parameter && share != 0) {
          parameters.select(1, column).fill_(
              corruption.severities[static_cast<size_t>(severity - 1)] * share);
        }
        if (spec.name != "seed") continue;  // the pattern of an image, the same at every severity
        for (size_t i = 0; i < image_ids.size(); ++i) {
          parameters[static_cast<int64_t>(i)][column] = static_cast<double>(
              base::Rng(0, "corruption", static_cast<uint64_t>(image_ids[i])).Below(1 << 24));
        }
      }
    }
    return transform->Apply(images, parameters.to(images.device()));
  }
  Fail(ErrorKind::kNotFound, "corruption '{}': unknown; expected one of: {}", name,
       fmt::join(names, ", "));
}

}  // namespace assay::transforms
