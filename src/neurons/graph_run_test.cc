#include "neurons/graph_run.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "measure/probe_scheduler.h"
#include "model/model_testing.h"
#include "neurons/example_collector.h"
#include "neurons/neurons_testing.h"
#include "neurons/score_run.h"

namespace assay::neurons {
namespace {

using model::TemporaryFolder;
using store::RunStore;

// Passes on to a scheduler and, like a killed process, ends after a number of calls.
class MortalProber : public measure::Prober {
 public:
  MortalProber(const model::Transformer& network, int calls) : scheduler_(network), calls_(calls) {}
  std::vector<std::vector<float>> Activations(std::span<const measure::Probe> probes) override {
    Live();
    return scheduler_.Activations(probes);
  }
  std::vector<measure::MaskedActivations> Masked(std::span<const measure::MaskedProbe> probes,
                                                 TokenId mask) override {
    Live();
    return scheduler_.Masked(probes, mask);
  }

 private:
  void Live() {
    if (calls_-- == 0) throw std::runtime_error("killed");
  }
  measure::ProbeScheduler scheduler_;
  int calls_;
};

class GraphRunTest : public testing::Test {
 protected:
  RunStore CollectedRun(const std::string& name) const {
    RunStore store = RunStore::Open(folder_.path() / name, RunStore::Mode::kWrite);
    ExampleCollector collector(network_, {.top = 6, .sample = 0}, 1);
    for (const store::Sequence& sequence : RandomSequences(80, 4, 16, 29, 8))
      collector.Add(sequence);
    collector.Finish(store);
    return store;
  }
  void Build(RunStore& store, measure::Prober& prober, GraphRunOptions run = {.block = 8}) const {
    const ListTokenizer words({"<s>"});
    const GraphContext context{.tokenizer = words, .mask = 0};
    BuildMissingGraphs(store, Units(store), {}, run, context, prober, nullptr);
  }
  static std::vector<UnitId> Units(const RunStore& store) {
    return SelectUnits({.sample = 10}, store.UnitsWithExamples());
  }

  TemporaryFolder folder_;
  model::Transformer network_ = model::TinyTransformer("gpt2");
};

TEST_F(GraphRunTest, ARunContinuedAfterInterruptionsEqualsAnUninterruptedOne) {
  RunStore whole = CollectedRun("whole");
  measure::ProbeScheduler scheduler(network_);
  Build(whole, scheduler);
  ASSERT_EQ(whole.UnitsWithGraph().size(), 30U);
  RunStore broken = CollectedRun("broken");
  std::vector<size_t> stored;
  for (const int calls : {0, 4, 5}) {
    MortalProber prober(network_, calls);
    EXPECT_THROW(Build(broken, prober), std::runtime_error);
    stored.push_back(broken.UnitsWithGraph().size());
    EXPECT_EQ(stored.back() % 8, 0U) << "a block is stored whole or not at all";
  }
  EXPECT_GT(stored.back(), 0U);
  EXPECT_LT(stored.back(), 30U);
  EXPECT_NE(broken.ContentHash(), whole.ContentHash());
  Build(broken, scheduler);
  EXPECT_EQ(broken.ContentHash(), whole.ContentHash());
  const int64_t requests = scheduler.stats().requests;
  Build(broken, scheduler);
  EXPECT_EQ(scheduler.stats().requests, requests) << "a complete run asks for nothing";
}

TEST_F(GraphRunTest, ASeededHalfOfTheExamplesTrains) {
  RunStore store = CollectedRun("run"), other = CollectedRun("other");
  measure::ProbeScheduler scheduler(network_);
  Build(store, scheduler);
  Build(other, scheduler, {.block = 8, .seed = 2});
  int different = 0;
  for (const UnitId unit : store.UnitsWithGraph()) {
    const store::Graph graph = *store.GetGraph(unit);
    std::vector<int> all = graph.train;
    all.insert(all.end(), graph.test.begin(), graph.test.end());
    std::sort(all.begin(), all.end());
    EXPECT_EQ(all, (std::vector<int>{0, 1, 2, 3, 4, 5}));
    EXPECT_EQ(graph.train.size(), 3U);
    std::vector<int> pruned;
    for (const store::Pruning& pruning : store.GetPrunings(unit)) pruned.push_back(pruning.example);
    EXPECT_EQ(pruned, graph.train);
    EXPECT_EQ(graph.max_activation, store.GetStats(unit)->maximum);
    different += other.GetGraph(unit)->train != graph.train ? 1 : 0;
  }
  EXPECT_GT(different, 10);
}

TEST_F(GraphRunTest, GivenExamplesKeepTheirGivenSplit) {
  RunStore store = RunStore::Open(folder_.path() / "given", RunStore::Mode::kWrite);
  measure::ProbeScheduler scheduler(network_);
  const UnitId unit{1, 5}, never{1, 6};
  nlohmann::json split;
  for (const UnitId each : {unit, never}) {
    split[base::ToString(each)] = {{"train", {0, 1, 2}}, {"test", {3}}};
    store.Put(store::UnitStats{.unit = each, .maximum = each == unit ? 2.5 : 0.0});
  }
  store.PutManifest("given_examples", split);
  const auto sequences = RandomSequences(4, 6, 12, 29, 2);
  for (const store::Sequence& sequence : sequences) {
    store.Put(sequence);
    for (const UnitId each : {unit, never}) {
      const auto activations =
          scheduler.Activations(std::vector<measure::Probe>{{sequence.tokens, each}}).front();
      store.Put(store::Example{each, store::ExampleKind::kGiven, 0, static_cast<int>(sequence.id),
                               sequence.id, 2, activations[2], activations});
    }
  }
  const ListTokenizer words({"<s>"});
  BuildMissingGraphs(store, std::vector<UnitId>{unit, never}, {}, {},
                     {.tokenizer = words, .mask = 0}, scheduler, nullptr);
  EXPECT_EQ(store.GetGraph(unit)->train, (std::vector<int>{0, 1, 2}));
  EXPECT_EQ(store.GetGraph(unit)->test, std::vector<int>{3});
  EXPECT_EQ(store.GetGraph(unit)->max_activation, 2.5);
  EXPECT_EQ(store.GetPrunings(unit).size(), 3U);
  EXPECT_EQ(store.GetGraph(never)->nodes.size(), 1U) << "nothing to normalise by";
  EXPECT_TRUE(store.GetPrunings(never).empty());
}

TEST(BlockForTest, SmallModelsTakeManyNeuronsAtATime) {
  const auto sized = [](int layers, int d_model, int d_mlp) {
    model::TransformerConfig config = model::TinyConfig("gpt2");
    config.layers = layers;
    config.d_model = d_model;
    config.d_mlp = d_mlp;
    return BlockFor(config);
  };
  EXPECT_EQ(sized(3, 16, 64), 256);
  EXPECT_EQ(sized(6, 192, 768), 50);
  EXPECT_EQ(sized(12, 768, 3072), 16);
  EXPECT_EQ(sized(80, 8192, 28672), 16) << "no overflow";
}

TEST_F(GraphRunTest, EveryGraphIsScoredOnTheHalfItWasNotBuiltFrom) {
  RunStore store = CollectedRun("run");
  measure::ProbeScheduler scheduler(network_);
  Build(store, scheduler);
  const std::vector<UnitId> units = Units(store);
  ScoreHeldOut(store, units, {}, nullptr);
  ScoreTexts(store, units, "random_text", {{0, 3, 4, 5}, {0, 9}},
             model::TransformerNeurons(network_), {}, nullptr);
  for (const UnitId unit : units) {
    const store::Graph graph = *store.GetGraph(unit);
    int64_t firing = 0;
    for (const store::Example& example : store.GetExamples(unit)) {
      if (!std::binary_search(graph.test.begin(), graph.test.end(), example.rank)) continue;
      for (const float value : example.activations)
        firing += value >= 0.5 * graph.max_activation ? 1 : 0;
    }
    const auto scores = store.GetScores(unit);
    ASSERT_EQ(scores.size(), 12U) << "six methods, two sets";
    for (const store::Score& score : scores) {
      if (score.set != "held_out") continue;
      EXPECT_EQ(score.true_positives + score.false_negatives, firing) << score.method;
    }
  }
}

}  // namespace
}  // namespace assay::neurons
