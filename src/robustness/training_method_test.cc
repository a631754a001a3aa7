#include "robustness/training_method.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/base_testing.h"
#include "robustness/robustness_testing.h"
#include "robustness/training_testing.h"

namespace assay::robustness {
namespace {

using testing::HasSubstr;

const model::ImageSpec kSpec{.class_names = {"dark", "bright"}, .any_size = true};

// A step on 12 toy images, against a network that has seen none.
class PerturberTest : public testing::Test {
 protected:
  TileBatch batch_ = Toy(12, 3, 4);
  std::shared_ptr<model::ImageNetwork> network_ = Network();
  std::unique_ptr<model::ImageClassifier> classifier_ = model::BuildClassifier(network_, kSpec);
  TrainStep step_{.network = *network_,
                  .classifier = *classifier_,
                  .images = batch_.images,
                  .labels = batch_.labels,
                  .seed = 3,
                  .step = 7};

  at::Tensor LossOf(const at::Tensor& images) const {  // [B]
    return measure::CrossEntropy(classifier_->Logits(images), batch_.labels);
  }
  at::Tensor DivergenceOf(const at::Tensor& images) const {  // [B]
    const at::Tensor clean = classifier_->Logits(batch_.images).log_softmax(1);
    return (clean.exp() * (clean - classifier_->Logits(images).log_softmax(1))).sum(1);
  }
  static TrainingMethodOptions Options(const std::string& method) { return {.method = method}; }
  static std::unique_ptr<BatchPerturber> Perturber(const TrainingMethodOptions& options) {
    return MakeTrainingMethod(options, 3, 8, 8).perturber;
  }
};

// image * gain + offset, whatever the parameters.
class AffineSpace : public ParameterSpace {
 public:
  AffineSpace(double gain, double offset) : gain_(gain), offset_(offset) {}
  std::string name() const override { return "affine"; }
  bool differentiable() const override { return false; }
  at::Tensor Identity(const at::Tensor& images) const override {
    return at::zeros({images.size(0), 1});
  }
  at::Tensor Low(const at::Tensor&) const override { return at::zeros({}); }
  at::Tensor High(const at::Tensor&) const override { return at::ones({}); }
  at::Tensor Scale(const at::Tensor&) const override { return {}; }
  at::Tensor Apply(const at::Tensor& images, const at::Tensor&) const override {
    return images * gain_ + offset_;
  }
  at::Tensor Draw(const at::Tensor& images, Norm, const at::Tensor&, std::span<const uint64_t>,
                  uint64_t) const override {
    return Identity(images);
  }

 private:
  double gain_, offset_;
};

std::vector<TrainingTransform> AffineTransforms() {
  return {{.name = "halve", .space = std::make_shared<AffineSpace>(0.5, 0)},
          {.name = "lift", .space = std::make_shared<AffineSpace>(0.5, 0.5)},
          {.name = "square", .space = std::make_shared<AffineSpace>(0.25, 0.1)}};
}

TEST(DrawSequencesTest, GivesEveryImageKDifferentTransforms) {
  const auto rows_of = DrawSequences(40, 5, 3, 1, 2);
  ASSERT_EQ(rows_of.size(), 3U);
  std::vector<std::vector<int>> count(40, std::vector<int>(5));
  for (const auto& place : rows_of) {
    ASSERT_EQ(place.size(), 5U);
    std::vector<int> seen(40);
    for (size_t t = 0; t < 5; ++t) {
      for (const int64_t row : place[t]) {
        ++seen[static_cast<size_t>(row)];
        ++count[static_cast<size_t>(row)][t];
      }
    }
    EXPECT_EQ(seen, std::vector<int>(40, 1));
  }
  for (const auto& of_row : count) {
    for (const int times : of_row) EXPECT_LE(times, 1);
  }
  EXPECT_EQ(rows_of, DrawSequences(40, 5, 3, 1, 2));
  EXPECT_NE(rows_of, DrawSequences(40, 5, 3, 1, 3));
}

TEST_F(PerturberTest, TransformsFollowOneAnotherInTheOrderOfEachImage) {
  const auto transforms = AffineTransforms();
  const at::Tensor out = MakeRandomPerturber(transforms, 2)->Perturb(step_);
  const auto rows_of = DrawSequences(12, 3, 2, step_.seed, step_.step);
  for (int64_t row = 0; row < 12; ++row) {
    at::Tensor expected = batch_.images[row];
    for (const auto& place : rows_of) {
      for (size_t t = 0; t < 3; ++t) {
        if (std::find(place[t].begin(), place[t].end(), row) != place[t].end())
          expected = transforms[t].space->Apply(expected, {});
      }
    }
    EXPECT_TRUE(at::equal(out[row], expected)) << row;
  }
}

TEST_F(PerturberTest, RandomTransformsDependOnSeedAndStepOnly) {
  const auto perturber = Perturber(Options("random"));
  const at::Tensor first = perturber->Perturb(step_);
  EXPECT_FALSE(at::equal(first, batch_.images));
  step_.step = 8;
  EXPECT_FALSE(at::equal(perturber->Perturb(step_), first));
  step_.step = 7;
  EXPECT_TRUE(at::equal(Perturber(Options("random"))->Perturb(step_), first));
}

TEST_F(PerturberTest, AdversarialTransformsRaiseTheLossOfEveryImage) {
  for (const char* how : {"auto", "search", "gradient"}) {
    TrainingMethodOptions options = Options("adversarial");
    options.perturb_by = how;
    const at::Tensor found = LossOf(Perturber(options)->Perturb(step_));
    // Unchanged is a candidate.
    EXPECT_TRUE((found >= LossOf(batch_.images)).all().item<bool>()) << how;
    EXPECT_GT(found.mean().item<double>(), LossOf(batch_.images).mean().item<double>()) << how;
    // Two gradient steps from the unchanged image need not reach as far as a draw from the range.
    if (std::string(how) == "gradient") continue;
    const at::Tensor drawn = LossOf(Perturber(Options("random"))->Perturb(step_));
    EXPECT_GT(found.mean().item<double>(), drawn.mean().item<double>()) << how;
  }
}

TEST_F(PerturberTest, ImagesThatAreWrongAlreadyAreMadeWorse) {
  batch_.labels = step_.labels = 1 - classifier_->Logits(batch_.images).argmax(1);
  const at::Tensor found = Perturber(Options("adversarial"))->Perturb(step_);
  const at::Tensor moved = (found - batch_.images).abs().flatten(1).amax(1) > 0;
  EXPECT_GE(moved.sum().item<int64_t>(), 8);  // some transforms cannot hurt some images
}

TEST_F(PerturberTest, FreeTrainingKeepsTheParametersOfABatchAndRaisesThem) {
  TrainingMethodOptions options = Options("free");
  options.transforms = "mean";
  options.free_step = 0.25;
  const auto perturber = Perturber(options);
  EXPECT_EQ(perturber->repeats(), 4);
  std::vector<at::Tensor> losses, offsets;
  for (step_.repeat = 0; step_.repeat < 4; ++step_.repeat) {
    const at::Tensor images = perturber->Perturb(step_);
    at::cross_entropy_loss(classifier_->Logits(images), batch_.labels).backward();
    perturber->Learn();
    losses.push_back(LossOf(images.detach()));
    offsets.push_back((images.detach() - batch_.images).flatten(1).median());
  }
  // The network stands still here, so what is left to change is the loss.
  EXPECT_GT(losses[3].mean().item<double>(), losses[0].mean().item<double>());
  for (const at::Tensor& offset : offsets)
    EXPECT_LE(std::abs(offset.item<double>()), 50.0 / 255 + 1e-6);
  // The next batch begins at random again.
  step_.repeat = 0;
  EXPECT_TRUE(at::allclose(LossOf(perturber->Perturb(step_).detach()), losses[0]));
}

TEST_F(PerturberTest, FreeTrainingNeedsGradients) {
  EXPECT_THAT(ErrorMessage([] { MakeFreePerturber(AffineTransforms(), 1, 2, 0.5); }),
              HasSubstr("halve has none"));
}

TEST_F(PerturberTest, PixelChangesStayWithinTheBudget) {
  for (const char* method : {"pgd", "trades"}) {
    TrainingMethodOptions options = Options(method);
    options.epsilon = 0.03;
    const at::Tensor out = Perturber(options)->Perturb(step_);
    EXPECT_LE((out - batch_.images).abs().max().item<double>(), 0.03 + 1e-6);
    EXPECT_GT((out - batch_.images).abs().mean().item<double>(), 0.01);
    EXPECT_GE(out.min().item<double>(), 0);
    EXPECT_LE(out.max().item<double>(), 1);
    options.norm = "l2";
    options.epsilon = 0.4;
    const at::Tensor round = Perturber(options)->Perturb(step_) - batch_.images;
    EXPECT_LE(round.flatten(1).norm(2, 1).max().item<double>(), 0.4 + 1e-5);
    EXPECT_FALSE(out.requires_grad());
  }
}

TEST_F(PerturberTest, PgdRaisesTheLossAndTradesTheDivergence) {
  TrainingMethodOptions options = Options("pgd");
  options.epsilon = 0.05;
  const at::Tensor start = (batch_.images + 0.05 * Seeded({12, 3, 8, 8}, 1).sign()).clamp(0, 1);
  const at::Tensor pgd = Perturber(options)->Perturb(step_);
  EXPECT_TRUE((LossOf(pgd) > LossOf(batch_.images)).all().item<bool>());
  EXPECT_TRUE((LossOf(pgd) > LossOf(start)).all().item<bool>());
  options.method = "trades";
  const at::Tensor trades = Perturber(options)->Perturb(step_);
  EXPECT_TRUE((DivergenceOf(trades) > DivergenceOf(start)).all().item<bool>());
}

TEST(TradesLossTest, IsCrossEntropyAndWeightedDivergence) {
  const at::Tensor clean = at::tensor({2.0, 0.5, -1.0, 0.25, 1.5, 0.0}).reshape({2, 3});
  const at::Tensor moved = at::tensor({1.0, 0.75, 0.0, 1.25, 0.5, -2.0}).reshape({2, 3});
  const std::vector<int64_t> labels = {0, 2};
  double expected = 0;
  for (int64_t i = 0; i < 2; ++i) {
    double z = 0, z_moved = 0;
    for (int64_t k = 0; k < 3; ++k) {
      z += std::exp(clean[i][k].item<double>());
      z_moved += std::exp(moved[i][k].item<double>());
    }
    expected -= std::log(std::exp(clean[i][labels[static_cast<size_t>(i)]].item<double>()) / z) / 2;
    for (int64_t k = 0; k < 3; ++k) {
      const double p = std::exp(clean[i][k].item<double>()) / z;
      const double q = std::exp(moved[i][k].item<double>()) / z_moved;
      expected += 6 * p * std::log(p / q) / 2;
    }
  }
  EXPECT_NEAR(TradesLoss(clean, moved, at::tensor(labels), 6, 0).item<double>(), expected, 1e-6);
}

TEST(TrainingMethodTest, UnusableOptionsAreNamed) {
  const auto error = [](const TrainingMethodOptions& options, int64_t channels = 3) {
    return ErrorMessage([&] { MakeTrainingMethod(options, channels, 8, 8); });
  };
  EXPECT_THAT(error({.method = "random", .transforms = "rotate,mean", .k = 3}),
              HasSubstr("--k is 3; --transforms names 2"));
  EXPECT_THAT(error({.method = "random", .transforms = ""}), HasSubstr("--transforms names 0"));
  EXPECT_THAT(error({.method = "random", .transforms = "rotat"}), HasSubstr("'rotat': unknown"));
  EXPECT_THAT(error({.method = "adversarial"}, 1), HasSubstr("these have 1 channels"));
  EXPECT_THAT(error({.method = "magic"}), HasSubstr("--method is 'magic'"));
}

TEST(TrainingMethodTest, FollowsReetInWhatIsSearchedAndHow) {
  const TrainingMethodOptions options;
  const TrainingTransform rotate = PlanTransform("rotate", options, 50, 50);
  EXPECT_EQ(rotate.attack.attack, "search");
  EXPECT_EQ(rotate.attack.draws, 5);
  EXPECT_EQ(rotate.attack.steps, 0);
  const TrainingTransform mean = PlanTransform("mean", options, 50, 50);
  EXPECT_EQ(mean.attack.attack, "pgd");
  EXPECT_EQ(mean.attack.optimizer, "rmsprop");
  EXPECT_EQ(mean.attack.steps, 2);
  EXPECT_NEAR(mean.attack.step, 5.0 / 255, 1e-9);
  const TrainingTransform stain = PlanTransform("stain", options, 50, 50);
  EXPECT_EQ(stain.attack.epsilon, 0.5);
  EXPECT_EQ(stain.attack.step, 0.05);
}

class MethodTest : public testing::TestWithParam<const char*> {
 protected:
  static std::unique_ptr<ClassifierTrainer> Make(std::shared_ptr<model::ImageNetwork> network,
                                                 const TrainingMethodOptions& options,
                                                 int64_t epochs = 3) {
    const ClassifierTrainOptions train{.epochs = epochs, .batch = 16, .rate = 0.05};
    return std::make_unique<ClassifierTrainer>(std::move(network), kSpec, Toy(64, 6, 1),
                                               Toy(24, 6, 2), train,
                                               MakeTrainingMethod(options, 3, 8, 8));
  }
  static TrainingMethodOptions Options(const std::string& method) {
    return {.method = method, .k = 2, .draws = 2, .repeats = 2, .attack_steps = 2};
  }
};

TEST_P(MethodTest, GoesOnFromACheckpointAsIfNeverInterrupted) {
  const base::TemporaryFolder folder;
  const auto whole = Network(), parts = Network(), resumed = Network();
  const auto straight = Make(whole, Options(GetParam()));
  while (!straight->Done()) straight->Epoch();
  const auto first = Make(parts, Options(GetParam()));
  first->Epoch();
  first->Save(folder.path() / "c");
  const auto second = Make(resumed, Options(GetParam()));
  second->Restore(folder.path() / "c");
  while (!second->Done()) second->Epoch();
  EXPECT_TRUE(SameWeights(*whole, *resumed));
  for (size_t i = 0; i < 3; ++i) {
    nlohmann::json one = straight->history()[i].ToJson(), other = second->history()[i].ToJson();
    one.erase("seconds");
    other.erase("seconds");
    EXPECT_EQ(one, other);
  }
  EXPECT_EQ(straight->best_epoch(), second->best_epoch());
  TrainingMethodOptions another = Options(GetParam());
  another.draws = 3;
  EXPECT_THAT(ErrorMessage([&] { Make(Network(), another)->Restore(folder.path() / "c"); }),
              HasSubstr("no checkpoint of this training"));
}

TEST_P(MethodTest, LearnsAndChoosesTheEpochOnPerturbedTiles) {
  const bool plain = std::string(GetParam()) == "standard";
  TrainingMethodOptions options = Options(GetParam());
  options.transforms = "rotate,blur";  // which do not hide what is to be learnt
  const auto network = Network();
  const auto trainer = Make(network, options, 6);
  while (!trainer->Done()) trainer->Epoch();
  EXPECT_GT(trainer->history().back().validation_accuracy, 0.9);
  double best = 0;
  for (const EpochPoint& point : trainer->history()) {
    EXPECT_EQ(point.perturbed_accuracy.has_value(), !plain);
    best = std::max(best, point.perturbed_accuracy.value_or(point.validation_accuracy));
  }
  const EpochPoint& chosen = trainer->history()[static_cast<size_t>(trainer->best_epoch() - 1)];
  EXPECT_EQ(chosen.perturbed_accuracy.value_or(chosen.validation_accuracy), best);
}

INSTANTIATE_TEST_SUITE_P(Methods, MethodTest,
                         testing::Values("standard", "random", "adversarial", "free", "pgd",
                                         "trades"),
                         [](const auto& method) { return std::string(method.param); });

TEST_F(MethodTest, FreeWithoutRepeatsIsRandomAugmentation) {
  const auto free = Network(), random = Network(), standard = Network();
  TrainingMethodOptions once = Options("free");
  once.repeats = 1;
  Make(free, once)->Epoch();
  Make(random, Options("random"))->Epoch();
  Make(standard, Options("standard"))->Epoch();
  EXPECT_TRUE(SameWeights(*free, *random));
  EXPECT_FALSE(SameWeights(*free, *standard));
}

TEST_F(MethodTest, PixelTrainingWithoutABudgetIsStandardTraining) {
  const auto pgd = Network(), standard = Network();
  TrainingMethodOptions options = Options("pgd");
  options.epsilon = 0;
  Make(pgd, options)->Epoch();
  Make(standard, Options("standard"))->Epoch();
  EXPECT_TRUE(SameWeights(*pgd, *standard));
}

}  // namespace
}  // namespace assay::robustness
