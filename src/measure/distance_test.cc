#include "measure/distance.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace assay::measure {
namespace {

at::Tensor Sample(at::IntArrayRef shape, uint64_t seed) {
  return at::randn(shape, at::make_generator<at::CPUGeneratorImpl>(seed));
}

TEST(DistanceTest, EqualsItsDefinition) {
  const at::Tensor delta = at::tensor({3.0F, -4.0F, 0.0F, 0.0F}).view({1, 1, 2, 2});
  const auto distance = [&](Norm norm) { return Distance(delta, norm).item<double>(); };
  EXPECT_FLOAT_EQ(distance(Norm::kLinf), 4);
  EXPECT_FLOAT_EQ(distance(Norm::kL2), 5);
  EXPECT_FLOAT_EQ(distance(Norm::kL1), 7);
  EXPECT_FLOAT_EQ(distance(Norm::kRmse), 2.5);
  EXPECT_FLOAT_EQ(distance(Norm::kMae), 1.75);
  EXPECT_FLOAT_EQ(distance(Norm::kL0), 0.5);
}

class ProjectionTest : public testing::TestWithParam<std::string> {
 protected:
  Norm norm_ = ParseNorm(GetParam());
  at::Tensor centre_ = Sample({5, 3, 4, 4}, 1).sigmoid();
  at::Tensor point_ = centre_ + Sample({5, 3, 4, 4}, 2) * 0.5;
  at::Tensor radius_ = at::tensor({0.0, 0.1, 0.3, 0.5, 1000.0}, at::kDouble);  // per image
  at::Tensor zero_ = at::zeros({}), one_ = at::ones({});
};

TEST_P(ProjectionTest, StaysInsideBallAndBoxOfEachImage) {
  const at::Tensor projected = ProjectToBallAndBox(point_, centre_, norm_, radius_, zero_, one_);
  const at::Tensor distance = Distance(projected - centre_, norm_).to(at::kDouble);
  EXPECT_TRUE((distance <= radius_ + 1e-6).all().item<bool>()) << distance << radius_;
  EXPECT_GE(projected.min().item<float>(), 0);
  EXPECT_LE(projected.max().item<float>(), 1);
  EXPECT_TRUE(at::equal(projected[4], point_[4].clamp(0, 1)));  // nothing to do but the box
}

TEST_P(ProjectionTest, IsIdempotentAndIndependentOfTheBatch) {
  const at::Tensor projected = ProjectToBallAndBox(point_, centre_, norm_, radius_, zero_, one_);
  const at::Tensor again = ProjectToBallAndBox(projected, centre_, norm_, radius_, zero_, one_);
  EXPECT_LT((again - projected).abs().max().item<float>(), 1e-5);
  for (int64_t b = 0; b < 5; ++b) {
    const at::Tensor alone = ProjectToBallAndBox(point_.narrow(0, b, 1), centre_.narrow(0, b, 1),
                                                 norm_, radius_.narrow(0, b, 1), zero_, one_);
    EXPECT_LT((alone[0] - projected[b]).abs().max().item<float>(), 1e-6);
  }
}

INSTANTIATE_TEST_SUITE_P(Norms, ProjectionTest, testing::ValuesIn(NormNames()),
                         [](const auto& norm) { return norm.param; });

// The simplex algorithm of Duchi et al. 2008, on one row.
std::vector<double> L1Oracle(std::vector<double> row, double radius) {
  std::vector<double> sorted;
  double total = 0;
  for (const double value : row) {
    sorted.push_back(std::abs(value));
    total += std::abs(value);
  }
  if (total <= radius) return row;
  std::sort(sorted.rbegin(), sorted.rend());
  double sum = 0, amount = 0;
  for (size_t i = 0; i < sorted.size(); ++i) {
    sum += sorted[i];
    const double candidate = (sum - radius) / static_cast<double>(i + 1);
    if (sorted[i] > candidate) amount = candidate;
  }
  for (double& value : row) value = std::copysign(std::max(std::abs(value) - amount, 0.0), value);
  return row;
}

TEST(L1ProjectionTest, EqualsTheSortingAlgorithm) {
  const at::Tensor delta = Sample({4, 20}, 5);
  const at::Tensor radius = at::tensor({0.5, 3.0, 10.0, 100.0}, at::kDouble);
  const at::Tensor projected = ProjectToBall(delta, Norm::kL1, radius);
  for (int64_t b = 0; b < 4; ++b) {
    std::vector<double> row;
    for (int64_t i = 0; i < 20; ++i) row.push_back(delta[b][i].item<double>());
    const auto expected = L1Oracle(row, radius[b].item<double>());
    for (int64_t i = 0; i < 20; ++i)
      EXPECT_NEAR(projected[b][i].item<double>(), expected[static_cast<size_t>(i)], 1e-5);
  }
}

TEST(L1ProjectionTest, SpendsTheBudgetDespiteTheBox) {
  // Nine of ten values cannot move up; a projection that clamps afterwards would lose their share.
  at::Tensor centre = at::ones({1, 10});
  centre[0][0] = 0;
  const at::Tensor projected = ProjectToBallAndBox(
      centre + 1, centre, Norm::kL1, at::full({1}, 0.5, at::kDouble), at::zeros({}), at::ones({}));
  EXPECT_NEAR((projected - centre).abs().sum().item<double>(), 0.5, 1e-5);
}

}  // namespace
}  // namespace assay::measure
