#include "robustness/item_at_strength.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "robustness/robustness_testing.h"

namespace assay::robustness {
namespace {

using testing::HasSubstr;

const StrengthChoice& Choice(const std::vector<StrengthChoice>& choices, const std::string& name) {
  for (const StrengthChoice& choice : choices) {
    if (choice.name == name) return choice;
  }
  base::Fail(base::ErrorKind::kInternal, "no choice {}", name);
}

TEST(ItemAtStrengthTest, ChoicesAreThePlanWithoutTheSearchForTheLeast) {
  EvaluationOptions options;
  options.attacks = "none";  // which items a run had does not matter
  options.transforms = "none";
  const auto choices = StrengthChoices(options, 3, 32, 32);
  EXPECT_GT(choices.size(), 15u);
  for (const StrengthChoice& choice : choices) {
    EXPECT_NE(choice.name, "least");
    EXPECT_GT(choice.usual, 0) << choice.name;
    EXPECT_GE(choice.most, choice.usual) << choice.name;
    EXPECT_FALSE(choice.axis.empty()) << choice.name;
  }
  EXPECT_NEAR(Choice(choices, "pgd").usual, 2, 1e-9);  // grey levels
  EXPECT_NEAR(Choice(choices, "stain").usual, 0.2, 1e-9);
  EXPECT_NEAR(Choice(choices, "rotate").most, 1, 1e-9);
  // Transforms are of RGB images.
  EXPECT_LT(StrengthChoices(options, 1, 32, 32).size(), 6u);
}

TEST(ItemAtStrengthTest, UsualStrengthIsThePlannedItem) {
  const EvaluationOptions options;
  const auto plan = PlanEvaluation(options, 3, 32, 32);
  for (const StrengthChoice& choice : StrengthChoices(options, 3, 32, 32)) {
    const PlannedItem item = ItemAtStrength(options, choice.name, choice.usual, 3, 32, 32);
    EXPECT_TRUE(item.budgets.empty());
    for (const PlannedItem& planned : plan) {
      if (planned.name != choice.name) continue;
      EXPECT_NEAR(item.attack.epsilon, planned.attack.epsilon, 1e-12) << choice.name;
      EXPECT_NEAR(item.attack.step, planned.attack.step, 1e-12) << choice.name;
      EXPECT_EQ(item.threat["norm"], planned.threat["norm"]) << choice.name;
    }
  }
}

TEST(ItemAtStrengthTest, BudgetAndItsDescriptionFollowTheStrength) {
  const EvaluationOptions options;
  const PlannedItem pgd = ItemAtStrength(options, "pgd", 0.5, 3, 32, 32);
  EXPECT_EQ(pgd.name, "pgd-at-0.5");
  EXPECT_EQ(pgd.title, "PGD, largest change (0.5)");
  EXPECT_NEAR(pgd.attack.epsilon, 0.5 / 255, 1e-12);
  EXPECT_NEAR(pgd.threat["grey_levels"].get<double>(), 0.5, 1e-9);
  EXPECT_EQ(pgd.threat["budget"], "largest change 0.5 grey levels");
  const PlannedItem pixel = ItemAtStrength(options, "pixel", 1, 3, 32, 32);
  EXPECT_NEAR(pixel.attack.epsilon, 1.0 / 255, 1e-12);
  EXPECT_EQ(pixel.threat["budget"], "RMSE 1 grey levels");
  const PlannedItem stain = ItemAtStrength(options, "stain", 0.05, 3, 32, 32);
  EXPECT_NEAR(stain.attack.epsilon, 0.05, 1e-12);
  EXPECT_EQ(stain.threat["budget"], "RMSE 0.05 of the stain matrix");
  const PlannedItem mean = ItemAtStrength(options, "mean", 0.5, 3, 32, 32);
  EXPECT_NEAR(mean.threat["grey_levels"].get<double>(), 25, 1e-9);
  EXPECT_EQ(mean.threat["budget"], "offset of 25 grey levels");
  const PlannedItem rotate = ItemAtStrength(options, "rotate", 0.25, 3, 32, 32);
  EXPECT_NEAR(rotate.attack.epsilon * rotate.strength_scale, 0.25, 1e-12);
  EXPECT_EQ(rotate.threat["budget"], "25 % of the transform's range");
}

TEST(ItemAtStrengthTest, StrengthsAndNamesThatCannotBeAreRefused) {
  EvaluationOptions options;
  const auto refused = [&](const std::string& name, double strength) {
    return ErrorMessage([&] { ItemAtStrength(options, name, strength, 3, 32, 32); });
  };
  EXPECT_THAT(refused("magic", 1), HasSubstr("magic"));
  EXPECT_THAT(refused("least", 1), HasSubstr("least"));
  EXPECT_THAT(refused("pgd", 0), HasSubstr("above 0"));
  EXPECT_THAT(refused("pgd", NAN), HasSubstr("above 0"));
  EXPECT_THAT(refused("pgd", 8.1), HasSubstr("at most 8"));
  EXPECT_THAT(refused("rotate", 1.1), HasSubstr("at most 1"));
  options.compat = "reet";
  EXPECT_THAT(refused("pixel", 1), HasSubstr("REET"));
}

}  // namespace
}  // namespace assay::robustness
