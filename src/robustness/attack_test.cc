#include "robustness/attack.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "robustness/attack_run.h"
#include "robustness/gradient_attack.h"
#include "robustness/robustness_testing.h"

namespace assay::robustness {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

struct Case {
  std::string attack, norm;
  double epsilon;
};
std::string CaseName(const testing::TestParamInfo<Case>& info) {
  return info.param.attack + "_" + info.param.norm;
}

AttackOptions OptionsOf(const Case& asked) {
  AttackOptions options;
  options.attack = asked.attack;
  options.norm = asked.norm;
  options.epsilon = asked.epsilon;
  options.steps = asked.attack == "bisection" ? 5 : 12;
  options.queries = 60;
  return options;
}

class EveryAttackTest : public testing::TestWithParam<Case> {
 protected:
  EveryAttackTest() { input_.labels = Answers(model_, input_.images); }
  AttackResult Run(const AttackOptions& options) const {
    return MakeAttack(options)->Run(model_, input_);
  }

  SmallNetwork model_{3, 4, 7};
  AttackInput input_{.images = Seeded({9, 3, 12, 10}, 1, false)};
  AttackOptions options_ = OptionsOf(GetParam());
};

TEST_P(EveryAttackTest, StaysInsideTheBallOfEachImageAndTheRangeOfImages) {
  input_.budget = at::linspace(0, options_.epsilon, 9, at::kDouble);
  const AttackResult result = Run(options_);
  const at::Tensor distance = measure::Distance(result.images.to(at::kDouble) - input_.images,
                                                measure::ParseNorm(options_.norm));
  EXPECT_TRUE((distance <= input_.budget * (1 + 1e-5) + 1e-6).all().item<bool>()) << distance;
  EXPECT_LT((distance - result.distance).abs().max().item<double>(), 1e-6);
  EXPECT_GE(result.images.min().item<float>(), 0);
  EXPECT_LE(result.images.max().item<float>(), 1);
}

TEST_P(EveryAttackTest, DescribesTheImagesItReturns) {
  const AttackResult result = Run(options_);
  const at::Tensor logits = model_.Logits(result.images);
  EXPECT_LT((logits - result.logits).abs().max().item<float>(), 1e-5);
  EXPECT_TRUE(at::equal(result.fooled, measure::Fooled(result.logits, input_.labels)));
  const at::Tensor rise = measure::Margin(result.logits, input_.labels) -
                          measure::Margin(model_.Logits(input_.images), input_.labels);
  EXPECT_GT(rise.max().item<double>(), 0.01) << "too weak to test anything";
  EXPECT_GT(result.calls.forwards, 9);
}

TEST_P(EveryAttackTest, LeavesItsArgumentsAlone) {
  const at::Tensor images = input_.images.clone(), labels = input_.labels.clone();
  Run(options_);
  EXPECT_TRUE(at::equal(images, input_.images));
  EXPECT_TRUE(at::equal(labels, input_.labels));
  EXPECT_FALSE(input_.images.requires_grad());
}

TEST_P(EveryAttackTest, SameSeedSameResultInAnyBatchAndOrder) {
  const AttackResult whole = Run(options_);
  EXPECT_TRUE(at::equal(whole.images, Run(options_).images));
  const auto attack = MakeAttack(options_);
  for (const int64_t batch : {1, 4}) {
    const auto parts = RunAttackInBatches(*attack, model_, input_, batch);
    EXPECT_LT((parts.result.images - whole.images).abs().max().item<float>(), 1e-5) << batch;
    EXPECT_TRUE(at::equal(parts.result.fooled, whole.fooled));
  }
  const AttackResult turned =
      attack->Run(model_, {.images = input_.images.flip(0), .labels = input_.labels.flip(0)});
  EXPECT_LT((turned.images.flip(0) - whole.images).abs().max().item<float>(), 1e-5);
}

TEST_P(EveryAttackTest, WrongImagesComeBackAsTheyAre) {
  if (options_.attack == "fgsm") GTEST_SKIP() << "FGSM always takes its step";
  input_.labels = (input_.labels + 1).remainder(4);
  const AttackResult result = Run(options_);
  EXPECT_TRUE(at::equal(result.images, input_.images));
  EXPECT_TRUE(result.fooled.all().item<bool>());
  EXPECT_EQ(result.distance.max().item<double>(), 0);
}

TEST_P(EveryAttackTest, AnEmptyBudgetChangesNothing) {
  options_.epsilon = 0;
  EXPECT_TRUE(at::equal(Run(options_).images, input_.images));
}

INSTANTIATE_TEST_SUITE_P(Attacks, EveryAttackTest,
                         testing::Values(Case{"fgsm", "linf", 0.3}, Case{"pgd", "linf", 0.2},
                                         Case{"pgd", "l2", 3}, Case{"pgd", "l1", 40},
                                         Case{"pgd", "rmse", 0.15}, Case{"apgd", "linf", 0.2},
                                         Case{"apgd", "l2", 3}, Case{"apgd", "l1", 40},
                                         Case{"apgd", "mae", 0.12}, Case{"square", "linf", 0.3},
                                         Case{"square", "l2", 4}, Case{"search", "linf", 0.4},
                                         Case{"ensemble", "linf", 0.2}, Case{"ensemble", "l2", 3},
                                         Case{"ddn", "l2", 50}, Case{"deepfool", "l2", 50},
                                         Case{"deepfool", "linf", 1}, Case{"bisection", "linf", 1},
                                         Case{"bisection", "l1", 100}),
                         CaseName);

// On a linear model the worst point of a ball inside the box is known.
TEST(LinearOracleTest, FgsmPgdAndApgdReachTheWorstMargin) {
  const LinearClassifier model(Seeded({2, 48}, 3), Seeded({2}, 4));
  AttackInput input{.images = 0.4 + 0.2 * Seeded({6, 3, 4, 4}, 5, false)};
  input.labels = Answers(model, input.images);
  const at::Tensor slope = (model.weights()[1] - model.weights()[0]).to(at::kDouble);
  const std::map<std::string, double> dual = {{"linf", slope.abs().sum().item<double>()},
                                              {"l2", slope.norm().item<double>()},
                                              {"l1", slope.abs().max().item<double>()}};
  for (const std::string attack : {"fgsm", "pgd", "apgd"}) {
    for (const auto& [norm, size] : dual) {
      AttackOptions options;
      options.attack = attack;
      options.norm = norm;
      options.objective = "margin";
      options.epsilon = 0.02;
      options.early_stop = false;
      options.random_start = false;
      if (attack == "fgsm" && norm == "l1") continue;  // one sparse step is no worst point
      const AttackResult result = MakeAttack(options)->Run(model, input);
      const at::Tensor expected =
          measure::Margin(model.Logits(input.images), input.labels) + 0.02 * size;
      EXPECT_LT((result.loss - expected).abs().max().item<double>(), 0.01 * 0.02 * size)
          << attack << " " << norm;
    }
  }
}

TEST(PgdTest, ReturnsTheBestIterateUnlessAskedForTheLast) {
  const SmallNetwork model(3, 3, 11);
  AttackInput input{.images = Seeded({8, 3, 8, 8}, 2, false)};
  input.labels = Answers(model, input.images);
  AttackOptions options;
  options.random_start = false;
  options.epsilon = 0.05;
  options.step = 0.05;
  options.steps = 7;
  options.early_stop = false;
  options.keep_trajectory = true;
  const AttackResult best = MakeAttack(options)->Run(model, input);
  options.last_iterate = true;
  const AttackResult last = MakeAttack(options)->Run(model, input);
  ASSERT_EQ(last.trajectory.images.size(), 7U);
  EXPECT_TRUE(at::equal(last.trajectory.images.back(), last.images));
  EXPECT_TRUE(at::equal(best.trajectory.images.back(), best.images));
  const at::Tensor all = at::stack(last.trajectory.loss);  // [steps, B]
  const at::Tensor first = measure::CrossEntropy(model.Logits(input.images), input.labels);
  // The largest loss among the fooling iterates, else among all.
  const at::Tensor fooled = [&] {
    std::vector<at::Tensor> steps;
    for (const at::Tensor& logits : last.trajectory.logits)
      steps.push_back(measure::Fooled(logits, input.labels));
    return at::stack(steps);
  }();
  const at::Tensor fooling = all.masked_fill(fooled.logical_not(), -1).amax(0);
  const at::Tensor expected = at::where(fooling >= 0, fooling, at::maximum(all.amax(0), first));
  EXPECT_LT((best.loss - expected).abs().max().item<double>(), 1e-6);
}

TEST(PgdTest, FooledImagesLeaveTheBatch) {
  const SmallNetwork model(3, 3, 11);
  AttackInput input{.images = Seeded({8, 3, 8, 8}, 2, false)};
  input.labels = Answers(model, input.images);
  AttackOptions options;
  options.epsilon = 0.3;
  options.steps = 20;
  const AttackResult early = MakeAttack(options)->Run(model, input);
  options.early_stop = false;
  const AttackResult whole = MakeAttack(options)->Run(model, input);
  EXPECT_TRUE(at::equal(early.fooled, whole.fooled));
  EXPECT_LT(early.calls.forwards, whole.calls.forwards / 2);
  EXPECT_EQ(whole.calls.forwards, 8 * (1 + 20 + 1));
  EXPECT_EQ(whole.calls.backwards, 8 * 20);
}

TEST(PgdTest, SaturatedModelsAreAttackedAsWellAsOthers) {
  const at::Tensor weights = Seeded({2, 48}, 3), bias = Seeded({2}, 4);
  AttackInput input{.images = 0.4 + 0.2 * Seeded({6, 3, 4, 4}, 5, false)};
  const LinearClassifier calm(weights, bias), sure(weights, bias, 5000);
  input.labels = Answers(calm, input.images);
  AttackOptions options;
  options.epsilon = 0.03;
  options.last_iterate = true;
  const AttackResult expected = MakeAttack(options)->Run(calm, input);
  const AttackResult found = MakeAttack(options)->Run(sure, input);
  EXPECT_LT((expected.images - found.images).abs().max().item<float>(), 1e-6);
}

TEST(PgdTest, RestartsNeverMakeItWeaker) {
  const SmallNetwork model(3, 4, 5);
  AttackInput input{.images = Seeded({12, 3, 8, 8}, 2, false)};
  input.labels = Answers(model, input.images);
  AttackOptions options;
  options.epsilon = 0.02;
  options.steps = 5;
  const AttackResult once = MakeAttack(options)->Run(model, input);
  options.restarts = 4;
  const AttackResult often = MakeAttack(options)->Run(model, input);
  EXPECT_TRUE((often.fooled.to(at::kLong) >= once.fooled.to(at::kLong)).all().item<bool>());
  const at::Tensor right = once.fooled.logical_not();
  EXPECT_TRUE((often.loss >= once.loss).logical_or(right.logical_not()).all().item<bool>());
}

TEST(TargetedTest, ReachesTheTargetAndNothingElseCounts) {
  const SmallNetwork model(3, 4, 7);
  AttackInput input{.images = Seeded({9, 3, 12, 10}, 1, false)};
  input.labels = Answers(model, input.images);
  input.targets = (input.labels + 1).remainder(4);
  for (const std::string objective : {"targeted", "targeted-margin"}) {
    AttackOptions options;
    options.attack = "apgd";
    options.objective = objective;
    options.epsilon = 0.5;
    const AttackResult result = MakeAttack(options)->Run(model, input);
    EXPECT_TRUE(at::equal(result.fooled, result.logits.argmax(1) == input.targets));
    EXPECT_GT(result.fooled.sum().item<int64_t>(), 4);
  }
}

class EnsembleTest : public testing::TestWithParam<int> {};

TEST_P(EnsembleTest, IsAtLeastAsStrongAsItsPartsForAnyNumberOfClasses) {
  const SmallNetwork model(3, GetParam(), 13);
  AttackInput input{.images = Seeded({10, 3, 8, 8}, 2, false)};
  input.labels = Answers(model, input.images);
  AttackOptions options;
  options.epsilon = 0.05;
  options.steps = 15;
  options.queries = 50;
  options.attack = "ensemble";
  const AttackResult all = MakeAttack(options)->Run(model, input);
  for (const std::string attack : {"apgd", "square"}) {
    options.attack = attack;
    const AttackResult part = MakeAttack(options)->Run(model, input);
    EXPECT_TRUE((all.fooled.to(at::kLong) >= part.fooled.to(at::kLong)).all().item<bool>());
  }
  EXPECT_LT(measure::Distance(all.images - input.images, Norm::kLinf).max().item<float>(),
            0.05 + 1e-6);
}
INSTANTIATE_TEST_SUITE_P(Classes, EnsembleTest, testing::Values(2, 3, 4, 12));

TEST(SquareTest, NeedsNoGradient) {
  const StepClassifier model(0.5);
  AttackInput input{.images = at::full({3, 3, 8, 8}, 0.49F), .labels = at::zeros({3}, at::kLong)};
  AttackOptions options;
  options.attack = "square";
  options.epsilon = 0.1;
  EXPECT_TRUE(MakeAttack(options)->Run(model, input).fooled.all().item<bool>());
  options.attack = "pgd";
  EXPECT_THAT(ErrorMessage([&] { MakeAttack(options)->Run(model, input); }),
              HasSubstr("carry no gradient"));
}

TEST(SquareTest, IsWhatIsLeftOfTheEnsembleWithoutGradients) {
  const StepClassifier model(0.5);
  AttackInput input{.images = at::full({3, 3, 8, 8}, 0.49F), .labels = at::zeros({3}, at::kLong)};
  AttackOptions options;
  options.attack = "ensemble";
  options.epsilon = 0.1;
  const AttackResult result = MakeAttack(options)->Run(model, input);
  EXPECT_TRUE(result.fooled.all().item<bool>());
  EXPECT_EQ(result.calls.backwards, 0);
  EXPECT_FALSE(result.health.search_beats_gradient);  // there was none to beat
  ASSERT_EQ(result.health.Flags().size(), 1U);
  EXPECT_THAT(result.health.Flags()[0], HasSubstr("gives no gradients"));
  options.norm = "l1";
  EXPECT_THAT(ErrorMessage([&] { MakeAttack(options)->Run(model, input); }), HasSubstr("not l1"));
}

TEST(SearchTest, GivingUpSparesCallsOnImagesFarFromFooledOnly) {
  const LinearClassifier model(Seeded({3, 48}, 3), Seeded({3}, 4));
  AttackInput input{.images = 0.4 + 0.2 * Seeded({40, 3, 4, 4}, 5, false)};
  input.labels = Answers(model, input.images);
  input.targets = (input.labels + 1).remainder(3);
  for (const char* objective : {"margin", "targeted"}) {
    AttackOptions options{.attack = "search", .objective = objective, .epsilon = 0.15};
    options.steps = 1;
    options.draws = 40;
    const auto run = [&](double give_up) {
      options.give_up = give_up;
      return MakeAttack(options)->Run(model, input);
    };
    const AttackResult full = run(0), spared = run(2), never = run(1e6);
    EXPECT_TRUE(at::equal(never.images, full.images));
    EXPECT_EQ(never.calls.forwards, full.calls.forwards);
    EXPECT_LT(spared.calls.forwards, full.calls.forwards);
    const at::Tensor kept = spared.fooled.nonzero().squeeze(1);
    EXPECT_GT(kept.size(0), 0);
    EXPECT_TRUE(at::equal(spared.images.index_select(0, kept), full.images.index_select(0, kept)));
    options.draws = 4;  // with the refinement, the five queries that every image gets
    EXPECT_TRUE(at::equal(run(2).images, run(0).images));
  }
}

// Gradients that are zero almost everywhere: pixels are rounded before a linear model.
class RoundingClassifier : public LinearClassifier {
 public:
  using LinearClassifier::LinearClassifier;
  at::Tensor Logits(const at::Tensor& images) const override {
    return LinearClassifier::Logits((images * 20).round() / 20);
  }
};

TEST(HealthTest, MaskedGradientsAreFlagged) {
  const RoundingClassifier model(Seeded({2, 48}, 3), at::zeros({2}));
  AttackInput input{.images = Seeded({6, 3, 4, 4}, 5, false)};
  input.labels = Answers(model, input.images);
  AttackOptions options;
  options.attack = "ensemble";
  options.epsilon = 0.3;
  options.random_start = false;
  options.steps = 10;
  const AttackHealth health = MakeAttack(options)->Run(model, input).health;
  EXPECT_TRUE(health.search_beats_gradient);
  EXPECT_GT(health.zero_gradient, 0);
  EXPECT_GT(health.flat_loss, 0);
  EXPECT_EQ(health.Flags().size(), 3U);
}

TEST(HealthTest, AnAttackThatWorksHasNoFlags) {
  const LinearClassifier model(Seeded({2, 48}, 3), at::zeros({2}));
  AttackInput input{.images = 0.4 + 0.2 * Seeded({6, 3, 4, 4}, 5, false)};
  input.labels = Answers(model, input.images);
  AttackOptions options;
  options.epsilon = 0.001;  // too little to fool all
  const AttackResult result = MakeAttack(options)->Run(model, input);
  EXPECT_FALSE(result.fooled.all().item<bool>());
  EXPECT_THAT(result.health.Flags(), IsEmpty());
}

TEST(AttackTest, BadInputIsNamed) {
  const SmallNetwork model(3, 4, 7);
  const auto message = [&](const AttackInput& input, const std::string& attack = "pgd") {
    AttackOptions options;
    options.attack = attack;
    return ErrorMessage([&] { MakeAttack(options)->Run(model, input); });
  };
  const at::Tensor images = Seeded({2, 3, 8, 8}, 1, false), labels = at::zeros({2}, at::kLong);
  EXPECT_THAT(message({.images = images * 255, .labels = labels}), HasSubstr("expected 0 to 1"));
  EXPECT_THAT(message({.images = images[0], .labels = labels}), HasSubstr("[B, C, H, W]"));
  EXPECT_THAT(message({.images = images, .labels = labels.narrow(0, 0, 1)}), HasSubstr("label"));
  EXPECT_THAT(message({.images = images, .labels = labels + 4}), HasSubstr("class 4"));
  EXPECT_THAT(message({.images = images.clone().fill_(NAN), .labels = labels}),
              HasSubstr("image values are not finite"));
}

TEST(AttackTest, OptionsThatDoNotGoTogetherAreRefused) {
  const auto message = [](auto&& change) {
    AttackOptions options;
    change(options);
    return ErrorMessage([&] { MakeAttack(options); });
  };
  EXPECT_THAT(message([](AttackOptions& o) { o.attack = "pdg"; }), HasSubstr("'pdg'"));
  EXPECT_THAT(message([](AttackOptions& o) { o.attack = "ddn"; }), HasSubstr("defined for l2"));
  EXPECT_THAT(message([](AttackOptions& o) { o.epsilon = -1; }), HasSubstr("--epsilon"));
  EXPECT_THAT(message([](AttackOptions& o) { o.optimizer = "adam"; }), HasSubstr("--step"));
  EXPECT_THAT(message([](AttackOptions& o) {
                o.attack = "ensemble";
                o.objective = "targeted";
              }),
              HasSubstr("no targeted form"));
}

}  // namespace
}  // namespace assay::robustness
