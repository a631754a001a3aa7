#include "robustness/classifier_trainer.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/base_testing.h"
#include "robustness/training_testing.h"

namespace assay::robustness {
namespace {

using base::ErrorKind;
using testing::HasSubstr;

ClassifierTrainOptions Quick() { return {.epochs = 4, .batch = 16, .rate = 0.05}; }

std::unique_ptr<ClassifierTrainer> Make(std::shared_ptr<model::ImageNetwork> network,
                                        const ClassifierTrainOptions& options = Quick()) {
  return std::make_unique<ClassifierTrainer>(std::move(network), model::ImageSpec{.any_size = true},
                                             Toy(96, 6, 1), Toy(32, 6, 2), options);
}

template <typename Action>
base::Error ErrorOf(Action&& action) {
  try {
    action();
  } catch (const base::Error& error) {
    return error;
  }
  ADD_FAILURE() << "no error";
  return {ErrorKind::kInternal, ""};
}

TEST(ClassifierTrainerTest, LearnsAndKeepsTheBestEpoch) {
  const auto network = Network();
  const auto trainer = Make(network);
  while (!trainer->Done()) trainer->Epoch();
  double best = 0;
  for (const EpochPoint& point : trainer->history())
    best = std::max(best, point.validation_accuracy);
  EXPECT_GT(best, 0.95);
  EXPECT_LT(trainer->history().back().train_loss, 0.7 * trainer->history().front().train_loss);
  trainer->TakeBest();
  const TileBatch unseen = Toy(32, 6, 2);
  const double accuracy = (network->Evaluate(unseen.images).argmax(1) == unseen.labels)
                              .to(at::kFloat)
                              .mean()
                              .item<double>();
  EXPECT_NEAR(accuracy, best, 1e-6);
}

TEST(ClassifierTrainerTest, SameSeedSameWeights) {
  const auto a = Network(), b = Network(), c = Network();
  Make(a)->Epoch();
  Make(b)->Epoch();
  ClassifierTrainOptions other = Quick();
  other.seed = 2;
  Make(c, other)->Epoch();
  EXPECT_TRUE(SameWeights(*a, *b));
  EXPECT_FALSE(SameWeights(*a, *c));
}

TEST(ClassifierTrainerTest, GoesOnFromACheckpointAsIfNeverInterrupted) {
  const base::TemporaryFolder folder;
  const auto whole = Network(), parts = Network(), resumed = Network();
  const auto straight = Make(whole);
  while (!straight->Done()) straight->Epoch();
  const auto first = Make(parts);
  first->Epoch();
  first->Epoch();
  first->Save(folder.path() / "c");
  const auto second = Make(resumed);
  second->Restore(folder.path() / "c");
  EXPECT_EQ(second->epochs_done(), 2);
  while (!second->Done()) second->Epoch();
  EXPECT_TRUE(SameWeights(*whole, *resumed));
  EXPECT_EQ(straight->best_epoch(), second->best_epoch());
  straight->TakeBest();
  second->TakeBest();
  EXPECT_TRUE(SameWeights(*whole, *resumed));
  ClassifierTrainOptions other = Quick();
  other.rate = 0.01;
  EXPECT_THAT(ErrorOf([&] { Make(Network(), other)->Restore(folder.path() / "c"); }).what(),
              HasSubstr("no checkpoint of this training"));
}

// Black images; counts what it is asked.
class BlackPerturber : public BatchPerturber {
 public:
  explicit BlackPerturber(int64_t& calls, int64_t repeats) : calls_(calls), repeats_(repeats) {}
  int64_t repeats() const override { return repeats_; }
  at::Tensor Perturb(const TrainStep& step) override {
    EXPECT_EQ(step.step * repeats_ + step.repeat, calls_++);
    EXPECT_EQ(step.images.size(0), 16);
    // The classifier is the network as it stands, without gradients for its weights.
    const at::Tensor images = step.images.clone().requires_grad_(true);
    step.classifier.Logits(images).sum().backward();
    EXPECT_TRUE(images.grad().defined());
    for (const auto& [name, tensor] : step.network.parameters())
      EXPECT_FALSE(tensor.grad().defined());
    return at::zeros_like(step.images);
  }

 private:
  int64_t& calls_;
  int64_t repeats_;
};

TEST(ClassifierTrainerTest, AMethodChangesImagesAndLoss) {
  int64_t calls = 0;
  TrainingMethod method;
  method.perturber = std::make_unique<BlackPerturber>(calls, 2);
  method.loss = [](const TrainStep& step, const at::Tensor& images, double label_smoothing) {
    EXPECT_EQ(images.sum().item<double>(), 0);
    EXPECT_EQ(label_smoothing, 0);
    at::Tensor logits = step.network.Train(images);
    at::Tensor loss = logits.square().mean();
    return TrainLoss{loss, logits};
  };
  const auto a = Network(), b = Network();
  ClassifierTrainer trainer(a, model::ImageSpec{.any_size = true}, Toy(96, 6, 1), Toy(32, 6, 2),
                            Quick(), std::move(method));
  trainer.Epoch();
  EXPECT_EQ(calls, 12);
  Make(b)->Epoch();
  EXPECT_FALSE(SameWeights(*a, *b));
}

TEST(ClassifierTrainerTest, StopsWhenPatienceRunsOut) {
  ClassifierTrainOptions options = Quick();
  options.epochs = 50;
  options.patience = 2;
  options.rate = 1e-8;  // nothing changes but the running statistics
  const auto trainer = Make(Network(), options);
  while (!trainer->Done()) trainer->Epoch();
  EXPECT_LT(trainer->epochs_done(), 50);
  EXPECT_GE(trainer->epochs_done(), 3);
}

TEST(ClassifierTrainerTest, TrainingThatOverflowsStops) {
  ClassifierTrainOptions options = Quick();
  options.rate = 100;
  options.momentum = 0.9999;
  options.weight_decay = 10;
  const auto trainer = Make(Network(), options);
  EXPECT_THAT(ErrorOf([&] {
                while (!trainer->Done()) trainer->Epoch();
              }).what(),
              HasSubstr("not finite"));
}

TEST(ClassifierTrainerTest, UnusableTilesAreNamed) {
  const model::ImageSpec spec{.any_size = true};
  const auto error = [&](TileBatch train, const TileBatch& validation) {
    return std::string(ErrorOf([&] {
                         ClassifierTrainer(Network(), spec, std::move(train), validation, Quick());
                       }).what());
  };
  TileBatch one_class = Toy(40, 4, 1);
  one_class.labels.zero_();
  EXPECT_THAT(error(one_class, Toy(8, 2, 2)),
              HasSubstr("the class 'class 1' has no training tile"));
  EXPECT_THAT(error(Toy(8, 2, 1), Toy(8, 2, 2)), HasSubstr("there are 8 training tiles"));
  TileBatch wrong = Toy(40, 4, 1);
  wrong.infos[3].label = 7;
  EXPECT_THAT(error(wrong, Toy(8, 2, 2)), HasSubstr("training tile 3: has the label 7"));
  ClassifierTrainOptions options = Quick();
  options.batch = 1;
  EXPECT_EQ(ErrorOf([&] { Make(Network(), options); }).kind(), ErrorKind::kUsage);
}

}  // namespace
}  // namespace assay::robustness
