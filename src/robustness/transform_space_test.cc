#include "robustness/transform_space.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "robustness/attack.h"
#include "robustness/robustness_testing.h"

namespace assay::robustness {
namespace {

using testing::HasSubstr;

std::shared_ptr<const ParameterSpace> SpaceOf(const std::string& name,
                                              const TransformSpaceOptions& options = {}) {
  return MakeTransformSpace(transforms::MakeTransform(name), options);
}

struct SpaceCase {
  std::string transform, attack;
};

class TransformAttackTest : public testing::TestWithParam<SpaceCase> {
 protected:
  TransformAttackTest() { input_.labels = Answers(model_, input_.images); }
  SmallNetwork model_{3, 3, 21};
  AttackInput input_{.images = 0.2 + 0.6 * Seeded({6, 3, 16, 16}, 9, false)};
  std::shared_ptr<const ParameterSpace> space_ = SpaceOf(GetParam().transform);
  AttackOptions Options() const {
    AttackOptions options;
    options.attack = GetParam().attack;
    options.epsilon = 1;  // half ranges: the whole range
    options.steps = 15;
    options.early_stop = false;
    return options;
  }
};

TEST_P(TransformAttackTest, RaisesTheLossWithinTheRange) {
  const AttackResult result = MakeAttack(Options(), space_)->Run(model_, input_);
  const at::Tensor clean = measure::CrossEntropy(model_.Logits(input_.images), input_.labels);
  EXPECT_TRUE((result.loss >= clean - 1e-6).all().item<bool>());
  EXPECT_GT((result.loss - clean).max().item<double>(), 1e-3);
  EXPECT_TRUE((result.parameters >= space_->Low(input_.images) - 1e-5).all().item<bool>());
  EXPECT_TRUE((result.parameters <= space_->High(input_.images) + 1e-5).all().item<bool>());
  EXPECT_LE(result.distance.max().item<double>(), 1 + 1e-5);
  const at::Tensor again = space_->Apply(input_.images, result.parameters);
  EXPECT_LT((again - result.images).abs().max().item<float>(), 1e-6);
}

TEST_P(TransformAttackTest, DoesNotDependOnTheBatch) {
  const auto attack = MakeAttack(Options(), space_);
  const AttackResult whole = attack->Run(model_, input_);
  for (int64_t b = 0; b < 6; ++b) {
    const AttackResult alone = attack->Run(
        model_, {.images = input_.images.narrow(0, b, 1), .labels = input_.labels.narrow(0, b, 1)});
    EXPECT_LT((alone.images[0] - whole.images[b]).abs().max().item<float>(), 1e-3);
  }
}

INSTANTIATE_TEST_SUITE_P(Transforms, TransformAttackTest,
                         testing::Values(SpaceCase{"stain", "pgd"}, SpaceCase{"mean", "apgd"},
                                         SpaceCase{"hed", "search"}, SpaceCase{"rotate", "search"},
                                         SpaceCase{"stain+mean", "pgd"}),
                         [](const auto& test) {
                           std::string name = test.param.transform + "_" + test.param.attack;
                           std::replace(name.begin(), name.end(), '+', '_');
                           return name;
                         });

TEST(TransformSpaceTest, ReetGradientAttackKeepsItsBudgetPerImage) {
  const SmallNetwork model(3, 3, 21);
  AttackInput input{.images = 0.2 + 0.6 * Seeded({6, 3, 16, 16}, 9, false)};
  input.labels = Answers(model, input.images);
  AttackOptions options;
  options.objective = "true-log-probability";
  options.optimizer = "rmsprop";
  options.norm = "rmse";
  options.epsilon = 0.2;
  options.step = 0.002;
  options.steps = 15;
  options.random_start = false;
  const AttackResult result =
      MakeAttack(options, SpaceOf("stain", {.bounded = false, .relative = false}))
          ->Run(model, input);
  EXPECT_LE(result.distance.max().item<double>(), 0.2 + 1e-6);
  EXPECT_GT(result.distance.max().item<double>(), 0.01);
}

TEST(TransformSpaceTest, PixelAttacksAreRefused) {
  AttackOptions options;
  options.attack = "square";
  EXPECT_THAT(ErrorMessage([&] { MakeAttack(options, SpaceOf("mean")); }),
              HasSubstr("attacks pixels, not mean"));
}

}  // namespace
}  // namespace assay::robustness
