#include "neurons/graph_score.h"

#include <gtest/gtest.h>

#include <cmath>

#include "neurons/predictors.h"

namespace assay::neurons {
namespace {

using Tokens = std::vector<TokenId>;

// Predicts each token's id over ten.
double Tenths(std::span<const TokenId> tokens, size_t at) { return tokens[at] / 10.0; }

store::Score ScoreOf(const std::vector<std::pair<Tokens, std::vector<float>>>& texts,
                     double max_activation, const Predictor& predict = Tenths) {
  std::vector<ScoredText> scored;
  for (const auto& [tokens, activations] : texts) scored.push_back({tokens, activations});
  return ScorePredictor({1, 2}, "held_out", "n2g", scored, max_activation, predict);
}

TEST(ScorePredictorTest, CountsFiringTokensOfNormalisedActivations) {
  // true:      -     1.0  0.5  0.4   0.6 | 0   0.9
  // predicted: 0.9   0.8  0.4  0.7   0.5 | 0   0.1
  const store::Score score =
      ScoreOf({{{9, 8, 4, 7, 5}, {NAN, 4, 2, 1.6F, 2.4F}}, {{0, 1}, {0, 3.6F}}}, 4);
  EXPECT_EQ(score.unit, (UnitId{1, 2}));
  EXPECT_EQ(score.set, "held_out");
  EXPECT_EQ(score.method, "n2g");
  EXPECT_EQ(score.true_positives, 2);
  EXPECT_EQ(score.false_positives, 1);
  EXPECT_EQ(score.false_negatives, 2);
  EXPECT_DOUBLE_EQ(score.precision.value(), 2.0 / 3);
  EXPECT_DOUBLE_EQ(score.recall.value(), 0.5);
  EXPECT_DOUBLE_EQ(score.f1.value(), 4.0 / 7);
  EXPECT_EQ(score.excluded, "");
  // Pearson over the six counted tokens, worked out separately.
  const std::vector<double> x = {0.8, 0.4, 0.7, 0.5, 0, 0.1}, y = {1, 0.5, 0.4, 0.6, 0, 0.9};
  double mx = 0, my = 0, xx = 0, yy = 0, xy = 0;
  for (size_t i = 0; i < 6; ++i) mx += x[i] / 6, my += y[i] / 6;
  for (size_t i = 0; i < 6; ++i)
    xx += (x[i] - mx) * (x[i] - mx), yy += (y[i] - my) * (y[i] - my),
        xy += (x[i] - mx) * (y[i] - my);
  EXPECT_NEAR(score.correlation.value(), xy / std::sqrt(xx * yy), 1e-6);
}

TEST(ScorePredictorTest, ExactlyHalfFires) {
  const store::Score score = ScoreOf({{{5}, {1}}}, 2);
  EXPECT_EQ(score.true_positives, 1);
  EXPECT_EQ(score.f1, 1.0);
}

TEST(ScorePredictorTest, WithNothingPredictedPrecisionIsUndefinedAndF1IsZero) {
  const store::Score score = ScoreOf({{{1, 2}, {1, 0}}}, 1);
  EXPECT_EQ(score.precision, std::nullopt);
  EXPECT_EQ(score.recall, 0.0);
  EXPECT_EQ(score.f1, 0.0);
  EXPECT_EQ(score.excluded, "");
}

TEST(ScorePredictorTest, AUnitThatNeverFiresIsExcluded) {
  const store::Score score = ScoreOf({{{9, 1}, {0.1F, 0}}}, 1);
  EXPECT_EQ(score.false_positives, 1);
  EXPECT_EQ(score.precision, std::nullopt);
  EXPECT_EQ(score.recall, std::nullopt);
  EXPECT_EQ(score.f1, std::nullopt);
  EXPECT_NE(score.excluded, "");
  EXPECT_NE(ScoreOf({}, 1).excluded, "");
}

TEST(ScorePredictorTest, AConstantPredictionHasNoCorrelation) {
  EXPECT_EQ(ScoreOf({{{6, 6}, {1, 0}}}, 1).correlation, std::nullopt);
}

store::Score Row(UnitId unit, const std::string& method, std::optional<double> precision,
                 double recall, double f1) {
  return {.unit = unit,
          .set = "held_out",
          .method = method,
          .precision = precision,
          .recall = recall,
          .f1 = f1};
}

TEST(AverageByLayerTest, AveragesUnitsAndLeavesOutWhatIsUndefined) {
  std::vector<store::Score> scores = {
      Row({1, 0}, "n2g", 1.0, 0.5, 2.0 / 3), Row({1, 1}, "n2g", std::nullopt, 0, 0),
      Row({0, 5}, "n2g", 0.25, 1, 0.4), Row({1, 0}, "token_lookup", 0.5, 0.75, 0.6),
      Row({1, 1}, "token_lookup", 0.5, 0.25, 1.0 / 3)};
  scores[0].correlation = 0.5;
  store::Score excluded = Row({1, 2}, "n2g", std::nullopt, 0, 0);
  excluded.excluded = "never fires in this set";
  scores.push_back(excluded);
  excluded.method = "token_lookup";
  scores.push_back(excluded);
  const auto layers = AverageByLayer(scores);
  ASSERT_EQ(layers.size(), 2U);
  EXPECT_EQ(layers[0].layer, 0);
  EXPECT_EQ(layers[0].units, 1);
  EXPECT_TRUE(layers[0].excluded.empty());
  const LayerScore& layer = layers[1];
  EXPECT_EQ(layer.layer, 1);
  EXPECT_EQ(layer.units, 2);
  EXPECT_EQ(layer.excluded,
            (std::vector<std::pair<std::string, int>>{{"never fires in this set", 1}}));
  ASSERT_EQ(layer.methods.size(), ScoreMethods().size());
  EXPECT_EQ(layer.methods[0].first, "n2g");
  const MethodMeans& n2g = layer.methods[0].second;
  EXPECT_EQ(n2g.units, 2);
  EXPECT_EQ(n2g.precision_units, 1);
  EXPECT_DOUBLE_EQ(n2g.precision, 1.0);
  EXPECT_DOUBLE_EQ(n2g.recall, 0.25);
  EXPECT_DOUBLE_EQ(n2g.f1, 1.0 / 3) << "the mean of F1s, not the F1 of means";
  EXPECT_EQ(n2g.correlation_units, 1);
  EXPECT_DOUBLE_EQ(n2g.correlation, 0.5);
  EXPECT_DOUBLE_EQ(layer.methods[1].second.f1, (0.6 + 1.0 / 3) / 2);
  EXPECT_EQ(layer.methods[5].first, "ngram_5");
  EXPECT_EQ(layer.methods[5].second.units, 0);
}

TEST(NgramLookupTest, RemembersTheLargestActivationOfATokenAfterItsPredecessors) {
  NgramLookup lookup(2);
  lookup.Add(Tokens{0, 7, 8, 7, 8, 9}, std::vector<double>{9, 0.125, 0.25, 0.5, 0.75, -0.5}, 1);
  EXPECT_EQ(lookup.Predict(Tokens{7, 8}, 1), 0.75);
  EXPECT_EQ(lookup.Predict(Tokens{5, 7, 8, 3}, 2), 0.75);
  EXPECT_EQ(lookup.Predict(Tokens{9, 8}, 1), 0);
  EXPECT_EQ(lookup.Predict(Tokens{8, 9}, 1), -0.5);
  EXPECT_EQ(lookup.Predict(Tokens{0, 7}, 1), 0.125) << "BOS is a predecessor";
  EXPECT_EQ(lookup.Predict(Tokens{0}, 0), 0) << "tokens before `begin` are not learned";
}

TEST(NgramLookupTest, TheStartOfATextIsPartOfTheKey) {
  NgramLookup lookup(3);
  lookup.Add(Tokens{4, 5, 4, 5}, std::vector<double>{0.25, 0.5, 0.75, 1}, 0);
  EXPECT_EQ(lookup.Predict(Tokens{4, 5}, 1), 0.5);
  EXPECT_EQ(lookup.Predict(Tokens{4}, 0), 0.25);
  EXPECT_EQ(lookup.Predict(Tokens{5, 4, 5}, 2), 1);
  EXPECT_EQ(lookup.Predict(Tokens{6, 4, 5}, 2), 0)
      << "a bigram at the start is no trigram elsewhere";
}

TEST(NgramLookupTest, OneTokenIsTheTokenLookup) {
  NgramLookup lookup(1);
  lookup.Add(Tokens{4, 5, 4}, std::vector<double>{0.25, 0.5, 0.75}, 0);
  EXPECT_EQ(lookup.Predict(Tokens{9, 9, 4}, 2), 0.75);
  EXPECT_EQ(lookup.Predict(Tokens{4}, 0), 0.75);
}

}  // namespace
}  // namespace assay::neurons
