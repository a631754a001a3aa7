#include "neurons/embedding_run.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <stdexcept>

#include "measure/probe_scheduler.h"
#include "model/model_testing.h"
#include "neurons/cluster_graphs.h"
#include "neurons/cluster_labels.h"
#include "neurons/example_collector.h"
#include "neurons/graph_run.h"
#include "neurons/neurons_testing.h"
#include "neurons/sae_evaluation.h"

namespace assay::neurons {
namespace {

using model::TemporaryFolder;
using store::ExampleKind;
using store::RunStore;

std::vector<store::Sequence> Text() { return RandomSequences(120, 4, 16, 29, 8); }

SequenceStream StreamOf(std::vector<store::Sequence> sequences, size_t breaks_at = SIZE_MAX) {
  auto next = std::make_shared<size_t>(0);
  auto all = std::make_shared<std::vector<store::Sequence>>(std::move(sequences));
  return [=]() -> std::optional<store::Sequence> {
    if (*next == breaks_at) throw std::runtime_error("killed");
    if (*next == all->size()) return std::nullopt;
    return (*all)[(*next)++];
  };
}

model::SparseAutoencoder RandomSae() {
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(3);
  model::SaeWeights weights{.w_enc = at::randn({16, 24}, generator),
                            .b_enc = at::randn({24}, generator),
                            .w_dec = at::randn({24, 16}, generator) * 0.1,
                            .b_dec = at::randn({16}, generator) * 0.1};
  return {{.d_in = 16, .d_sae = 24, .hook_name = "blocks.1.hook_resid_mid"}, std::move(weights)};
}

// The units of a run: neurons, or the features of an autoencoder.
class EmbeddingRunTest : public testing::TestWithParam<std::string> {
 protected:
  const model::TokenUnits& Units() const {
    return GetParam() == "sae" ? static_cast<const model::TokenUnits&>(features_) : neurons_;
  }
  RunStore CollectedRun(const std::string& name) const {
    RunStore store = RunStore::Open(folder_.path() / name, RunStore::Mode::kWrite);
    ExampleCollector collector(Units(), {.top = 8, .sample = 20}, 1);
    for (const store::Sequence& sequence : Text()) collector.Add(sequence);
    collector.Finish(store);
    return store;
  }
  EmbedContext Context(size_t breaks_at = SIZE_MAX) const {
    return {.model = Units(),
            .open_text = [=] { return StreamOf(Text(), breaks_at); },
            .token_texts = std::vector<std::string>(29, " word"),
            .memory_bytes = 1};  // layer by layer
  }

  TemporaryFolder folder_;
  model::Transformer network_ = model::TinyTransformer(GetParam() == "sae" ? "gpt2" : GetParam());
  model::SparseAutoencoder sae_ = RandomSae();
  model::TransformerNeurons neurons_{network_};
  model::SaeFeatures features_{network_, sae_};
};

// Largest counted activation of a unit in a sequence.
double Largest(const model::TokenUnits& units, UnitId unit, const store::Sequence& sequence) {
  const c10::InferenceMode guard;
  const at::Tensor ids =
      at::tensor(std::vector<int64_t>(sequence.tokens.begin(), sequence.tokens.end()), at::kLong)
          .unsqueeze(0);
  return units
      .Activations(unit.layer, units.network().Read({.ids = ids}, units.ReadHook(unit.layer)))[0]
      .select(1, unit.index)
      .slice(0, 1)
      .max()
      .item<double>();
}

TEST_P(EmbeddingRunTest, TakesEveryExampleAboveTheShareAndNoOther) {
  RunStore store = CollectedRun("run");
  const std::vector<UnitId> units = SelectUnits({.sample = 3}, store.UnitsWithStats());
  EmbedUnits(store, units, {.share = 0.6, .cap = 1000}, {}, Context(), nullptr);
  int examples = 0;
  for (const UnitId unit : units) {
    const double threshold = 0.6 * store.GetStats(unit)->maximum;
    std::set<int64_t> expected, found;
    for (const store::Sequence& sequence : Text()) {
      if (threshold > 0 && Largest(Units(), unit, sequence) >= threshold)
        expected.insert(sequence.id);
    }
    for (const store::Example& example : store.GetExamples(unit, ExampleKind::kAbove)) {
      found.insert(example.sequence);
      EXPECT_EQ(example.activation, example.activations.at(static_cast<size_t>(example.pivot)));
      EXPECT_EQ(store.GetSequence(example.sequence).tokens.size(), example.activations.size());
    }
    EXPECT_EQ(found, expected) << base::ToString(unit);
    examples += static_cast<int>(found.size());
  }
  EXPECT_GT(examples, 10);
}

TEST_P(EmbeddingRunTest, EmbeddingsAddUpToThePreActivationOfTheirExample) {
  RunStore store = CollectedRun("run");
  const std::vector<UnitId> units = SelectUnits({.sample = 4}, store.UnitsWithStats());
  EmbedUnits(store, units, {.examples = "top", .quantiles = true}, {}, Context(), nullptr);
  for (const UnitId unit : units) {
    const auto embedding = store.GetEmbedding(unit);
    ASSERT_TRUE(embedding);
    const auto stored = store.GetExamples(unit);
    for (size_t i = 0; i < embedding->examples.size(); ++i) {
      const auto example = std::find_if(stored.begin(), stored.end(), [&](const auto& e) {
        return store::ExampleKey{e.kind, e.bin, e.rank} == embedding->examples[i];
      });
      ASSERT_NE(example, stored.end());
      double sum = Units().InputBias(unit.layer)[unit.index].item<double>();
      const auto width = static_cast<size_t>(embedding->dims);
      for (size_t d = 0; d < width; ++d) sum += embedding->vectors[i * width + d];
      if (GetParam() == "sae") {  // the feature is the positive part of it
        EXPECT_NEAR(example->activation, sum, 1e-4);
      } else {
        EXPECT_NEAR(example->activation, at::gelu(at::tensor(sum), "tanh").item<double>(), 1e-4);
      }
    }
    const auto measures = store.GetMeasures(unit);
    ASSERT_TRUE(measures);
    EXPECT_EQ(measures->examples, static_cast<int>(embedding->examples.size()));
    EXPECT_EQ(measures->mean_distance.has_value(), measures->examples >= 2);
    EXPECT_FALSE(measures->cut_reason.empty());
    size_t members = 0;
    for (const store::FeatureCluster& cluster : store.GetClusters(unit))
      members += cluster.members.size();
    EXPECT_EQ(members, embedding->examples.size());
  }
}

TEST_P(EmbeddingRunTest, ACappedSampleAndAContinuedRunAreTheSame) {
  RunStore whole = CollectedRun("whole"), broken = CollectedRun("broken");
  const std::vector<UnitId> units = whole.UnitsWithStats();
  const EmbedOptions options{.share = 0.3, .cap = 5};
  const ClusterOptions clusters{.stability_draws = 3, .interval_draws = 10};
  EmbedUnits(whole, units, options, clusters, Context(), nullptr);
  EXPECT_THROW(EmbedUnits(broken, units, options, clusters, Context(60), nullptr),
               std::runtime_error);
  const std::vector<UnitId> part(units.begin(), units.begin() + 7);
  EmbedUnits(broken, part, options, clusters, Context(), nullptr);
  EmbedUnits(broken, units, options, clusters, Context(), nullptr);
  EXPECT_EQ(broken.ContentHash(), whole.ContentHash());
  for (const UnitId unit : units)
    EXPECT_LE(whole.GetExamples(unit, ExampleKind::kAbove).size(), 5U);
}

INSTANTIATE_TEST_SUITE_P(Kinds, EmbeddingRunTest, testing::Values("gpt2", "sae"),
                         [](const auto& kind) { return kind.param; });

TEST(SaeUnitsTest, ASchedulerMeasuresFeaturesAsTheEncoderDoes) {
  const model::Transformer network = model::TinyTransformer("gpt2");
  const model::SparseAutoencoder sae = RandomSae();
  const model::SaeFeatures features(network, sae);
  measure::ProbeScheduler scheduler(features);
  const std::vector<measure::Probe> probes = {{{0, 4, 7, 9}, {1, 5}}, {{0, 4, 8}, {1, 20}}};
  const auto found = scheduler.Activations(probes);
  for (size_t p = 0; p < probes.size(); ++p) {
    const at::Tensor ids =
        at::tensor(std::vector<int64_t>(probes[p].tokens.begin(), probes[p].tokens.end()),
                   at::kLong)
            .unsqueeze(0);
    const at::Tensor expected = sae.Encode(network.Read({.ids = ids}, features.ReadHook(1)))[0];
    for (size_t t = 0; t < probes[p].tokens.size(); ++t) {
      EXPECT_NEAR(found[p][t],
                  expected[static_cast<int64_t>(t)][probes[p].unit.index].item<float>(), 1e-5);
    }
  }
}

TEST(SaeEvaluationTest, APerfectAutoencoderLosesNothing) {
  const model::Transformer network = model::TinyTransformer("gpt2");
  // x = relu(x) - relu(-x)
  const at::Tensor eye = at::eye(16);
  const model::SparseAutoencoder perfect(
      {.d_in = 16, .d_sae = 32, .hook_name = "blocks.1.hook_resid_pre"},
      {.w_enc = at::cat({eye, -eye}, 1),
       .b_enc = at::zeros({32}),
       .w_dec = at::cat({eye, -eye}, 0),
       .b_dec = at::zeros({16})});
  std::vector<std::vector<TokenId>> texts;
  for (const store::Sequence& sequence : Text()) texts.push_back(sequence.tokens);
  const SaeQuality quality = EvaluateSae(network, perfect, texts, 1);
  EXPECT_NEAR(quality.l0, 16, 1e-9);
  EXPECT_NEAR(quality.unexplained, 0, 1e-9);
  EXPECT_NEAR(quality.spliced, quality.loss, 1e-5);
  EXPECT_NE(quality.ablated, quality.loss);
  EXPECT_EQ(quality.dead, 0);
}

TEST(SaeEvaluationTest, InterpolatesBetweenNeighboursOnly) {
  const std::vector<std::pair<double, double>> points = {{1, 10}, {3, 20}};
  EXPECT_EQ(Interpolate(points, 2), 15);
  EXPECT_EQ(Interpolate(points, 3), 20);
  EXPECT_FALSE(Interpolate(points, 0.9));
  EXPECT_FALSE(Interpolate(points, 3.1));
}

TEST(ClusterLabellerTest, NamesWhatIsCommonHereAndRareElsewhere) {
  const std::vector<std::string> texts = {"<s>", " the", " big", " cat", " dog", "\xFF"};
  ClusterLabeller labeller(texts, 1);
  const std::vector<TokenId> a = {0, 1, 2, 3}, b = {0, 2, 1, 3}, other = {0, 1, 1, 4};
  for (int i = 0; i < 10; ++i) labeller.AddToBackground({other, 3});
  const std::vector<LabelledExample> cluster = {{a, 3}, {b, 3}};
  for (const LabelledExample& example : cluster) labeller.AddToBackground(example);
  const ClusterLabel label = labeller.Label(cluster);
  EXPECT_EQ(label.activating, (std::vector<TokenId>{3}));
  EXPECT_EQ(label.context, (std::vector<TokenId>{2}));  // " the" stands before everything
  EXPECT_EQ(label.text, "cat (after: big)");
  const std::vector<TokenId> bytes = {0, 5};
  const std::vector<LabelledExample> odd = {{bytes, 1}};
  EXPECT_EQ(labeller.Label(odd).text, "\\xFF");
}

TEST(ClusterLabellerTest, TokensThatReadTheSameAreNamedOnce) {
  const std::vector<std::string> texts = {"<s>", " u", "u", "n", "z"};
  ClusterLabeller labeller(texts, 1);
  const std::vector<TokenId> a = {0, 1, 2, 3, 4};
  const std::vector<LabelledExample> cluster = {{a, 4}, {a, 4}};
  const std::vector<TokenId> other = {0, 4, 4};
  labeller.AddToBackground({other, 2});
  for (const LabelledExample& example : cluster) labeller.AddToBackground(example);
  EXPECT_EQ(labeller.Label(cluster).text, "z (after: u, n)");
}

// A unit that fires on 5 after 1 and on 6 after 2, with embeddings that say so.
TEST(ClusterGraphsTest, AClustersOwnGraphBeatsOneFromAllClusters) {
  const TemporaryFolder folder;
  RunStore store = RunStore::Open(folder.path() / "run", RunStore::Mode::kWrite);
  constexpr UnitId kUnit{0, 0};
  const auto rule = [](std::span<const TokenId> tokens, size_t at) {
    if (at == 0) return 0.0F;
    return (tokens[at] == 5 && tokens[at - 1] == 1) || (tokens[at] == 6 && tokens[at - 1] == 2)
               ? 1.0F
               : 0.0F;
  };
  RuleProber prober(rule);
  store::Embedding embedding{kUnit, 2, {}, {}};
  std::vector<store::FeatureCluster> clusters(2);
  for (int i = 0; i < 16; ++i) {
    const bool second = i >= 8;
    const std::vector<TokenId> tokens = {0, 3 + i % 2, second ? 2 : 1, second ? 6 : 5};
    store.Put(store::Sequence{i, "text", i, 0, tokens});
    store.Put(store::Example{kUnit, ExampleKind::kAbove, 0, i, i, 3, 1.0F, {NAN, 0, 0, 1}});
    embedding.examples.push_back({ExampleKind::kAbove, 0, i});
    embedding.vectors.insert(embedding.vectors.end(), {second ? 0.0F : 1.0F, second ? 1.0F : 0.0F});
    clusters[second].members.push_back(i);
  }
  store.Put(store::UnitStats{.unit = kUnit, .tokens = 64, .maximum = 1});
  store.Put(embedding);
  for (int c = 0; c < 2; ++c) {
    clusters[static_cast<size_t>(c)].unit = kUnit;
    clusters[static_cast<size_t>(c)].cluster = c;
    store.Put(clusters[static_cast<size_t>(c)]);
  }
  const ListTokenizer words({"<s>"});
  const GraphContext context{.tokenizer = words, .mask = 0};
  const std::vector<UnitId> units = {kUnit, {0, 1}};
  const auto scores = BuildClusterGraphs(store, units, {}, {}, context, {}, prober, nullptr);
  ASSERT_EQ(scores.size(), 1U);
  EXPECT_EQ(scores[0].clusters, 2);
  EXPECT_EQ(scores[0].examples, 16);
  EXPECT_DOUBLE_EQ(scores[0].split, 1);
  EXPECT_DOUBLE_EQ(scores[0].together, 1);
  EXPECT_DOUBLE_EQ(scores[0].whole, 1);
  EXPECT_LE(scores[0].single, 1);
  const auto graphs = store.GetClusterGraphs(kUnit);
  ASSERT_EQ(graphs.size(), 2U);
  EXPECT_EQ(graphs[0].graph.train.size(), 4U);
  ASSERT_TRUE(CompareToSingle(scores, 1));
  EXPECT_FALSE(CompareToShuffled({}, 1));
}

}  // namespace
}  // namespace assay::neurons
