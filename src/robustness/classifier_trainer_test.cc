#include "robustness/classifier_trainer.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "base/base_testing.h"

namespace assay::robustness {
namespace {

using base::ErrorKind;
using testing::HasSubstr;

// Dark and bright noise of 8 x 8 pixels, patients p0, p1, ...
TileBatch Toy(int64_t count, int64_t patients, uint64_t seed) {
  at::manual_seed(seed);
  TileBatch batch;
  std::vector<int64_t> labels;
  std::vector<at::Tensor> images;
  for (int64_t i = 0; i < count; ++i) {
    labels.push_back(i % 2);
    images.push_back(at::rand({3, 8, 8}) * 0.6 + 0.25 * static_cast<double>(i % 2));
    data::TileInfo info{.name = std::to_string(i), .label = i % 2};
    info.patient = fmt::format("p{}", i % patients);
    batch.infos.push_back(info);
  }
  batch.images = at::stack(images);
  batch.labels = at::tensor(labels, at::kLong);
  return batch;
}

ClassifierTrainOptions Quick() { return {.epochs = 4, .batch = 16, .rate = 0.05}; }

std::unique_ptr<ClassifierTrainer> Make(std::shared_ptr<model::ImageNetwork> network,
                                        const ClassifierTrainOptions& options = Quick()) {
  return std::make_unique<ClassifierTrainer>(std::move(network), model::ImageSpec{.any_size = true},
                                             Toy(96, 6, 1), Toy(32, 6, 2), options);
}

std::shared_ptr<model::ImageNetwork> Network() {
  return std::make_shared<model::ImageNetwork>(model::ImageArchitecture("cnn", 2), 5);
}

bool SameWeights(const model::ImageNetwork& a, const model::ImageNetwork& b) {
  const auto left = a.Tensors(), right = b.Tensors();
  for (const auto& [name, tensor] : left) {
    if (!at::equal(tensor, right.at(name))) return false;
  }
  return true;
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

TEST(ClassifierTrainerTest, HooksChangeImagesAndLoss) {
  const auto a = Network(), b = Network();
  const auto trainer = Make(a);
  int64_t calls = 0;
  trainer->SetBatchHook([&](const TrainStep& step) {
    EXPECT_EQ(step.step, calls++);
    EXPECT_EQ(step.images.size(0), 16);
    // The classifier is the network as it stands, without gradients for its weights.
    const at::Tensor images = step.images.clone().requires_grad_(true);
    step.classifier.Logits(images).sum().backward();
    EXPECT_TRUE(images.grad().defined());
    for (const auto& [name, tensor] : step.network.parameters())
      EXPECT_FALSE(tensor.grad().defined());
    return at::zeros_like(step.images);
  });
  trainer->SetLossHook([&](const TrainStep& step, const at::Tensor& images) {
    EXPECT_EQ(images.sum().item<double>(), 0);
    at::Tensor logits = step.network.Train(images);
    at::Tensor loss = logits.square().mean();
    return ClassifierTrainer::Loss{loss, logits};
  });
  trainer->Epoch();
  EXPECT_EQ(calls, 6);
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

TEST(SplitByPatientTest, KeepsPatientsWhole) {
  const TileBatch batch = Toy(100, 10, 1);
  const PatientSplit split = SplitByPatient(batch.infos, 0.2, 3);
  std::set<std::string> train, validation;
  for (const int64_t row : split.train) train.insert(batch.infos[static_cast<size_t>(row)].patient);
  for (const int64_t row : split.validation)
    validation.insert(batch.infos[static_cast<size_t>(row)].patient);
  for (const std::string& patient : validation) EXPECT_FALSE(train.contains(patient));
  EXPECT_EQ(split.train.size() + split.validation.size(), 100U);
  EXPECT_EQ(split.validation.size(), 20U);
  EXPECT_TRUE(split.by_patient);
  EXPECT_EQ(split.validation, SplitByPatient(batch.infos, 0.2, 3).validation);
  EXPECT_NE(split.validation, SplitByPatient(batch.infos, 0.2, 4).validation);
  EXPECT_THAT(ErrorOf([&] { SplitByPatient(Toy(10, 1, 1).infos, 0.2, 1); }).what(),
              HasSubstr("one patient"));
}

}  // namespace
}  // namespace assay::robustness
