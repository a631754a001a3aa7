#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "store/graph_index.h"
#include "store/store_testing.h"

namespace assay::store {
namespace {

using ::testing::DoubleEq;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class SummariesTest : public ::testing::Test {
 protected:
  TemporaryFolder folder_;
  RunStore store_ = RunStore::Open(folder_.path(), RunStore::Mode::kWrite);
  const GraphIndex index_{store_};
};

TEST_F(SummariesTest, F1OfEveryGraphEqualsItsScore) {
  FillRun(store_, 9);
  const std::vector<UnitF1> found = index_.GraphF1s();
  EXPECT_THAT(found, SizeIs(9));
  for (const UnitF1& row : found) {
    std::optional<double> expected;
    for (const Score& score : store_.GetScores(row.unit)) {
      if (score.set == "held_out" && score.method == "n2g") expected = score.f1;
    }
    EXPECT_EQ(row.f1, expected) << ToString(row.unit);
    const Graph graph = *store_.GetGraph(row.unit);
    std::set<TokenId> context;
    for (const TrieNode& node : graph.nodes) {
      if (node.kind == TrieNode::Kind::kContext) context.insert(node.token);
    }
    EXPECT_EQ(row.context_tokens, static_cast<int>(context.size()));
  }
}

TEST_F(SummariesTest, FiringRatesAreThoseOfTheLayer) {
  FillRun(store_, 9);
  const auto rates = index_.FiringRates(1);
  EXPECT_THAT(rates, SizeIs(3));
  for (const auto& [unit, rate] : rates)
    EXPECT_THAT(rate, DoubleEq(store_.GetStats(unit)->firing_rate));
  EXPECT_THAT(index_.FiringRates(99), IsEmpty());
}

TEST_F(SummariesTest, MaximaAreThoseOfTheUnits) {
  FillRun(store_, 9);
  const auto maxima = index_.Maxima();
  ASSERT_THAT(maxima, SizeIs(9));
  for (size_t i = 0; i < maxima.size(); ++i) {
    EXPECT_THAT(maxima[i].maximum, DoubleEq(store_.GetStats(maxima[i].unit)->maximum));
    EXPECT_TRUE(i == 0 || maxima[i - 1].unit < maxima[i].unit);
  }
}

TEST_F(SummariesTest, MeansCountUndefinedAsZeroAndLeaveExcludedOut) {
  const auto put = [&](int index, std::optional<double> f1, std::optional<double> precision,
                       const std::string& excluded) {
    Score score = MakeScore({2, index}, f1);
    score.precision = precision;
    score.recall = f1;
    score.excluded = excluded;
    store_.Put(score);
  };
  put(0, 0.5, 1.0, "");
  put(1, std::nullopt, std::nullopt, "");
  put(2, 0.9, 0.9, "never fires");
  store_.Put(MakeScore({0, 0}, 0.25, "random_text", "token_lookup"));
  const std::vector<UnitF1> f1s = index_.F1s("held_out", "n2g");
  ASSERT_THAT(f1s, SizeIs(2));  // without the excluded one
  EXPECT_EQ(f1s[0].f1, 0.5);
  EXPECT_EQ(f1s[1].unit, (UnitId{2, 1}));
  EXPECT_EQ(f1s[1].f1, std::nullopt);
  const std::vector<ScoreMeans> means = index_.MeanScores();
  ASSERT_THAT(means, SizeIs(2));
  EXPECT_EQ(means[0].set, "held_out");
  EXPECT_EQ(means[0].layer, 2);
  EXPECT_EQ(means[0].units, 2);
  EXPECT_EQ(means[0].excluded, 1);
  EXPECT_THAT(means[0].f1, DoubleEq(0.25));
  EXPECT_EQ(means[0].precision_units, 1);
  EXPECT_THAT(means[0].precision, DoubleEq(1.0));
  EXPECT_EQ(means[1].method, "token_lookup");
  EXPECT_THAT(means[1].f1, DoubleEq(0.25));
}

TEST_F(SummariesTest, ClustersAreFoundByAnyPartOfTheirLabel) {
  const auto put = [&](UnitId unit, int cluster, const std::string& label) {
    FeatureCluster row{.unit = unit, .cluster = cluster, .members = {0}, .label = label};
    store_.Put(row);
  };
  put({0, 1}, 0, "Paris after in");
  put({0, 1}, 1, "100% | 'quoted'");
  put({1, 0}, 0, "comparison");
  const auto labels = [&](const std::string& text, std::optional<int> layer = {}, int limit = 10) {
    std::vector<std::string> out;
    for (const LabelledCluster& row : index_.FindClusters(text, layer, limit))
      out.push_back(row.label);
    return out;
  };
  EXPECT_THAT(labels("PARIS"), ::testing::ElementsAre("Paris after in", "comparison"));
  EXPECT_THAT(labels("paris", 1), ::testing::ElementsAre("comparison"));
  EXPECT_THAT(labels("paris", std::nullopt, 1), SizeIs(1));
  EXPECT_THAT(labels("%"), ::testing::ElementsAre("100% | 'quoted'"));
  EXPECT_THAT(labels("' OR 1=1 --"), IsEmpty());
}

}  // namespace
}  // namespace assay::store
