#include "measure/probe_scheduler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/rng.h"
#include "measure/naive_prober.h"
#include "model/model_testing.h"

namespace assay::measure {
namespace {

using model::ErrorOf;
using model::TinyTransformer;

void ExpectSame(const std::vector<float>& fast, const std::vector<float>& naive,
                const std::string& what) {
  ASSERT_EQ(fast.size(), naive.size()) << what;
  for (size_t t = 0; t < fast.size(); ++t) {
    ASSERT_NEAR(fast[t], naive[t], 1e-4 * (1 + std::abs(naive[t]))) << what << ", token " << t;
  }
}

std::vector<TokenId> RandomPrompt(base::Rng& rng, size_t length, int vocab) {
  std::vector<TokenId> out;
  while (out.size() < length) {
    out.push_back(static_cast<TokenId>(rng.Below(static_cast<uint64_t>(vocab))));
  }
  return out;
}

UnitId RandomUnit(base::Rng& rng, const model::TransformerConfig& config) {
  return {static_cast<int>(rng.Below(static_cast<uint64_t>(config.layers))),
          static_cast<int>(rng.Below(static_cast<uint64_t>(config.d_mlp)))};
}

// Prompts of every length, a third of them fresh, a third repeated, a third the beginning of an
// earlier one.
std::vector<Probe> MixedProbes(const model::TransformerConfig& config, int count, uint64_t seed) {
  base::Rng rng(seed, "probes");
  std::vector<Probe> out;
  for (int i = 0; i < count; ++i) {
    std::vector<TokenId> tokens;
    if (i < 3 || i % 3 == 0) {
      tokens = RandomPrompt(rng, 1 + rng.Below(static_cast<uint64_t>(config.max_positions)),
                            config.vocab);
    } else {
      tokens = out[rng.Below(out.size())].tokens;
      if (i % 3 == 1) tokens.resize(1 + rng.Below(tokens.size()));
    }
    out.push_back({std::move(tokens), RandomUnit(rng, config)});
  }
  out.push_back({{3}, {config.layers - 1, 0}});
  return out;
}

class ProbeSchedulerTest : public testing::TestWithParam<std::string> {};

INSTANTIATE_TEST_SUITE_P(Architectures, ProbeSchedulerTest,
                         testing::Values("gpt2", "gpt2/solu_ln", "gpt_neox", "llama", "mistral"),
                         model::ArchitectureTestName);

TEST_P(ProbeSchedulerTest, ActivationsEqualThoseOfOnePromptAtATime) {
  const model::Transformer network = TinyTransformer(GetParam());
  const std::vector<Probe> probes = MixedProbes(network.config(), 90, 1);
  NaiveProber naive(network);
  const auto expected = naive.Activations(probes);
  for (const int batch_tokens : {8192, 50, 1}) {
    ProbeScheduler scheduler(network, {.batch_tokens = batch_tokens});
    const auto answers = scheduler.Activations(probes);
    ASSERT_EQ(answers.size(), probes.size());
    for (size_t i = 0; i < probes.size(); ++i) {
      ExpectSame(answers[i], expected[i], fmt::format("batch {}, probe {}", batch_tokens, i));
    }
  }
}

TEST_P(ProbeSchedulerTest, MaskedActivationsEqualThoseOfOnePromptAtATime) {
  const model::Transformer network = TinyTransformer(GetParam());
  base::Rng rng(2, "positions");
  std::vector<MaskedProbe> probes;
  for (const Probe& probe : MixedProbes(network.config(), 40, 3)) {
    MaskedProbe masked{probe.tokens, probe.unit, {}};
    const int length = static_cast<int>(probe.tokens.size());
    const uint64_t kind = rng.Below(4);  // no position, all, first and last, any
    for (int t = 0; t < length; ++t) {
      const bool edge = t == 0 || t == length - 1;
      if (kind == 1 || (kind == 2 && edge) || (kind == 3 && rng.Below(2) == 0))
        masked.positions.push_back(t);
    }
    probes.push_back(std::move(masked));
  }
  NaiveProber naive(network);
  const auto expected = naive.Masked(probes, 7);
  for (const SchedulerOptions options : {SchedulerOptions{}, SchedulerOptions{.batch_tokens = 8}}) {
    ProbeScheduler scheduler(network, options);
    const auto answers = scheduler.Masked(probes, 7);
    ASSERT_EQ(answers.size(), probes.size());
    for (size_t i = 0; i < probes.size(); ++i) {
      ExpectSame(answers[i].base, expected[i].base, fmt::format("probe {}, base", i));
      ASSERT_EQ(answers[i].masked.size(), probes[i].positions.size());
      for (size_t p = 0; p < probes[i].positions.size(); ++p) {
        ExpectSame(answers[i].masked[p], expected[i].masked[p],
                   fmt::format("probe {}, position {}", i, probes[i].positions[p]));
      }
    }
    EXPECT_LT(scheduler.stats().tokens, naive.stats().tokens);
    EXPECT_EQ(scheduler.stats().requests, naive.stats().requests);
  }
}

TEST(ProbeSchedulerStatsTest, DuplicatesAndBeginningsOfPromptsRunOnce) {
  const model::Transformer network = TinyTransformer("gpt2");
  ProbeScheduler scheduler(network);
  scheduler.Activations(std::vector<Probe>{{{1, 2, 3, 4}, {0, 0}},
                                           {{1, 2, 3, 4}, {0, 1}},
                                           {{1, 2}, {0, 5}},
                                           {{1, 2, 3, 4}, {0, 0}},
                                           {{1}, {0, 2}}});
  EXPECT_EQ(scheduler.stats().requests, 5);
  EXPECT_EQ(scheduler.stats().prompts, 1);
  EXPECT_EQ(scheduler.stats().forwards, 1);
  EXPECT_EQ(scheduler.stats().tokens, 4);
}

TEST(ProbeSchedulerStatsTest, MaskedVariantsOfSharedPromptsRunOnceFromTheMaskOn) {
  const model::Transformer network = TinyTransformer("gpt2");
  ProbeScheduler scheduler(network);
  const std::vector<TokenId> tokens = {1, 2, 3, 4, 5};
  scheduler.Masked(
      std::vector<MaskedProbe>{
          {tokens, {0, 0}, {0, 1, 2, 3, 4}}, {tokens, {0, 1}, {1, 3}}, {tokens, {0, 2}, {}}},
      0);
  EXPECT_EQ(scheduler.stats().requests, 3 + 7);
  EXPECT_EQ(scheduler.stats().prompts, 1 + 5);
  EXPECT_EQ(scheduler.stats().tokens, 5 + (5 + 4 + 3 + 2 + 1));
  NaiveProber naive(network);
  naive.Masked(std::vector<MaskedProbe>{{tokens, {0, 0}, {0, 1, 2, 3, 4}}}, 0);
  EXPECT_EQ(naive.stats().tokens, 5 + 5 * 5);
}

TEST(ProbeSchedulerStatsTest, PromptsOfDifferentLengthAndDepthShareAForward) {
  const model::Transformer network = TinyTransformer("gpt2");
  ProbeScheduler scheduler(network);
  scheduler.Activations(
      std::vector<Probe>{{{1, 2, 3}, {0, 0}}, {{4, 5, 6, 7}, {2, 0}}, {{7, 8}, {0, 1}}});
  EXPECT_EQ(scheduler.stats().prompts, 3);
  EXPECT_EQ(scheduler.stats().forwards, 1);
  EXPECT_EQ(scheduler.stats().tokens, 9);
}

TEST(ProbeSchedulerStatsTest, WhatBeginsSeveralPromptsRunsOnce) {
  const model::Transformer network = TinyTransformer("gpt2");
  ProbeScheduler scheduler(network);
  scheduler.Activations(std::vector<Probe>{{{1, 2, 3, 4}, {0, 0}},
                                           {{1, 2, 5}, {2, 1}},
                                           {{1, 2, 3, 6, 7}, {1, 5}},
                                           {{1, 2, 3, 6, 8}, {1, 5}}});
  EXPECT_EQ(scheduler.stats().prompts, 4);
  EXPECT_EQ(scheduler.stats().tokens, 8) << "the trie's: 1 2 (5 | 3 (4 | 6 (7 | 8)))";
}

// What prompts share is run again in the next forward.
TEST(ProbeSchedulerStatsTest, ForwardsHoldAsManyTokensAsTheyMay) {
  const model::Transformer network = TinyTransformer("gpt2");
  ProbeScheduler scheduler(network, {.batch_tokens = 12});
  scheduler.Masked(std::vector<MaskedProbe>{{{1, 2, 3, 4, 5}, {0, 0}, {0, 1, 2, 3, 4}}}, 0);
  // 5 tokens of the prompt and variants of 1, 2, 3 | 5 of the fourth variant, sharing nothing,
  // and 5.
  EXPECT_EQ(scheduler.stats().forwards, 2);
  EXPECT_EQ(scheduler.stats().tokens, 11 + 10);
}

// Layers below the deepest one asked for have no weights here: a forward that went on would fail.
TEST(ProbeSchedulerDepthTest, ForwardsStopAtTheDeepestLayerAsked) {
  model::Transformer network = TinyTransformer("llama");
  const std::vector<Probe> probes = {{{1, 2, 3}, {1, 0}}, {{4, 5}, {0, 3}}};
  const std::vector<MaskedProbe> masked = {{{1, 2, 3}, {1, 0}, {0, 2}}, {{4, 5}, {0, 3}, {1}}};
  NaiveProber naive(network);
  const auto expected = naive.Activations(probes);
  const auto expected_masked = naive.Masked(masked, 0);
  network.mutable_weights().blocks[2] = {};
  network.mutable_weights().unembed = {};
  ProbeScheduler scheduler(network);
  ExpectSame(scheduler.Activations(probes)[0], expected[0], "activations");
  ExpectSame(scheduler.Masked(masked, 0)[0].masked[1], expected_masked[0].masked[1], "masked");
  EXPECT_ANY_THROW(scheduler.Activations(std::vector<Probe>{{{1, 2, 3}, {2, 0}}}));
}

TEST(ProbeSchedulerErrorTest, RefusesTokensAndLengthsThatTheModelDoesNotHave) {
  const model::Transformer network = TinyTransformer("gpt2");
  ProbeScheduler scheduler(network);
  const auto kind = [&](std::vector<TokenId> tokens) {
    return ErrorOf([&] {
             scheduler.Activations(std::vector<Probe>{{std::move(tokens), {0, 0}}});
           })
        .kind();
  };
  EXPECT_EQ(kind({1, 29}), base::ErrorKind::kBadInput);
  EXPECT_EQ(kind({-1}), base::ErrorKind::kBadInput);
  EXPECT_EQ(kind(std::vector<TokenId>(25, 1)), base::ErrorKind::kBadInput);
  // The group's other prompts are longer: without a check this would read past the end of the short
  // one.
  const std::vector<MaskedProbe> outside = {{{1, 2}, {0, 0}, {2}}, {{1, 2, 3}, {0, 0}, {0}}};
  EXPECT_EQ(ErrorOf([&] { scheduler.Masked(outside, 0); }).kind(), base::ErrorKind::kInternal);
  EXPECT_TRUE(scheduler.Activations({}).empty());
  EXPECT_TRUE(scheduler.Masked({}, 0).empty());
}

}  // namespace
}  // namespace assay::measure
