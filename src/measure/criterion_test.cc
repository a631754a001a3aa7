#include "measure/criterion.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace assay::measure {
namespace {

using testing::HasSubstr;

at::Tensor Row(std::initializer_list<float> values) {
  return at::tensor(std::vector<float>(values)).unsqueeze(0);
}
at::Tensor Class(int64_t label) { return at::full({1}, label, at::kLong); }

class ObjectiveTest : public testing::TestWithParam<std::tuple<std::string, int>> {};

TEST_P(ObjectiveTest, GradientIsTheSlopeOfTheLoss) {
  const Objective objective = ParseObjective(std::get<0>(GetParam()));
  const int64_t classes = std::get<1>(GetParam());
  const at::Tensor logits = at::randn({6, classes}, at::make_generator<at::CPUGeneratorImpl>(3));
  const at::Tensor labels = at::arange(6, at::kLong).remainder(classes);
  const at::Tensor targets = (labels + 1).remainder(classes);
  const ObjectiveValue value = EvaluateObjective(objective, logits, labels, targets, Slope::kExact);
  const double step = 0x1p-10;
  for (int64_t k = 0; k < classes; ++k) {
    const at::Tensor move = at::zeros({classes}).index_fill(0, at::tensor({k}), step);
    const auto at_point = [&](double sign) {
      return EvaluateObjective(objective, logits + sign * move, labels, targets, Slope::kNone).loss;
    };
    const at::Tensor slope = (at_point(1) - at_point(-1)) / (2 * step);
    EXPECT_LT((slope - value.gradient.select(1, k)).abs().max().item<double>(), 1e-4);
  }
}

INSTANTIATE_TEST_SUITE_P(All, ObjectiveTest,
                         testing::Combine(testing::ValuesIn(ObjectiveNames()),
                                          testing::Values(2, 3, 5)));

TEST_P(ObjectiveTest, DirectionIsTheGradientUpToAFactorPerImage) {
  const Objective objective = ParseObjective(std::get<0>(GetParam()));
  const int64_t classes = std::get<1>(GetParam());
  const at::Tensor logits =
      3 * at::randn({6, classes}, at::make_generator<at::CPUGeneratorImpl>(4));
  const at::Tensor labels = at::arange(6, at::kLong).remainder(classes);
  const at::Tensor targets = (labels + 1).remainder(classes);
  const auto of = [&](Slope slope) {
    return EvaluateObjective(objective, logits, labels, targets, slope).gradient;
  };
  const at::Tensor exact = of(Slope::kExact), direction = of(Slope::kDirection);
  // DLR is flat where the answer is wrong and the label ranks third.
  const at::Tensor size = direction.abs().amax(1), flat = exact.abs().amax(1) == 0;
  EXPECT_LT((size - flat.logical_not().to(at::kDouble)).abs().max().item<double>(), 1e-9);
  EXPECT_LE(flat.sum().item<int64_t>(), 3);
  EXPECT_LT((exact - direction * exact.abs().amax(1, true)).abs().max().item<double>(), 1e-9);
}

TEST(CriterionTest, DirectionsSurviveAnyConfidence) {
  const auto value = EvaluateObjective(Objective::kCrossEntropy, Row({90000, 3, -1e4}), Class(0),
                                       {}, Slope::kDirection);
  EXPECT_DOUBLE_EQ(value.gradient[0][0].item<double>(), -1);
  EXPECT_DOUBLE_EQ(value.gradient[0][1].item<double>(), 1);
}

TEST(CriterionTest, ConfidentAnswersKeepTheirGradient) {
  // float32 has p(label) = 1 here, and p - 1 = 0.
  const auto value =
      EvaluateObjective(Objective::kCrossEntropy, Row({40, 0, -5}), Class(0), {}, Slope::kExact);
  EXPECT_NEAR(value.loss.item<double>() / std::exp(-40.0), 1, 0.01);
  EXPECT_NEAR(value.gradient[0][0].item<double>() / -std::exp(-40.0), 1, 0.01);
  EXPECT_NEAR(value.gradient.sum().item<double>(), 0, 1e-25);
}

TEST(CriterionTest, MarginIsPositiveExactlyWhenFooled) {
  EXPECT_DOUBLE_EQ(Margin(Row({1, 3, 2}), Class(0)).item<double>(), 2);
  EXPECT_DOUBLE_EQ(Margin(Row({1, 3, 2}), Class(1)).item<double>(), -1);
  EXPECT_TRUE(Fooled(Row({1, 3, 2}), Class(0)).item<bool>());
  EXPECT_FALSE(Fooled(Row({1, 3, 2}), Class(1)).item<bool>());
  EXPECT_FALSE(Fooled(Row({1, 3, 2}), Class(0), Class(2)).item<bool>());
  EXPECT_TRUE(Fooled(Row({1, 3, 2}), Class(0), Class(1)).item<bool>());
}

TEST(CriterionTest, DlrHasThePaperFormAndIsTheMarginForTwoClasses) {
  const auto dlr = [](const at::Tensor& logits, int64_t label) {
    return EvaluateObjective(Objective::kDlr, logits, Class(label), {}, Slope::kNone)
        .loss.item<double>();
  };
  EXPECT_DOUBLE_EQ(dlr(Row({5, 3, 1, 0}), 0), -2.0 / 4.0);
  EXPECT_DOUBLE_EQ(dlr(Row({5, 3, 1, 0}), 2), 4.0 / 4.0);
  EXPECT_DOUBLE_EQ(dlr(Row({5, 3}), 0), -2.0);
}

TEST(CriterionTest, BadInputIsNamed) {
  const auto message = [](auto&& call) -> std::string {
    try {
      call();
    } catch (const base::Error& error) {
      return error.what();
    }
    return "nothing was thrown";
  };
  EXPECT_THAT(message([] { Margin(Row({1, 2}), Class(2)); }), HasSubstr("class 2"));
  EXPECT_THAT(message([] { Margin(Row({1, NAN}), Class(0)); }), HasSubstr("not finite"));
  EXPECT_THAT(message([] { Margin(Row({1}), Class(0)); }), HasSubstr("classes >= 2"));
  EXPECT_THAT(
      message([] {
        EvaluateObjective(Objective::kTargeted, Row({1, 2}), Class(0), Class(0), Slope::kNone);
      }),
      HasSubstr("its own label"));
  EXPECT_THAT(message([] { ParseObjective("hinge"); }), HasSubstr("'hinge'"));
}

}  // namespace
}  // namespace assay::measure
