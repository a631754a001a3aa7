#include "robustness/energy.h"

#include <ATen/ATen.h>

#include "measure/distance.h"
#include "measure/image_similarity.h"

namespace assay::robustness {

std::vector<std::pair<std::string, at::Tensor>> ImageEnergies::Named() const {
  return {{"rmse_grey", rmse * 255},
          {"mean_abs_grey", mean_abs * 255},
          {"l2_grey", l2 * 255},
          {"linf_grey", linf * 255},
          {"l0", l0},
          {"rmse", rmse},
          {"mean_abs", mean_abs},
          {"l2", l2},
          {"linf", linf},
          {"ssim", ssim},
          {"delta_e", delta_e}};
}

ImageEnergies MeasureEnergies(const at::Tensor& original, const at::Tensor& perturbed) {
  using measure::Distance;
  using measure::Norm;
  const at::Tensor delta = (perturbed - original).to(at::kDouble);
  ImageEnergies energies;
  energies.rmse = Distance(delta, Norm::kRmse);
  energies.mean_abs = Distance(delta, Norm::kMae);
  energies.l2 = Distance(delta, Norm::kL2);
  energies.linf = Distance(delta, Norm::kLinf);
  energies.l0 = (delta.abs() >= 0.5 / 255).to(at::kDouble).flatten(1).mean(1);
  energies.ssim = measure::Ssim(original, perturbed);
  energies.delta_e = measure::LargestColourDifference(original, perturbed);
  return energies;
}

}  // namespace assay::robustness
