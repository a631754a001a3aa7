#include "neurons/score_run.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "model/model_testing.h"
#include "neurons/graph_score.h"
#include "neurons/neurons_testing.h"

namespace assay::neurons {
namespace {

using base::TemporaryFolder;
using store::RunStore;
using testing::ElementsAre;
using testing::IsEmpty;
using Kind = store::TrieNode::Kind;

class ScoreRunTest : public testing::Test {
 protected:
  // An example of `unit`; tokens begin with BOS (0), whose activation does not count.
  void PutExample(UnitId unit, int rank, std::vector<TokenId> tokens,
                  std::vector<float> activations) {
    const int64_t sequence = next_sequence_++;
    const auto strongest = std::max_element(activations.begin() + 1, activations.end());
    store_.Put(store::Example{unit, store::ExampleKind::kTop, 0, rank, sequence,
                              static_cast<int>(strongest - activations.begin()), *strongest,
                              std::move(activations)});
    store_.Put(store::Sequence{sequence, "text", sequence, 0, std::move(tokens)});
  }
  // Fires on 7 after 5.
  void PutGraph(UnitId unit, double max_activation) {
    store::Graph graph{
        .unit = unit, .max_activation = max_activation, .train = {0}, .test = {1, 2}};
    graph.nodes = {{Kind::kRoot, 0, 0, 0, 0},
                   {Kind::kActivating, 0, 7, 1, 0},
                   {Kind::kContext, 1, 5, 0, 0.9F},
                   {Kind::kEnd, 2, 0, 1, 0}};
    store_.Put(graph);
  }
  std::map<std::string, store::Score> Scores(UnitId unit, const std::string& set) const {
    std::map<std::string, store::Score> out;
    for (const store::Score& score : store_.GetScores(unit)) {
      if (score.set == set) out[score.method] = score;
    }
    return out;
  }

  TemporaryFolder folder_;
  RunStore store_ = RunStore::Open(folder_.path() / "run", RunStore::Mode::kWrite);
  int64_t next_sequence_ = 0;
};

std::vector<int64_t> Counts(const store::Score& score) {
  return {score.true_positives, score.false_positives, score.false_negatives};
}

TEST_F(ScoreRunTest, HeldOutScoresAreThoseCountedByHand) {
  const UnitId unit{0, 3};
  PutExample(unit, 0, {0, 5, 7, 6}, {NAN, 0, 2, 0});  // trains
  PutExample(unit, 1, {0, 5, 7, 6, 7}, {NAN, 0.1F, 1.8F, 0, 0.2F});
  PutExample(unit, 2, {0, 9, 7, 8}, {NAN, 0, 0.1F, 1.5F});
  PutGraph(unit, 2);
  ScoreHeldOut(store_, std::vector<UnitId>{unit}, {}, nullptr);
  const auto scores = Scores(unit, "held_out");
  ASSERT_EQ(scores.size(), ScoreMethods().size());
  // The tokens that fire: 7 in the first text, 8 in the second.
  EXPECT_THAT(Counts(scores.at("n2g")), ElementsAre(1, 0, 1)) << "7 only after 5";
  EXPECT_DOUBLE_EQ(*scores.at("n2g").precision, 1);
  EXPECT_DOUBLE_EQ(*scores.at("n2g").recall, 0.5);
  EXPECT_DOUBLE_EQ(*scores.at("n2g").f1, 2.0 / 3);
  EXPECT_THAT(Counts(scores.at("token_lookup")), ElementsAre(1, 2, 1)) << "every 7";
  EXPECT_DOUBLE_EQ(*scores.at("token_lookup").f1, 0.4);
  for (const char* method : {"ngram_2", "ngram_3", "ngram_4", "ngram_5"})
    EXPECT_THAT(Counts(scores.at(method)), ElementsAre(1, 0, 1)) << method;
  // Predicted 0 1 0 0 and 0 0 0 against true .05 .9 0 .1 and 0 .05 .75.
  const std::vector<double> x = {0, 1, 0, 0, 0, 0, 0}, y = {.05, .9, 0, .1, 0, .05, .75};
  double mean_x = 0, mean_y = 0, xx = 0, yy = 0, xy = 0;
  for (size_t i = 0; i < x.size(); ++i) mean_x += x[i] / 7, mean_y += y[i] / 7;
  for (size_t i = 0; i < x.size(); ++i) {
    xx += (x[i] - mean_x) * (x[i] - mean_x);
    yy += (y[i] - mean_y) * (y[i] - mean_y);
    xy += (x[i] - mean_x) * (y[i] - mean_y);
  }
  EXPECT_NEAR(*scores.at("n2g").correlation, xy / std::sqrt(xx * yy), 1e-6);
}

TEST_F(ScoreRunTest, NeuronsThatCannotBeScoredSayWhy) {
  const UnitId quiet{0, 1}, negative{0, 2};
  for (const UnitId unit : {quiet, negative}) {
    PutExample(unit, 0, {0, 5, 7}, {NAN, 0, 2});
    PutExample(unit, 1, {0, 5, 7}, {NAN, 0, 0.9F});
    PutExample(unit, 2, {0, 6}, {NAN, -3});
    PutGraph(unit, unit == quiet ? 2 : -1);
  }
  ScoreHeldOut(store_, std::vector<UnitId>{quiet, negative}, {}, nullptr);
  for (const auto& [method, score] : Scores(quiet, "held_out")) {
    EXPECT_EQ(score.excluded, "never fires in this set") << method;
    EXPECT_FALSE(score.f1 || score.precision || score.recall) << method;
  }
  EXPECT_THAT(Counts(Scores(quiet, "held_out").at("n2g")), ElementsAre(0, 1, 0));
  ASSERT_EQ(Scores(negative, "held_out").size(), ScoreMethods().size());
  for (const auto& [method, score] : Scores(negative, "held_out"))
    EXPECT_EQ(score.excluded, "never positive in the collected text") << method;
  const std::vector<LayerScore> layers = AverageByLayer(store_.GetScores("held_out"));
  ASSERT_EQ(layers.size(), 1U);
  EXPECT_EQ(layers[0].units, 0);
  EXPECT_THAT(layers[0].excluded,
              ElementsAre(std::pair<std::string, int>("never fires in this set", 1),
                          std::pair<std::string, int>("never positive in the collected text", 1)));
}

TEST_F(ScoreRunTest, TextsAreScoredOnTheModelsOwnActivations) {
  const c10::InferenceMode guard;
  const model::Transformer network = model::TinyTransformer("gpt2");
  std::vector<std::vector<TokenId>> sequences;
  for (const store::Sequence& sequence : RandomSequences(40, 3, 20, 29, 4))
    sequences.push_back(sequence.tokens);
  const UnitId units[] = {{0, 4}, {2, 60}};
  for (const UnitId unit : units) {
    PutExample(unit, 0, {0, 5, 7}, {NAN, 0, 0.4F});
    PutGraph(unit, 0.4);
  }
  ScoreContext context{.options = {}, .classes = {}, .first_counted = 2, .bos_tokens = 1};
  ScoreTexts(store_, units, "random_text", sequences, model::TransformerNeurons(network), context,
             nullptr);
  for (const UnitId unit : units) {
    int64_t firing = 0, sevens_after_fives = 0;
    for (const auto& tokens : sequences) {
      const at::Tensor values = network.Read(
          {.ids = at::tensor(std::vector<int64_t>(tokens.begin(), tokens.end())).unsqueeze(0)},
          model::ActivationHook(unit.layer, network.config()));
      for (size_t t = 2; t < tokens.size(); ++t) {
        const auto value = values[0][static_cast<int64_t>(t)][unit.index].item<float>();
        firing += value / 0.4 >= 0.5 ? 1 : 0;
        sevens_after_fives += tokens[t] == 7 && tokens[t - 1] == 5 ? 1 : 0;
      }
    }
    ASSERT_GT(firing, 0);
    const store::Score score = Scores(unit, "random_text").at("n2g");
    EXPECT_EQ(score.true_positives + score.false_negatives, firing);
    EXPECT_EQ(score.true_positives + score.false_positives, sevens_after_fives);
  }
}

TEST_F(ScoreRunTest, LayerActivationsDoNotDependOnWhatSharesTheBatch) {
  const c10::InferenceMode guard;
  const model::Transformer network = model::TinyTransformer("llama");
  const model::TransformerNeurons neurons(network);
  std::vector<std::vector<TokenId>> sequences;  // more than a batch
  for (const store::Sequence& sequence : RandomSequences(45, 3, 20, 29, 5))
    sequences.push_back(sequence.tokens);
  const auto together = LayerActivations(neurons, 1, sequences);
  ASSERT_EQ(together.size(), sequences.size());
  for (size_t i = 0; i < sequences.size(); ++i) {
    const auto alone = LayerActivations(neurons, 1, {sequences[i]});
    EXPECT_EQ(together[i].size(0), static_cast<int64_t>(sequences[i].size()));
    EXPECT_LT(model::LargestDifference(together[i], alone[0]), 1e-5);
  }
}

TEST(SpreadOverTest, TakesFromTheWholeListEvenly) {
  const std::vector<int64_t> ids = {2, 3, 5, 7, 11, 13, 17, 19, 23, 29};
  EXPECT_THAT(SpreadOver(ids, 5), ElementsAre(3, 7, 13, 19, 29));
  EXPECT_THAT(SpreadOver(ids, 1), ElementsAre(13));
  EXPECT_EQ(SpreadOver(ids, 10), ids);
  EXPECT_EQ(SpreadOver(ids, 99), ids) << "there are no more";
  EXPECT_THAT(SpreadOver({}, 3), IsEmpty());
}

}  // namespace
}  // namespace assay::neurons
