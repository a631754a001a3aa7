#include "robustness/least_distance.h"

#include <gtest/gtest.h>

#include "robustness/robustness_testing.h"

namespace assay::robustness {
namespace {

// Away from the edges of the range the least distance of a linear model is |margin| / dual norm of
// the slope, over the rival classes.
class LinearLeastDistanceTest : public testing::TestWithParam<int> {
 protected:
  LinearLeastDistanceTest() : model_(Seeded({GetParam(), 48}, 3), Seeded({GetParam()}, 4) * 0.1) {
    input_.labels = Answers(model_, input_.images);
  }
  at::Tensor Exact(Norm norm) const {
    const at::Tensor logits = model_.Logits(input_.images).to(at::kDouble);
    at::Tensor least = at::full({8}, INFINITY, at::kDouble);
    for (int64_t b = 0; b < 8; ++b) {
      const auto label = input_.labels[b].item<int64_t>();
      for (int64_t k = 0; k < GetParam(); ++k) {
        if (k == label) continue;
        const at::Tensor slope = (model_.weights()[k] - model_.weights()[label]).to(at::kDouble);
        const at::Tensor dual = norm == Norm::kLinf ? slope.abs().sum()
                                : norm == Norm::kL2 ? slope.norm()
                                                    : slope.abs().max();
        least[b] = at::minimum(least[b], (logits[b][label] - logits[b][k]) / dual);
      }
    }
    return least;
  }
  void ExpectExact(const std::string& attack, const std::string& norm, double tolerance,
                   int steps = 0) const {
    AttackOptions options;
    options.attack = attack;
    options.norm = norm;
    options.epsilon = 20;
    options.steps = steps;
    const AttackResult result = MakeAttack(options)->Run(model_, input_);
    const at::Tensor exact = Exact(measure::ParseNorm(norm));
    EXPECT_TRUE(result.fooled.all().item<bool>());
    const at::Tensor ratio = result.distance / exact;
    EXPECT_GE(ratio.min().item<double>(), 1 - 1e-4) << "nearer than is possible";
    EXPECT_LE(ratio.max().item<double>(), 1 + tolerance) << ratio;
  }

  LinearClassifier model_;
  AttackInput input_{.images = 0.45 + 0.1 * Seeded({8, 3, 4, 4}, 5, false)};
};

TEST_P(LinearLeastDistanceTest, DdnFindsIt) { ExpectExact("ddn", "l2", 0.01); }
TEST_P(LinearLeastDistanceTest, DeepFoolFindsIt) {
  ExpectExact("deepfool", "l2", 0.02);
  ExpectExact("deepfool", "linf", 0.02);
}
TEST_P(LinearLeastDistanceTest, BisectionFindsItInEveryNorm) {
  ExpectExact("bisection", "linf", 0.03);
  ExpectExact("bisection", "l2", 0.03);
  // L1 needs all of its budget in one value, which the range of images forbids in general; see
  // below.
}
INSTANTIATE_TEST_SUITE_P(Classes, LinearLeastDistanceTest, testing::Values(2, 3, 6));

TEST(BisectionTest, L1PutsTheBudgetWhereItCounts) {
  at::Tensor weights = at::zeros({2, 48});
  weights[1] = at::linspace(0.1, 1, 48);
  const LinearClassifier model(weights, at::tensor({24.0F * 0.55F + 0.2F, 0.0F}));
  const AttackInput input{.images = at::full({1, 3, 4, 4}, 0.5F),
                          .labels = at::zeros({1}, at::kLong)};
  ASSERT_EQ(Answers(model, input.images).item<int64_t>(), 0);
  AttackOptions options;
  options.attack = "bisection";
  options.norm = "l1";
  options.epsilon = 10;
  const AttackResult result = MakeAttack(options)->Run(model, input);
  const double margin = -measure::Margin(model.Logits(input.images), input.labels).item<double>();
  ASSERT_LT(margin, 0.5);  // so that the heaviest value alone can do it
  EXPECT_NEAR(result.distance.item<double>() / margin, 1, 0.05);
}

TEST(LeastDistanceTest, WhatCannotBeFooledIsSaidToBe) {
  const LinearClassifier model(Seeded({2, 48}, 3) * 1e-3, at::tensor({100.0F, 0.0F}));
  const AttackInput input{.images = Seeded({3, 3, 4, 4}, 5, false),
                          .labels = at::zeros({3}, at::kLong)};
  for (const std::string attack : {"ddn", "deepfool", "bisection"}) {
    AttackOptions options;
    options.attack = attack;
    options.norm = "l2";
    options.epsilon = 1;
    options.steps = 5;
    const AttackResult result = MakeAttack(options)->Run(model, input);
    EXPECT_FALSE(result.fooled.any().item<bool>()) << attack;
    EXPECT_LE(result.distance.max().item<double>(), 1 + 1e-5);
  }
}

}  // namespace
}  // namespace assay::robustness
