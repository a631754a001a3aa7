#include "neurons/sae_evaluation.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "model/model_testing.h"
#include "neurons/neurons_testing.h"

// Figures of autoencoders against slow loops in double precision.
namespace assay::neurons {
namespace {

constexpr int64_t kWidth = 16, kFeatures = 24;

class SaeFiguresTest : public testing::Test {
 protected:
  SaeFiguresTest() {
    for (const store::Sequence& sequence : RandomSequences(40, 4, 14, 29, 8))
      texts_.push_back(sequence.tokens);
  }
  static model::SparseAutoencoder RandomSae() {
    at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(3);
    model::SaeWeights weights{.w_enc = at::randn({kWidth, kFeatures}, generator),
                              .b_enc = at::randn({kFeatures}, generator) - 1,
                              .w_dec = at::randn({kFeatures, kWidth}, generator) * 0.2,
                              .b_dec = at::randn({kWidth}, generator) * 0.2};
    weights.b_enc[5] = -1e6;  // dead
    return {{.d_in = kWidth, .d_sae = kFeatures, .hook_name = "blocks.1.hook_resid_mid"},
            std::move(weights)};
  }
  static at::Tensor Ids(const std::vector<TokenId>& tokens) {
    return at::tensor(std::vector<int64_t>(tokens.begin(), tokens.end()), at::kLong).unsqueeze(0);
  }
  // The hook's vectors of a text: [T][kWidth]
  std::vector<std::vector<double>> Vectors(const std::vector<TokenId>& tokens) const {
    const at::Tensor values = network_.Read({.ids = Ids(tokens)}, hook_)[0];
    std::vector<std::vector<double>> out;
    for (int64_t t = 0; t < values.size(0); ++t) {
      const float* row = values.data_ptr<float>() + t * kWidth;
      out.emplace_back(row, row + kWidth);
    }
    return out;
  }
  static double Weight(const at::Tensor& tensor, int64_t i, int64_t j) {
    return tensor.data_ptr<float>()[i * tensor.size(1) + j];
  }
  std::vector<double> Features(const std::vector<double>& x) const {
    const model::SaeWeights& w = sae_.weights();
    std::vector<double> out;
    for (int64_t f = 0; f < kFeatures; ++f) {
      double sum = w.b_enc.data_ptr<float>()[f];
      for (int64_t d = 0; d < kWidth; ++d) {
        sum += (x[static_cast<size_t>(d)] - w.b_dec.data_ptr<float>()[d]) * Weight(w.w_enc, d, f);
      }
      out.push_back(std::max(0.0, sum));
    }
    return out;
  }
  std::vector<double> Decoded(const std::vector<double>& features) const {
    const model::SaeWeights& w = sae_.weights();
    std::vector<double> out;
    for (int64_t d = 0; d < kWidth; ++d) {
      double sum = w.b_dec.data_ptr<float>()[d];
      for (int64_t f = 0; f < kFeatures; ++f)
        sum += features[static_cast<size_t>(f)] * Weight(w.w_dec, f, d);
      out.push_back(sum);
    }
    return out;
  }
  // Sum of the cross-entropies of the next tokens, with the hook as `replaced` says from token 1.
  double Loss(const std::vector<TokenId>& tokens,
              const std::vector<std::vector<double>>* replaced) const {
    const auto logits_hook = model::ParseHook("logits", network_.config());
    double loss = 0;
    network_.Forward(
        {.ids = Ids(tokens)}, {hook_, logits_hook},
        [&](const model::HookPoint& at, at::Tensor& value) {
          if (at == hook_ && replaced != nullptr) {
            value = value.clone();
            for (size_t t = 1; t < tokens.size(); ++t) {
              for (int64_t d = 0; d < kWidth; ++d) {
                value[0][static_cast<int64_t>(t)][d] = (*replaced)[t][static_cast<size_t>(d)];
              }
            }
          } else if (at == logits_hook) {
            for (size_t t = 0; t + 1 < tokens.size(); ++t) {
              const float* row = value.data_ptr<float>() + static_cast<int64_t>(t) * value.size(2);
              double sum = 0;
              for (int64_t v = 0; v < value.size(2); ++v)
                sum += std::exp(static_cast<double>(row[v]));
              loss += std::log(sum) - row[tokens[t + 1]];
            }
          }
        });
    return loss;
  }

  const c10::InferenceMode guard_;
  model::Transformer network_ = model::TinyTransformer("gpt2");
  model::SparseAutoencoder sae_ = RandomSae();
  model::HookPoint hook_ = model::ParseHook("blocks.1.hook_resid_mid", network_.config());
  std::vector<std::vector<TokenId>> texts_;
};

TEST_F(SaeFiguresTest, QualityEqualsSlowLoops) {
  double active = 0, error = 0, loss = 0, spliced = 0, ablated = 0;
  std::vector<std::vector<double>> all;
  std::vector<bool> fired(kFeatures, false);
  int64_t predicted = 0;
  for (const std::vector<TokenId>& tokens : texts_) {
    const auto vectors = Vectors(tokens);
    std::vector<std::vector<double>> decoded, zeros;
    for (size_t t = 0; t < tokens.size(); ++t) {
      const std::vector<double> features = Features(vectors[t]);
      decoded.push_back(Decoded(features));
      zeros.emplace_back(kWidth, 0.0);
      if (t == 0) continue;
      all.push_back(vectors[t]);
      for (size_t f = 0; f < features.size(); ++f) {
        active += features[f] > 0 ? 1 : 0;
        if (features[f] > 0) fired[f] = true;
      }
      for (size_t d = 0; d < kWidth; ++d)
        error += (decoded[t][d] - vectors[t][d]) * (decoded[t][d] - vectors[t][d]);
    }
    loss += Loss(tokens, nullptr);
    spliced += Loss(tokens, &decoded);
    ablated += Loss(tokens, &zeros);
    predicted += static_cast<int64_t>(tokens.size()) - 1;
  }
  double variance = 0;
  const auto count = static_cast<double>(all.size());
  for (size_t d = 0; d < kWidth; ++d) {
    double mean = 0;
    for (const auto& x : all) mean += x[d] / count;
    for (const auto& x : all) variance += (x[d] - mean) * (x[d] - mean);
  }
  const SaeQuality found = EvaluateSae(network_, sae_, texts_, 1);
  EXPECT_EQ(found.tokens, static_cast<int64_t>(all.size()));
  EXPECT_NEAR(found.l0, active / count, 1e-3);
  EXPECT_NEAR(found.unexplained, error / variance, 1e-4 * error / variance);
  EXPECT_EQ(found.dead, std::count(fired.begin(), fired.end(), false));
  EXPECT_GE(found.dead, 1);
  const auto tokens = static_cast<double>(predicted);
  EXPECT_NEAR(found.loss, loss / tokens, 1e-4);
  EXPECT_NEAR(found.spliced, spliced / tokens, 1e-4);
  EXPECT_NEAR(found.ablated, ablated / tokens, 1e-4);
  if (ablated > loss) {
    ASSERT_TRUE(found.loss_recovered);
    EXPECT_NEAR(*found.loss_recovered, (ablated - spliced) / (ablated - loss), 1e-2);
  } else {
    EXPECT_FALSE(found.loss_recovered);
  }
}

TEST_F(SaeFiguresTest, PolysemanticityEqualsSlowLoops) {
  double mean_distances = 0, examples = 0, fires = 0, tokens_counted = 0;
  int64_t measured = 0, alive = 0;
  for (int64_t f = 0; f < kFeatures; ++f) {
    struct Strongest {
      double activation = -1;
      std::vector<double> x;
    };
    std::vector<Strongest> of_texts;
    double maximum = 0;
    for (const std::vector<TokenId>& tokens : texts_) {
      const auto vectors = Vectors(tokens);
      Strongest best;
      for (size_t t = 1; t < tokens.size(); ++t) {
        const double activation = Features(vectors[t])[static_cast<size_t>(f)];
        fires += activation > 0 ? 1 : 0;
        tokens_counted += f == 0 ? 1 : 0;
        if (activation > best.activation) best = {activation, vectors[t]};
      }
      maximum = std::max(maximum, best.activation);
      of_texts.push_back(std::move(best));
    }
    alive += maximum > 0 ? 1 : 0;
    std::vector<std::vector<double>> embeddings;
    for (const Strongest& best : of_texts) {
      if (maximum <= 0 || best.activation < 0.75 * maximum) continue;
      std::vector<double> e;
      for (int64_t d = 0; d < kWidth; ++d)
        e.push_back(best.x[static_cast<size_t>(d)] * Weight(sae_.weights().w_enc, d, f));
      embeddings.push_back(std::move(e));
    }
    if (embeddings.size() < 2) continue;
    ++measured;
    examples += static_cast<double>(embeddings.size());
    double sum = 0, pairs = 0;
    for (size_t i = 0; i < embeddings.size(); ++i) {
      for (size_t j = i + 1; j < embeddings.size(); ++j) {
        double dot = 0, a = 0, b = 0;
        for (size_t d = 0; d < kWidth; ++d) {
          dot += embeddings[i][d] * embeddings[j][d];
          a += embeddings[i][d] * embeddings[i][d];
          b += embeddings[j][d] * embeddings[j][d];
        }
        sum += 1 - dot / std::sqrt(a * b);
        ++pairs;
      }
    }
    mean_distances += sum / pairs;
  }
  ASSERT_GT(measured, 5);
  const auto found =
      MeasurePolysemanticity(model::SaeFeatures(network_, sae_), 1, texts_, 1,
                             {.units = 1000, .share = 0.75, .cap = 1000}, {.cut = "fixed"});
  EXPECT_EQ(found.units, kFeatures);
  EXPECT_EQ(found.alive, alive);
  EXPECT_EQ(found.drawn, alive);
  EXPECT_EQ(found.measured, measured);
  EXPECT_NEAR(found.l0, fires / tokens_counted, 1e-3);
  EXPECT_NEAR(found.examples, examples / static_cast<double>(measured), 1e-9);
  EXPECT_NEAR(found.mean_distance, mean_distances / static_cast<double>(measured), 1e-4);
}

}  // namespace
}  // namespace assay::neurons
