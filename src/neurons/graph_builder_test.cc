#include "neurons/graph_builder.h"

#include <gtest/gtest.h>

#include <cmath>

#include "measure/naive_prober.h"
#include "measure/probe_scheduler.h"
#include "model/model_testing.h"
#include "neurons/neurons_testing.h"

namespace assay::neurons {
namespace {

using Kind = store::TrieNode::Kind;
using Tokens = std::vector<TokenId>;

const ListTokenizer kWords({"<s>", " aa", " bb", " cc", " dd", " ee.", "<m>"});
constexpr TokenId kBos = 0, kA = 1, kB = 2, kC = 3, kD = 4, kStop = 5, kMask = 6;

GraphContext Context(SubstituteSource* substitutes = nullptr) {
  return {.tokenizer = kWords,
          .token_texts = kWords.texts(),
          .mask = kMask,
          .substitutes = substitutes};
}

GraphRequest Request(const std::vector<Tokens>& examples, RuleProber& prober) {
  GraphRequest request{.unit = {0, 3}, .max_activation = 1};
  for (const Tokens& tokens : examples) {
    const auto activations =
        prober.Activations(std::vector<measure::Probe>{{tokens, {0, 3}}}).front();
    const auto strongest = std::max_element(activations.begin(), activations.end());
    request.examples.push_back({static_cast<int>(request.examples.size()), tokens,
                                static_cast<int>(strongest - activations.begin()), *strongest});
  }
  return request;
}

GraphResult BuildOne(const std::vector<Tokens>& examples, const RuleProber::Rule& rule,
                     const GraphOptions& options = {}, SubstituteSource* substitutes = nullptr) {
  RuleProber prober(rule);
  return BuildGraphs(std::vector<GraphRequest>{Request(examples, prober)}, options,
                     Context(substitutes), prober)
      .front();
}

// Each path from the activating token leftwards, for example "bb<-*<-aa = 1".
std::vector<std::string> Paths(const store::Graph& graph) {
  std::vector<std::string> out;
  for (const store::TrieNode& end : graph.nodes) {
    if (end.kind != Kind::kEnd) continue;
    std::string path = fmt::format(" = {:.2g}", end.activation);
    for (auto at = static_cast<size_t>(end.parent); at != 0;
         at = static_cast<size_t>(graph.nodes[at].parent)) {
      const store::TrieNode& node = graph.nodes[at];
      const std::string text =
          node.kind == Kind::kIgnore ? "*" : kWords.TokenText(node.token).substr(1);
      path = (node.kind == Kind::kActivating ? text : "<-" + text) + path;
    }
    out.push_back(path);
  }
  std::sort(out.begin(), out.end());
  return out;
}

TEST(GraphBuilderTest, FindsExactlyThePathsOfTheRule) {
  const auto rule = FiresAfter(kB, {kA}, 3);
  const GraphResult result =
      BuildOne({{kBos, kD, kA, kB}, {kBos, kA, kC, kB, kD}, {kBos, kC, kD, kA, kC, kD, kB}}, rule);
  EXPECT_EQ(Paths(result.graph),
            (std::vector<std::string>{"bb<-*<-*<-aa = 1", "bb<-*<-aa = 1", "bb<-aa = 1"}));
  EXPECT_EQ(result.graph.unit, (UnitId{0, 3}));
  EXPECT_EQ(result.graph.max_activation, 1);
  ASSERT_EQ(result.prunings.size(), 3U);
  ASSERT_EQ(result.prompts.size(), 3U);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(result.prunings[static_cast<size_t>(i)].context, i + 1);
    EXPECT_EQ(result.prompts[static_cast<size_t>(i)].example, i);
    EXPECT_EQ(result.prompts[static_cast<size_t>(i)].ordinal, 0);
  }
}

TEST(GraphBuilderTest, FiringTokensBesideThePivotHavePathsOfTheirOwn) {
  const auto rule = [](std::span<const TokenId> tokens, size_t at) {
    return std::max(FiresAfter(kB, {kA}, 3)(tokens, at), FiresAfter(kC, {kD}, 1, 0.7F)(tokens, at));
  };
  // The pivot needs "aa", three back; "cc" after "dd" stands in between and is part of the kept
  // context.
  EXPECT_EQ(Paths(BuildOne({{kBos, kA, kD, kC, kB}}, rule).graph),
            (std::vector<std::string>{"bb<-*<-*<-aa = 1", "cc<-dd = 0.7"}));
}

TEST(GraphBuilderTest, SubstitutesThatKeepTheActivationAddPaths) {
  const auto rule = [](std::span<const TokenId> tokens, size_t at) {
    return std::max(FiresAfter(kB, {kA}, 3)(tokens, at),
                    FiresAfter(kB, {kC}, 3, 0.75F)(tokens, at));
  };
  ListedSubstitutes source({{"aa", {{"cc", false, 0.5}, {"dd", false, 0.25}}}});
  const GraphResult result = BuildOne({{kBos, kD, kA, kD, kB}}, rule, {}, &source);
  EXPECT_EQ(Paths(result.graph), (std::vector<std::string>{"bb<-*<-aa = 1", "bb<-*<-cc = 0.75"}));
  ASSERT_EQ(result.prompts.size(), 3U);
  EXPECT_TRUE(result.prompts[1].kept);
  EXPECT_FALSE(result.prompts[2].kept);
  EXPECT_TRUE(result.prompts[2].targets.empty());
  EXPECT_EQ(result.prompts[2].ordinal, 2);
  ASSERT_TRUE(result.prompts[2].substitution.has_value());
  EXPECT_EQ(result.prompts[2].substitution->substitute, "dd");
}

TEST(GraphBuilderTest, AUnitWithoutUsableExamplesGetsTheRootAlone) {
  const auto silent = [](std::span<const TokenId>, size_t) { return 0.0F; };
  const GraphResult result = BuildOne({{kBos, kA, kB}}, silent);
  EXPECT_EQ(result.graph.nodes.size(), 1U);
  ASSERT_EQ(result.prunings.size(), 1U);
  EXPECT_EQ(result.prunings[0].outcome, store::PruneOutcome::kNotPositive);
  EXPECT_TRUE(result.prompts.empty());
  EXPECT_EQ(BuildOne({}, silent).graph.nodes.size(), 1U);
}

TEST(GraphBuilderTest, AnExampleWhosePivotIsBosIsAPathOfBosAlone) {
  const auto rule = [](std::span<const TokenId> tokens, size_t at) {
    return tokens[at] == kBos ? 1.0F : 0.0F;
  };
  const GraphResult result = BuildOne({{kBos, kA, kB}}, rule);
  EXPECT_EQ(Paths(result.graph), std::vector<std::string>{"s> = 1"});
}

TEST(GraphBuilderTest, PostContextEndsWithTheSentence) {
  GraphOptions options;
  options.prune_post_context = 3;
  const auto rule = FiresAfter(kB, {kA}, 3);
  EXPECT_EQ(BuildOne({{kBos, kA, kB, kD, kStop, kD, kD}}, rule, options).prompts[0].tokens,
            (Tokens{kBos, kA, kB, kD, kStop}));
  EXPECT_EQ(BuildOne({{kBos, kA, kB, kD, kD, kD, kD}}, rule, options).prompts[0].tokens,
            (Tokens{kBos, kA, kB, kD, kD, kD}));
  EXPECT_EQ(
      BuildOne({{kBos, kA, kStop, kD}}, FiresAfter(kStop, {kA}, 3), options).prompts[0].tokens,
      (Tokens{kBos, kA, kStop}));
}

// The pruned prompt has 0.5 where the whole text has 1: rescaled by 2, a token of 0.4 fires too.
TEST(GraphBuilderTest, WithRescalingATokenFiresByItsRescaledActivation) {
  const auto rule = [](std::span<const TokenId> tokens, size_t at) {
    if (tokens[at] == kC) return 0.4F;
    if (tokens[at] != kB) return 0.0F;
    const bool near = at > 1 && tokens[at - 2] == kA, far = at > 2 && tokens[at - 3] == kD;
    return near && far ? 1.0F : near ? 0.5F : 0.0F;
  };
  const std::vector<Tokens> examples = {{kBos, kD, kA, kC, kB}};
  EXPECT_EQ(Paths(BuildOne(examples, rule).graph), std::vector<std::string>{});
  GraphOptions options;
  options.prune_rescale = true;
  EXPECT_EQ(Paths(BuildOne(examples, rule, options).graph),
            (std::vector<std::string>{"bb<-*<-aa = 1", "cc = 0.8"}));
}

TEST(MaskTokenTest, NamesAndIdsResolveOrSayWhatThereIs) {
  const tokenizer::SpecialIds specials{.bos = 1, .unk = 0, .pad = 3};
  EXPECT_EQ(ResolveMaskToken("auto", specials, 10), 3);
  EXPECT_EQ(ResolveMaskToken("auto", {.bos = 1}, 10), 1);
  EXPECT_EQ(ResolveMaskToken("unk", specials, 10), 0);
  EXPECT_EQ(ResolveMaskToken("9", specials, 10), 9);
  for (const char* wrong : {"eos", "10", "-1", "", "2x"}) {
    const base::Error error = model::ErrorOf([&] { ResolveMaskToken(wrong, specials, 10); });
    EXPECT_EQ(error.kind(), base::ErrorKind::kUsage);
    EXPECT_NE(std::string(error.what()).find("pad, bos, unk"), std::string::npos) << error.what();
  }
}

TEST(GraphPresetTest, OnlyKnownNamesArePresets) {
  for (const std::string& name : GraphPresetNames()) {
    GraphOptions options = GraphPreset(name);
    base::ValidateFields(options);
  }
  EXPECT_EQ(model::ErrorOf([] { GraphPreset("papr"); }).kind(), base::ErrorKind::kUsage);
}

// ---- Whole graphs of a random network: the scheduler's equal those of one prompt at a time.

std::vector<GraphRequest> NetworkRequests(const model::Transformer& network) {
  const auto sequences = RandomSequences(40, 4, 20, network.config().vocab, 5);
  measure::ProbeScheduler prober(network);
  std::vector<GraphRequest> out;
  for (const UnitId unit :
       {UnitId{0, 1}, UnitId{0, 7}, UnitId{1, 2}, UnitId{1, 30}, UnitId{2, 0}, UnitId{2, 11}}) {
    std::vector<measure::Probe> probes;
    for (const store::Sequence& sequence : sequences) probes.push_back({sequence.tokens, unit});
    const auto activations = prober.Activations(probes);
    std::vector<TrainingExample> examples;
    for (size_t i = 0; i < sequences.size(); ++i) {
      const auto strongest = std::max_element(activations[i].begin() + 1, activations[i].end());
      examples.push_back({0, sequences[i].tokens,
                          static_cast<int>(strongest - activations[i].begin()), *strongest});
    }
    std::sort(examples.begin(), examples.end(),
              [](const auto& a, const auto& b) { return a.activation > b.activation; });
    examples.resize(4);
    for (size_t i = 0; i < examples.size(); ++i) examples[i].rank = static_cast<int>(i);
    out.push_back({unit, examples[0].activation, examples});
  }
  return out;
}

void ExpectSameGraphs(const GraphResult& fast, const GraphResult& naive) {
  ASSERT_EQ(fast.graph.nodes.size(), naive.graph.nodes.size());
  for (size_t i = 0; i < fast.graph.nodes.size(); ++i) {
    const store::TrieNode &a = fast.graph.nodes[i], &b = naive.graph.nodes[i];
    ASSERT_EQ(std::tuple(a.kind, a.parent, a.token), std::tuple(b.kind, b.parent, b.token))
        << "node " << i;
    ASSERT_NEAR(a.activation, b.activation, 1e-4);
    ASSERT_NEAR(a.importance, b.importance, 1e-3 * (1 + std::abs(b.importance)));
  }
  ASSERT_EQ(fast.prunings.size(), naive.prunings.size());
  for (size_t i = 0; i < fast.prunings.size(); ++i) {
    ASSERT_EQ(fast.prunings[i].outcome, naive.prunings[i].outcome);
    ASSERT_EQ(fast.prunings[i].context, naive.prunings[i].context);
  }
  ASSERT_EQ(fast.prompts.size(), naive.prompts.size());
  for (size_t i = 0; i < fast.prompts.size(); ++i) {
    ASSERT_EQ(fast.prompts[i].tokens, naive.prompts[i].tokens);
    ASSERT_EQ(fast.prompts[i].kept, naive.prompts[i].kept);
    ASSERT_EQ(fast.prompts[i].targets, naive.prompts[i].targets);
  }
}

class WholeGraphTest : public testing::TestWithParam<std::tuple<std::string, std::string>> {};

INSTANTIATE_TEST_SUITE_P(Presets, WholeGraphTest,
                         testing::Combine(testing::Values("gpt2", "llama"),
                                          testing::Values("paper", "workshop", "reference")),
                         [](const auto& named) {
                           return std::get<0>(named.param) + "_" + std::get<1>(named.param);
                         });

TEST_P(WholeGraphTest, TheSchedulersGraphsEqualThoseOfOnePromptAtATime) {
  const model::Transformer network = model::TinyTransformer(std::get<0>(GetParam()));
  std::vector<std::string> texts = {"<s>"};
  std::map<std::string, std::vector<Substitute>> list;
  for (char c = 'a'; static_cast<int>(texts.size()) < network.config().vocab; ++c) {
    const std::string word =
        c <= 'z' ? std::string(2, c) : fmt::format("z{}", static_cast<char>(c - 26));
    texts.push_back(" " + word);
    list[word] = {{"bb", false, 0.5}, {"qq", false, 0.25}};
  }
  const ListTokenizer words(texts);
  ListedSubstitutes source(list);
  GraphContext context{.tokenizer = words, .token_texts = texts, .mask = 0, .substitutes = &source};
  const GraphOptions options = GraphPreset(std::get<1>(GetParam()));
  if (options.normalize_tokens) context.classes = TokenClasses::Normalized(texts);
  const std::vector<GraphRequest> requests = NetworkRequests(network);
  measure::ProbeScheduler scheduler(network);
  measure::NaiveProber naive(network);
  const auto fast = BuildGraphs(requests, options, context, scheduler);
  const auto expected = BuildGraphs(requests, options, context, naive);
  size_t nodes = 0, varied = 0;
  for (size_t i = 0; i < requests.size(); ++i) {
    ExpectSameGraphs(fast[i], expected[i]);
    nodes += fast[i].graph.nodes.size();
    varied += fast[i].prompts.size() - requests[i].examples.size();
  }
  EXPECT_GT(nodes, 6 * 8U);
  const bool varies = std::get<1>(GetParam()) == "paper";
  EXPECT_TRUE(varied > 0 || !varies);
  EXPECT_LT(scheduler.stats().forwards, naive.stats().forwards);
  EXPECT_LT(scheduler.stats().tokens, naive.stats().tokens);
}

}  // namespace
}  // namespace assay::neurons
