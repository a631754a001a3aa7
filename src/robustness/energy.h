// How large perturbations are, image by image. Thread-safe: pure functions.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <utility>
#include <vector>

namespace assay::robustness {

struct ImageEnergies {
  // [B] float64 each, of values in [0, 1].
  at::Tensor rmse, mean_abs, l2, linf;
  at::Tensor l0;       // share of values changed by half a grey level or more
  at::Tensor ssim;     // measure/image_similarity.h
  at::Tensor delta_e;  // largest CIELAB difference of a pixel

  // Every measure by the name of the report, those in grey levels (times 255) included.
  std::vector<std::pair<std::string, at::Tensor>> Named() const;
};

// original, perturbed: [B, C, H, W] in [0, 1].
ImageEnergies MeasureEnergies(const at::Tensor& original, const at::Tensor& perturbed);

}  // namespace assay::robustness
