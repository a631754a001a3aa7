#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/run_store.h"
#include "store/sqlite.h"
#include "store/store_testing.h"

namespace assay::store {
namespace {

using base::ErrorKind;
using testing::ElementsAre;
using testing::IsEmpty;
using Mode = RunStore::Mode;

constexpr UnitId kUnit{1, 7};

FeatureCluster MakeCluster(UnitId unit, int cluster) {
  return {.unit = unit,
          .cluster = cluster,
          .members = {1, 0},
          .cohesion = 0.75,
          .label = " the\xFF",
          .activating = {5, 3},
          .context = {2},
          .central_input = {1, 2},
          .mean_input = {3, 4},
          .central_embedding = {5, 6}};
}

class EmbeddingsTest : public testing::Test {
 protected:
  TemporaryFolder folder_;
  RunStore store_ = RunStore::Open(folder_.path() / "run", Mode::kWrite);
};

TEST_F(EmbeddingsTest, KeepsEverythingItIsGiven) {
  const Embedding embedding{
      kUnit, 2, {{ExampleKind::kAbove, 0, 1}, {ExampleKind::kQuantile, 3, 0}}, {1, 2, 3, 4}};
  store_.Put(embedding);
  const auto read = store_.GetEmbedding(kUnit);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->dims, 2);
  EXPECT_EQ(read->examples, embedding.examples);
  EXPECT_EQ(read->vectors, embedding.vectors);
  EXPECT_FALSE(store_.GetEmbedding({0, 0}));

  store_.Put(MakeCluster(kUnit, 1));
  store_.Put(MakeCluster(kUnit, 0));
  const auto clusters = store_.GetClusters(kUnit);
  ASSERT_EQ(clusters.size(), 2U);
  EXPECT_EQ(clusters[0].cluster, 0);
  EXPECT_EQ(clusters[1].members, (std::vector<int>{1, 0}));
  EXPECT_EQ(clusters[1].label, " the\xFF");
  EXPECT_EQ(clusters[1].activating, (std::vector<TokenId>{5, 3}));
  EXPECT_EQ(clusters[1].mean_input, (std::vector<float>{3, 4}));

  store_.Put(UnitMeasures{
      .unit = kUnit, .examples = 2, .clusters = 1, .mean_distance = 0.5, .cut_reason = "why"});
  const auto measures = store_.GetMeasures(kUnit);
  ASSERT_TRUE(measures);
  EXPECT_EQ(measures->mean_distance, 0.5);
  EXPECT_EQ(measures->inter, std::nullopt);
  EXPECT_EQ(measures->cut_reason, "why");
  EXPECT_EQ(store_.GetMeasures().size(), 1U);
  EXPECT_THAT(store_.UnitsWithMeasures(), ElementsAre(kUnit));

  store_.Put(SimilarCluster{kUnit, 0, 1, {2, 3}, 4, 0.9});
  ASSERT_EQ(store_.GetSimilarClusters(kUnit).size(), 1U);
  EXPECT_EQ(store_.GetSimilarClusters(kUnit)[0].other, (UnitId{2, 3}));

  store_.Put(ClusterGraph{3, Graph{kUnit, 2.0, {0}, {1}, {TrieNode{}}}});
  ASSERT_EQ(store_.GetClusterGraphs(kUnit).size(), 1U);
  EXPECT_EQ(store_.GetClusterGraphs(kUnit)[0].cluster, 3);
  EXPECT_EQ(store_.GetClusterGraphs(kUnit)[0].graph.train, (std::vector<int>{0}));
}

TEST_F(EmbeddingsTest, AreDroppedTogether) {
  store_.Put(Embedding{kUnit, 1, {{ExampleKind::kTop, 0, 0}}, {1}});
  store_.Put(MakeCluster(kUnit, 0));
  store_.Put(UnitMeasures{.unit = kUnit});
  store_.Put(SimilarCluster{kUnit, 0, 0, {0, 0}, 0, 0.9});
  store_.Put(Example{.unit = kUnit, .kind = ExampleKind::kAbove, .activations = {1}});
  store_.Put(Example{.unit = kUnit, .kind = ExampleKind::kTop, .activations = {1}});
  const std::string with = store_.ContentHash();
  store_.DropEmbeddings();
  EXPECT_NE(store_.ContentHash(), with);
  EXPECT_FALSE(store_.GetEmbedding(kUnit));
  EXPECT_THAT(store_.GetClusters(kUnit), IsEmpty());
  EXPECT_THAT(store_.GetMeasures(), IsEmpty());
  EXPECT_THAT(store_.GetSimilarClusters(kUnit), IsEmpty());
  EXPECT_EQ(store_.GetExamples(kUnit).size(), 1U);
}

TEST_F(EmbeddingsTest, ContradictoryRowsAreRefused) {
  EXPECT_EQ(ErrorOf([&] {
              store_.Put(Embedding{kUnit, 2, {{}}, {1}});
            }).kind(),
            ErrorKind::kInternal);
  EXPECT_EQ(ErrorOf([&] { store_.Put(FeatureCluster{.unit = kUnit}); }).kind(),
            ErrorKind::kInternal);
}

TEST_F(EmbeddingsTest, DamagedRowsAreNamed) {
  store_.Put(Embedding{kUnit, 2, {{ExampleKind::kTop, 0, 0}}, {1, 2}});
  store_.Put(MakeCluster(kUnit, 0));
  {
    Connection connection(folder_.path() / "run" / "assay.db", Connection::Access::kWrite);
    connection.Script("UPDATE embeddings SET dims = 3; UPDATE feature_clusters SET members = x''");
  }
  EXPECT_EQ(ErrorOf([&] { store_.GetEmbedding(kUnit); }).kind(), ErrorKind::kBadInput);
  EXPECT_EQ(ErrorOf([&] { store_.GetClusters(kUnit); }).kind(), ErrorKind::kBadInput);
}

}  // namespace
}  // namespace assay::store
