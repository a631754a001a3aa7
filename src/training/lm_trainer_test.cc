#include "training/lm_trainer.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/rng.h"
#include "model/hook_point.h"
#include "model/model_testing.h"

namespace assay::training {
namespace {

using base::ErrorOf;
using base::TemporaryFolder;
using model::Transformer;
using model::TransformerConfig;

// Documents of rising tokens: the next token follows from the last.
TokenStream RisingTokens(int64_t tokens, int vocab, uint64_t seed) {
  TokenStream stream{.mask = static_cast<TokenId>(vocab - 1)};
  base::Rng rng(seed, "rising tokens");
  while (static_cast<int64_t>(stream.ids.size()) < tokens) {
    stream.ids.push_back(stream.bos);
    auto token = static_cast<TokenId>(1 + rng.Below(9));
    for (int i = 0; i < 30; ++i) {
      stream.ids.push_back(token);
      token = 1 + token % 9;
    }
  }
  return stream;
}

TransformerConfig TinyTrainable(bool masked) {
  if (!masked) {
    nlohmann::json json = model::TinyConfigJson("gpt2/solu_ln");
    json["tie_word_embeddings"] = true;
    return model::ParseTransformerConfig(json, "config.json");
  }
  nlohmann::json json = model::TinyConfigJson("distilbert");
  json["architectures"] = {"DistilBertForMaskedLM"};
  return model::ParseTransformerConfig(json, "config.json");
}

TrainOptions ShortTraining() {
  return {.steps = 60,
          .batch = 4,
          .context = 16,
          .warmup = 5,
          .part = 3,
          .checkpoint_every = 10,
          .evaluate_every = 30};
}

at::Tensor AllWeights(Transformer& model) {
  std::vector<at::Tensor> flat;
  for (auto& [name, tensor] : model::NamedTensors(model.mutable_weights()))
    flat.push_back(tensor->flatten());
  return at::cat(flat);
}

class LmTrainerTest : public testing::TestWithParam<bool> {};

TEST_P(LmTrainerTest, LearnsFrequenciesAndThenTheRule) {
  const TransformerConfig config = TinyTrainable(GetParam());
  const TokenStream text = RisingTokens(4000, config.vocab, 1);
  const TemporaryFolder folder;
  TrainOptions options = ShortTraining();
  options.steps = 150;
  std::vector<LossPoint> points;
  TrainLanguageModel(config, text, RisingTokens(1000, config.vocab, 2), options, folder.path(),
                     nullptr, {}, [&](const LossPoint& point) { points.push_back(point); });
  ASSERT_EQ(points.size(), 5U);
  // Nine of 29 tokens occur, equally often; so short a training teaches an encoder no more than
  // that.
  const double frequencies = std::log(9.0);
  EXPECT_LT(points.back().held_out, GetParam() ? 1.1 * frequencies : 0.7 * frequencies);
  EXPECT_EQ(ReadLossCurve(folder.path()).size(), 5U);
}

TEST_P(LmTrainerTest, AContinuedTrainingEqualsAnUninterruptedOne) {
  const TransformerConfig config = TinyTrainable(GetParam());
  const TokenStream text = RisingTokens(2000, config.vocab, 1);
  const TrainOptions options = ShortTraining();
  const auto train = [&](const TemporaryFolder& folder, int64_t killed_at) {
    return TrainLanguageModel(config, text, text, options, folder.path(), nullptr,
                              [&](const TrainReport& report) {
                                if (report.step == killed_at) throw std::runtime_error("killed");
                              },
                              {});
  };
  const TemporaryFolder whole, parts;
  Transformer expected = train(whole, -1);
  EXPECT_THROW(train(parts, 37), std::runtime_error);
  Transformer found = train(parts, -1);
  EXPECT_TRUE(at::equal(AllWeights(found), AllWeights(expected)));
  EXPECT_EQ(ReadLossCurve(parts.path()).size(), ReadLossCurve(whole.path()).size());
}

INSTANTIATE_TEST_SUITE_P(Kinds, LmTrainerTest, testing::Values(false, true),
                         [](const auto& tested) { return tested.param ? "mlm" : "lm"; });

TEST(LmTrainerInputTest, TooLittleTextAndOtherOptionsAreRefused) {
  const TransformerConfig config = TinyTrainable(false);
  const TokenStream text = RisingTokens(2000, config.vocab, 1);
  const TemporaryFolder folder;
  TrainOptions options = ShortTraining();
  const auto train = [&](const TokenStream& stream) {
    TrainLanguageModel(config, stream, text, options, folder.path(), nullptr, {}, {});
  };
  EXPECT_THAT(ErrorOf([&] {
                train({.ids = {0, 1, 2}});
              }).what(),
              testing::HasSubstr("3 tokens of training text; one sequence takes 17"));
  options.steps = 10;
  train(text);
  options.batch = 5;
  EXPECT_EQ(ErrorOf([&] { train(text); }).kind(), base::ErrorKind::kUsage);
}

// The obvious way: a forward for every token, over the window that its place says.
TEST(ScoreDocumentTest, EqualsATokenAtATime) {
  const TransformerConfig config = TinyTrainable(false);
  const Transformer model(config, model::RandomWeights(config, 3));
  const auto logits_hook = model::ParseHook("logits", config);
  const int width = config.max_positions, stride = width / 2;
  const TokenStream stream = RisingTokens(200, config.vocab, 4);
  for (const int length : {1, 2, width, width + 1, width + 2, width + stride + 1, 100}) {
    const std::span<const TokenId> document = std::span(stream.ids).first(length);
    double expected = 0;
    for (int t = 1; t < length; ++t) {
      int end = width + 1;  // of the first window that holds t
      while (end <= t) end += stride;
      const int begin = std::max(0, std::min(end, length) - width - 1);
      std::vector<int64_t> ids(document.begin() + begin, document.begin() + t);
      ids[0] = document[0];
      EXPECT_GE(static_cast<int>(ids.size()), std::min(t, stride));
      const at::Tensor logits =
          model.Read({.ids = at::tensor(ids).unsqueeze(0)}, logits_hook).select(0, 0);
      expected += at::log_softmax(logits[-1], -1)[document[t]].item<double>();
    }
    const TokenScore score = ScoreDocument(model, document);
    EXPECT_EQ(score.tokens, length - 1);
    EXPECT_NEAR(score.log_probability, expected, 1e-3) << length;
  }
}

// Muon's direction: all singular values near one, singular vectors kept.
TEST(OptimizerTest, OrthogonalizeFlattensSingularValues) {
  const at::Tensor matrices = at::randn({3, 8, 20});
  const at::Tensor flat = Orthogonalize(matrices);
  const auto [u, s, v] = at::linalg_svd(matrices, false);
  const at::Tensor inner = u.transpose(1, 2).matmul(flat).matmul(v.transpose(1, 2));
  const at::Tensor diagonal = inner.diagonal(0, 1, 2);
  EXPECT_GT(diagonal.min().item<double>(), 0.5);
  EXPECT_LT(diagonal.max().item<double>(), 1.4);
  EXPECT_LT((inner - at::diag_embed(diagonal)).abs().max().item<double>(), 1e-3);
}

}  // namespace
}  // namespace assay::training
