#include "neurons/saliency.h"

#include <gtest/gtest.h>

#include "neurons/neurons_testing.h"

namespace assay::neurons {
namespace {

using Tokens = std::vector<TokenId>;

constexpr TokenId kBos = 0, kA = 1, kB = 2, kOther = 3, kMask = 9;

SaliencyAnswer Measure(const Tokens& tokens, int pivot, double max_activation = 1,
                       const RuleProber::Rule& rule = FiresAfter(kB, {kA}, 3)) {
  RuleProber prober(rule);
  SaliencyRequest request{.unit = {0, 0},
                          .tokens = tokens,
                          .pivot = pivot,
                          .bos_tokens = 1,
                          .max_activation = max_activation};
  request.activations = prober.Activations(std::vector<measure::Probe>{{tokens, {0, 0}}}).front();
  return MeasureSaliency(std::vector<SaliencyRequest>{request}, {}, kMask, prober).front();
}

TEST(SaliencyTest, ATokenIsAsImportantAsTheActivationLostWithoutIt) {
  const SaliencyAnswer answer = Measure({kBos, kOther, kA, kOther, kB}, 4);
  EXPECT_EQ(answer.targets, std::vector<int>{4});
  ASSERT_EQ(answer.importances.size(), 5U);
  EXPECT_FLOAT_EQ(answer.Importance(0, 2, 5), 0.9F);
  for (const size_t token : {0, 1, 3, 4}) EXPECT_EQ(answer.Importance(0, token, 5), 0) << token;
}

TEST(SaliencyTest, ATokenThatHoldsTheActivationBackHasNegativeImportance) {
  const auto rule = [](std::span<const TokenId> tokens, size_t at) {
    if (tokens[at] != kB) return 0.0F;
    return at > 0 && tokens[at - 1] == kOther ? 1.0F : 3.0F;
  };
  EXPECT_FLOAT_EQ(Measure({kBos, kOther, kB}, 2, 1, rule).Importance(0, 1, 3), -2.0F);
}

TEST(SaliencyTest, EveryFiringTokenIsATargetAndSeesOnlyWhatStandsBeforeIt) {
  const Tokens tokens = {kBos, kA, kB, kA, kOther, kB, kOther};
  const SaliencyAnswer answer = Measure(tokens, 5);
  ASSERT_EQ(answer.targets, (std::vector<int>{2, 5}));
  ASSERT_EQ(answer.importances.size(), 14U);
  EXPECT_FLOAT_EQ(answer.Importance(0, 1, 7), 0.9F);
  for (const size_t token : {0, 2, 3, 4, 5, 6})
    EXPECT_EQ(answer.Importance(0, token, 7), 0) << token;
  EXPECT_FLOAT_EQ(answer.Importance(1, 3, 7), 0.9F);
  for (const size_t token : {0, 1, 2, 4, 5, 6})
    EXPECT_EQ(answer.Importance(1, token, 7), 0) << token;
}

TEST(SaliencyTest, ThePivotIsATargetEvenBelowTheThresholdAsLongAsItIsPositive) {
  EXPECT_EQ(Measure({kBos, kA, kB}, 2, 100).targets, std::vector<int>{2});
  EXPECT_EQ(Measure({kBos, kA, kOther}, 2).targets, std::vector<int>{});
}

TEST(SaliencyTest, TheThresholdItselfDoesNotFire) {
  EXPECT_EQ(Measure({kBos, kA, kB, kOther}, 3, 2).targets, std::vector<int>{});
  EXPECT_EQ(Measure({kBos, kA, kB, kOther}, 3, 1.99).targets, std::vector<int>{2});
}

TEST(SaliencyTest, BosIsNeitherMaskedNorATarget) {
  const auto rule = [](std::span<const TokenId> tokens, size_t at) {
    return at == 0 || tokens[0] == kBos ? 1.0F : 0.0F;  // every token needs BOS
  };
  const SaliencyAnswer answer = Measure({kBos, kOther, kB}, 2, 1, rule);
  EXPECT_EQ(answer.targets, (std::vector<int>{1, 2}));
  for (const float importance : answer.importances) EXPECT_EQ(importance, 0);
}

}  // namespace
}  // namespace assay::neurons
