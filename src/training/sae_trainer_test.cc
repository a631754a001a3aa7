#include "training/sae_trainer.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/model_testing.h"

namespace assay::training {
namespace {

using model::ErrorOf;
using model::LargestDifference;
using model::TemporaryFolder;

// Sparse sums of `atoms` fixed directions: what an SAE should find.
at::Tensor SparseData(int64_t n, int64_t d, int64_t atoms, uint64_t seed) {
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  const at::Tensor directions = at::randn({atoms, d}, generator);
  const at::Tensor chosen = (at::rand({n, atoms}, generator) < 3.0 / static_cast<double>(atoms));
  const at::Tensor sizes = at::rand({n, atoms}, generator) + 0.5;
  return at::mm(chosen.to(at::kFloat) * sizes, directions) + 0.3;
}

class SaeTrainerTest : public testing::TestWithParam<std::string> {};

// Central differences, in the parameters of a few coordinates.
TEST_P(SaeTrainerTest, GradientsAreThoseOfTheLoss) {
  SaeTrainOptions options{.kind = GetParam(),
                          .features = 12,
                          .l1 = 0.3,
                          .k = 3,
                          .embedding_weight = 5,
                          .batch = 32,
                          .steps = 100};
  SaeTrainer trainer(SparseData(200, 6, 10, 1), options);
  for (int i = 0; i < 5; ++i) trainer.Step();  // running means exist
  for (auto& [name, tensor] : trainer.parameters()) tensor = tensor.clone();
  const at::Tensor batch = SparseData(32, 6, 10, 2);
  std::map<std::string, at::Tensor> gradients;
  trainer.Loss(batch, &gradients);
  int checked = 0;
  for (auto& [name, tensor] : trainer.parameters()) {
    for (const int64_t at : {0, 3, 5}) {
      float* value = tensor.contiguous().data_ptr<float>() + at;
      const float before = *value, step = 2e-3F;
      *value = before + step;
      const double above = trainer.Loss(batch, nullptr);
      *value = before - step;
      const double below = trainer.Loss(batch, nullptr);
      *value = before;
      const double expected = (above - below) / (2 * step);
      const double found = gradients.at(name).flatten()[at].item<double>();
      // A kink of ReLU or of the k-th place may lie within the step.
      if (std::abs(found - expected) < 0.02 * std::max(1.0, std::abs(expected))) ++checked;
    }
  }
  EXPECT_GE(checked, 10) << "of 12";
}

TEST_P(SaeTrainerTest, LearnsSparseStructure) {
  SaeTrainOptions options{.kind = GetParam(),
                          .features = 32,
                          .l1 = 0.2,
                          .k = 4,
                          .rate = 5e-3,
                          .batch = 128,
                          .steps = 400,
                          .dead_steps = 100};
  SaeTrainer trainer(SparseData(4000, 8, 16, 1), options);
  const double before = trainer.Step().unexplained;
  SaeTrainPoint last;
  while (!trainer.Done()) last = trainer.Step();
  EXPECT_LT(last.unexplained, 0.3) << "from " << before;
  EXPECT_LT(last.l0, 16);
}

TEST_P(SaeTrainerTest, AContinuedTrainingEqualsAnUninterruptedOne) {
  SaeTrainOptions options{
      .kind = GetParam(), .features = 24, .batch = 64, .steps = 40, .dead_steps = 10};
  const at::Tensor data = SparseData(300, 6, 10, 1);
  TemporaryFolder folder;
  SaeTrainer whole(data, options), first(data, options);
  while (!whole.Done()) whole.Step();
  for (int i = 0; i < 17; ++i) first.Step();
  first.Save(folder.path() / "checkpoint.safetensors");
  SaeTrainer second(data, options);
  second.Restore(folder.path() / "checkpoint.safetensors");
  EXPECT_EQ(second.steps_done(), 17);
  while (!second.Done()) second.Step();
  const auto a = whole.Result("blocks.0.hook_resid_pre", "m"),
             b = second.Result("blocks.0.hook_resid_pre", "m");
  EXPECT_TRUE(at::equal(a.weights().w_enc, b.weights().w_enc));
  EXPECT_TRUE(at::equal(a.weights().b_dec, b.weights().b_dec));
  SaeTrainer other(data, {.kind = GetParam(), .features = 24, .steps = 41});
  EXPECT_EQ(ErrorOf([&] { other.Restore(folder.path() / "checkpoint.safetensors"); }).kind(),
            base::ErrorKind::kBadInput);
  SaeTrainer on_other_data(data + 0.1, options);
  EXPECT_THAT(
      ErrorOf([&] { on_other_data.Restore(folder.path() / "checkpoint.safetensors"); }).what(),
      testing::HasSubstr("other data"));
}

INSTANTIATE_TEST_SUITE_P(Kinds, SaeTrainerTest,
                         testing::Values("standard", "topk", "embedding", "centred-embedding"),
                         [](const auto& kind) {
                           return kind.param == "centred-embedding" ? "centred_embedding"
                                                                    : kind.param;
                         });

// What the loss of un-centred inputs can lean on: a coordinate that is nearly constant.
TEST(SaeTrainingTest, AConstantCoordinatePleasesTheEmbeddingLossUnlessInputsAreCentred) {
  at::Tensor data = SparseData(2000, 8, 16, 1);
  data.select(1, 0).add_(6);
  const auto share = [&](const char* kind) {
    SaeTrainer trainer(data, {.kind = kind,
                              .features = 24,
                              .l1 = 0.2,
                              .embedding_weight = 30,
                              .rate = 5e-3,
                              .batch = 128,
                              .steps = 300});
    while (!trainer.Done()) trainer.Step();
    const at::Tensor squares = trainer.parameters().at("W_enc").square();  // [d, F]
    return (squares[0] / squares.sum(0)).mean().item<double>();
  };
  EXPECT_GT(share("embedding"), 1.3 * share("centred-embedding"));
}

TEST(SaeTrainingTest, TheScaleIsFoldedIntoTheResult) {
  const at::Tensor data = SparseData(500, 6, 10, 1);
  SaeTrainOptions options{.features = 24, .l1 = 0.1, .rate = 5e-3, .batch = 64, .steps = 200};
  SaeTrainer small(data, options), large(data * 100, options);
  while (!small.Done()) small.Step();
  while (!large.Done()) large.Step();
  const auto of_small = small.Result("h", "m").Apply(data),
             of_large = large.Result("h", "m").Apply(data * 100);
  const double variance = (data - data.mean(0)).square().sum().item<double>();
  EXPECT_LT((of_small.reconstruction - data).square().sum().item<double>() / variance, 0.5);
  EXPECT_LT(LargestDifference(of_small.reconstruction, of_large.reconstruction / 100), 0.1);
}

TEST(SaeTrainingTest, SilentFeaturesStartAgain) {
  // Far more features than the data can use.
  SaeTrainOptions options{
      .features = 200, .l1 = 3, .rate = 1e-2, .batch = 64, .steps = 400, .dead_steps = 20};
  SaeTrainer trainer(SparseData(500, 6, 4, 1), options);
  while (!trainer.Done()) trainer.Step();
  EXPECT_GT(trainer.restarted(), 0);
}

// What starts again points at a badly reconstructed input, with fresh moments, and comes to life.
TEST(SaeTrainingTest, ARestartedFeatureHasADirectionOfTheDataAndFires) {
  SaeTrainOptions options{
      .features = 40, .l1 = 0.1, .rate = 1e-3, .batch = 64, .steps = 400, .dead_steps = 10};
  SaeTrainer trainer(SparseData(500, 6, 10, 1), options);
  // All features but the first are made silent for good.
  trainer.parameters()["b_enc"].narrow(0, 1, 39).fill_(-1e4);
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(trainer.restarted(), 0);
    trainer.Step();
  }
  EXPECT_GE(trainer.restarted(), 39);
  const at::Tensor& decoder = trainer.parameters()["W_dec"];
  EXPECT_LT((decoder.norm(2, {1}) - 1).abs().max().item<double>(), 1e-4);
  const at::Tensor encoder = trainer.parameters()["W_enc"].t();  // parallel to the decoder
  const at::Tensor cosine = (encoder * decoder).sum(1) / encoder.norm(2, {1});
  EXPECT_GT(cosine.narrow(0, 1, 39).min().item<double>(), 0.999);
  EXPECT_EQ(trainer.parameters()["b_enc"].narrow(0, 1, 39).abs().max().item<double>(), 0);
  for (int i = 0; i < 5; ++i) trainer.Step();
  EXPECT_GT(at::count_nonzero(trainer.running()["silent"] == 0).item<int64_t>(), 20);
}

TEST(SaeTrainingTest, AContinuedTrainingRestartsTheSameFeatures) {
  SaeTrainOptions options{
      .features = 200, .l1 = 3, .rate = 1e-2, .batch = 64, .steps = 120, .dead_steps = 8};
  const at::Tensor data = SparseData(500, 6, 4, 1);
  TemporaryFolder folder;
  SaeTrainer whole(data, options), first(data, options), second(data, options);
  while (!whole.Done()) whole.Step();
  ASSERT_GT(whole.restarted(), 0);
  while (first.restarted() == 0) first.Step();
  for (int i = 0; i < 3; ++i) first.Step();  // some features are on their way to a restart
  first.Save(folder.path() / "checkpoint.safetensors");
  second.Restore(folder.path() / "checkpoint.safetensors");
  while (!second.Done()) second.Step();
  EXPECT_EQ(second.restarted(), whole.restarted());
  for (auto& [name, tensor] : whole.parameters())
    EXPECT_TRUE(at::equal(tensor, second.parameters()[name])) << name;
}

TEST(CollectHookTest, GivesEveryCountedTokenOnce) {
  const model::Transformer network = model::TinyTransformer("gpt2");
  std::vector<std::vector<int32_t>> texts = {{1, 2, 3, 4}, {5, 6}, {7}, {8, 9, 10}};
  size_t next = 0;
  const auto stream = [&]() -> std::optional<std::vector<int32_t>> {
    if (next == texts.size()) return std::nullopt;
    return texts[next++];
  };
  const model::HookPoint hook = model::ParseHook("blocks.1.hook_resid_pre", network.config());
  const at::Tensor all = CollectHook(network, hook, stream, 1, 100);
  EXPECT_EQ(all.size(0), 3 + 1 + 0 + 2);
  const at::Tensor ids = at::tensor({8, 9, 10}, at::kLong).unsqueeze(0);
  EXPECT_LT(
      LargestDifference(network.Read({.ids = ids}, hook)[0].narrow(0, 1, 2), all.narrow(0, 4, 2)),
      1e-5);
  next = 0;
  EXPECT_EQ(CollectHook(network, hook, stream, 1, 4).size(0), 4);
}

}  // namespace
}  // namespace assay::training
