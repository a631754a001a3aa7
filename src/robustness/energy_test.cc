#include "robustness/energy.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace assay::robustness {
namespace {

TEST(EnergyTest, KnownSizes) {
  const at::Tensor a = at::zeros({1, 3, 2, 2});
  at::Tensor b = at::zeros({1, 3, 2, 2});
  b[0][0][0][0] = 0.5;
  const ImageEnergies energies = MeasureEnergies(a, b);
  EXPECT_NEAR(energies.rmse.item<double>(), 0.5 / std::sqrt(12), 1e-7);
  EXPECT_NEAR(energies.mean_abs.item<double>(), 0.5 / 12, 1e-7);
  EXPECT_NEAR(energies.l2.item<double>(), 0.5, 1e-7);
  EXPECT_NEAR(energies.linf.item<double>(), 0.5, 1e-7);
  EXPECT_NEAR(energies.l0.item<double>(), 1.0 / 12, 1e-12);
  EXPECT_GT(energies.delta_e.item<double>(), 10);
}

}  // namespace
}  // namespace assay::robustness
