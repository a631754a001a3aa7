#include "neurons/pruner.h"

#include <gtest/gtest.h>

#include "base/rng.h"
#include "neurons/neurons_testing.h"

namespace assay::neurons {
namespace {

using store::PruneOutcome;
using Tokens = std::vector<TokenId>;

constexpr TokenId kBos = 0, kA = 1, kB = 2, kOther = 3;

PruneRequest Request(Tokens tokens, float full_activation = 1) {
  const int pivot = static_cast<int>(std::find(tokens.begin(), tokens.end(), kB) - tokens.begin());
  return {.unit = {0, 0},
          .example = 4,
          .tokens = std::move(tokens),
          .pivot = pivot,
          .full_activation = full_activation,
          .bos_tokens = 1};
}

PrunedExample PruneOne(const PruneRequest& request, const GraphOptions& options) {
  RuleProber prober(FiresAfter(kB, {kA}, 3));
  return PruneExamples(std::vector<PruneRequest>{request}, options, prober).front();
}

TEST(PrunerTest, KeepsTheShortestContextThatRestoresTheActivation) {
  const PrunedExample pruned = PruneOne(Request({kBos, kOther, kA, kA, kOther, kB, kOther}), {});
  EXPECT_EQ(pruned.pruning.outcome, PruneOutcome::kReached);
  EXPECT_EQ(pruned.pruning.example, 4);
  EXPECT_EQ(pruned.pruning.pivot, 5);
  EXPECT_EQ(pruned.pruning.context, 2);
  EXPECT_EQ(pruned.pruning.full_activation, 1);
  EXPECT_EQ(pruned.pruning.pruned_activation, 1);
  EXPECT_EQ(pruned.pruning.trajectory, (std::vector<float>{0.1F, 0.1F, 1}));
  EXPECT_EQ(pruned.tokens, (Tokens{kBos, kA, kOther, kB}));
  EXPECT_EQ(pruned.pivot, 3);
  EXPECT_EQ(pruned.activations, (std::vector<float>{0, 0, 0, 1}));
}

TEST(PrunerTest, NeedsNoContextForAnActivationOfTheTokenAlone) {
  GraphOptions options;
  options.prune_share = 0.1;
  const PrunedExample pruned = PruneOne(Request({kBos, kA, kB}), options);
  EXPECT_EQ(pruned.pruning.context, 0);
  EXPECT_EQ(pruned.tokens, (Tokens{kBos, kB}));
}

TEST(PrunerTest, MarksAnExampleThatTheLongestContextDoesNotRestore) {
  GraphOptions options;
  options.prune_max_context = 1;
  const PrunedExample pruned = PruneOne(Request({kBos, kOther, kA, kOther, kB}), options);
  EXPECT_EQ(pruned.pruning.outcome, PruneOutcome::kContextLimit);
  EXPECT_EQ(pruned.pruning.context, 1);
  EXPECT_EQ(pruned.pruning.pruned_activation, 0.1F);
  EXPECT_EQ(pruned.tokens, (Tokens{kBos, kOther, kB}));
}

TEST(PrunerTest, LeavesOutAnExampleWhoseActivationIsNotPositive) {
  for (const float activation : {0.0F, -1.0F}) {
    const PrunedExample pruned = PruneOne(Request({kBos, kA, kB}, activation), {});
    EXPECT_EQ(pruned.pruning.outcome, PruneOutcome::kNotPositive);
    EXPECT_TRUE(pruned.tokens.empty());
  }
}

TEST(PrunerTest, StepsOverContextLengthsAndTriesTheLimitItself) {
  GraphOptions options;
  options.prune_step = 5;
  EXPECT_EQ(PruneOne(Request({kBos, 3, 3, 3, 3, 3, kA, 3, kB}), options).pruning.context, 5);
  EXPECT_EQ(PruneOne(Request({kBos, 3, 3, 3, 3, 3, 3, 3, kB}), options).pruning.context, 7);
  options.prune_max_context = 6;
  EXPECT_EQ(PruneOne(Request({kBos, 3, 3, 3, 3, 3, 3, 3, kB}), options).pruning.context, 6);
}

TEST(PrunerTest, KeepsTokensAfterThePivotUpToBothLimits) {
  GraphOptions options;
  options.prune_post_context = 2;
  PruneRequest request = Request({kBos, kA, kB, 4, 5, 6});
  request.post_limit = 3;
  EXPECT_EQ(PruneOne(request, options).tokens, (Tokens{kBos, kA, kB, 4, 5}));
  request.post_limit = 1;
  EXPECT_EQ(PruneOne(request, options).tokens, (Tokens{kBos, kA, kB, 4}));
  EXPECT_EQ(PruneOne(request, options).pivot, 2);
}

TEST(PrunerTest, MeasuresATrajectoryFurtherWithoutKeepingMore) {
  GraphOptions options;
  options.trajectory_context = 4;
  const PruneRequest request = Request({kBos, kOther, kOther, kOther, kOther, kA, kB});
  const PrunedExample pruned = PruneOne(request, options);
  EXPECT_EQ(pruned.pruning.context, 1);
  EXPECT_EQ(pruned.pruning.trajectory, (std::vector<float>{0.1F, 1, 1, 1, 1}));
  options.prune_max_context = 0;  // the trajectory has a limit of its own
  const PrunedExample limited = PruneOne(request, options);
  EXPECT_EQ(limited.pruning.outcome, PruneOutcome::kContextLimit);
  EXPECT_EQ(limited.pruning.context, 0);
  EXPECT_EQ(limited.pruning.trajectory, pruned.pruning.trajectory);
}

// How many examples are on the way decides how many contexts are measured at once; the answers must
// not show it.
TEST(PrunerTest, AnswersDoNotDependOnWhatElseIsPruned) {
  base::Rng rng(1, "prune");
  std::vector<PruneRequest> requests;
  for (int i = 0; i < 300; ++i) {
    Tokens tokens = {kBos};
    for (uint64_t left = 1 + rng.Below(60); left > 0; --left)
      tokens.push_back(rng.Below(8) == 0 ? kA : kOther);
    tokens.push_back(kB);
    requests.push_back(Request(std::move(tokens)));
  }
  GraphOptions options;
  options.prune_max_context = 40;
  RuleProber prober(FiresAfter(kB, {kA}, 30));
  const auto together = PruneExamples(requests, options, prober);
  for (size_t i = 0; i < requests.size(); ++i) {
    const PrunedExample alone =
        PruneExamples(std::span(requests).subspan(i, 1), options, prober).front();
    ASSERT_EQ(together[i].tokens, alone.tokens);
    ASSERT_EQ(together[i].pruning.outcome, alone.pruning.outcome);
    ASSERT_EQ(together[i].pruning.trajectory, alone.pruning.trajectory);
  }
}

}  // namespace
}  // namespace assay::neurons
