#include "neurons/vector_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/rng.h"
#include "neurons/cluster_similarity.h"
#include "store/store_testing.h"

namespace assay::neurons {
namespace {

std::vector<float> RandomVectors(int64_t n, int64_t d, uint64_t seed) {
  base::Rng rng(seed, "vectors");
  std::vector<float> out(static_cast<size_t>(n * d));
  for (float& value : out) value = static_cast<float>(rng.Normal());
  return out;
}

double Cosine(const float* a, const float* b, int64_t d) {
  double dot = 0, x = 0, y = 0;
  for (int64_t i = 0; i < d; ++i) {
    dot += static_cast<double>(a[i]) * b[i];
    x += static_cast<double>(a[i]) * a[i];
    y += static_cast<double>(b[i]) * b[i];
  }
  return dot / std::sqrt(x * y);
}

TEST(VectorIndexTest, TheExactIndexEqualsComparingEveryPair) {
  const int64_t n = 300, d = 9, k = 7;
  const std::vector<float> vectors = RandomVectors(n, d, 1), queries = RandomVectors(5, d, 2);
  const VectorIndex index(vectors, d, {});
  EXPECT_EQ(index.kind(), "exact");
  const auto found = index.Search(queries, k);
  for (int64_t q = 0; q < 5; ++q) {
    std::vector<std::pair<double, int64_t>> all;
    for (int64_t i = 0; i < n; ++i)
      all.emplace_back(-Cosine(queries.data() + q * d, vectors.data() + i * d, d), i);
    std::sort(all.begin(), all.end());
    ASSERT_EQ(found[static_cast<size_t>(q)].size(), static_cast<size_t>(k));
    for (size_t r = 0; r < static_cast<size_t>(k); ++r) {
      EXPECT_EQ(found[static_cast<size_t>(q)][r].vector, all[r].second);
      EXPECT_NEAR(found[static_cast<size_t>(q)][r].similarity, -all[r].first, 1e-5);
    }
  }
}

// Random vectors are the hard case: their neighbours are spread over all lists.
TEST(VectorIndexTest, InvertedListsReachTheRecallAskedFor) {
  const std::vector<float> vectors = RandomVectors(3000, 16, 1);
  double before = 0;
  for (const double recall : {0.0, 0.7, 0.95}) {
    const VectorIndex index(vectors, 16, {.index = "ivf", .recall = recall});
    EXPECT_EQ(index.kind(), "ivf");
    const double found = index.MeasureRecall(300, 20);
    EXPECT_GT(found, recall - 0.03);
    EXPECT_GT(found, before);
    before = found;
  }
  EXPECT_EQ(VectorIndex(vectors, 16, {.index = "ivf", .recall = 1}).MeasureRecall(300, 20), 1);
  EXPECT_EQ(VectorIndex(vectors, 16, {.exact_below = 100}).kind(), "ivf");
}

TEST(VectorIndexTest, VectorsWithoutDirectionAreNamed) {
  const std::vector<float> vectors = {1, 2, 0, 0};
  EXPECT_THROW(VectorIndex(vectors, 2, {}), base::Error);
  const VectorIndex index(std::vector<float>{1, 2}, 2, {});
  EXPECT_EQ(index.Search(std::vector<float>{2, 4}, 5)[0].size(), 1U);
}

TEST(ClusterSimilarityTest, LinksClustersOfOtherUnitsBestFirst) {
  const store::TemporaryFolder folder;
  store::RunStore store =
      store::RunStore::Open(folder.path() / "run", store::RunStore::Mode::kWrite);
  const std::vector<std::vector<float>> inputs = {{1, 0}, {0.9F, 0.1F}, {0, 1}, {0.8F, 0.3F}};
  for (int u = 0; u < 4; ++u) {
    store.Put(store::UnitMeasures{.unit = {u / 2, u % 2}});
    store.Put(store::FeatureCluster{.unit = {u / 2, u % 2},
                                    .members = {0},
                                    .central_input = inputs[static_cast<size_t>(u)],
                                    .mean_input = {1, 1},
                                    .central_embedding = {1, 0}});
  }
  const SimilarityReport report = FindSimilarClusters(store, {.threshold = 0.5}, {});
  EXPECT_EQ(report.clusters, 4);
  const auto found = store.GetSimilarClusters({0, 0});
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].other, (store::UnitId{0, 1}));
  EXPECT_EQ(found[1].other, (store::UnitId{1, 1}));
  EXPECT_TRUE(store.GetSimilarClusters({1, 0}).empty());
  FindSimilarClusters(store, {.by = "mean", .most = 2}, {});
  EXPECT_EQ(store.GetSimilarClusters({1, 0}).size(), 2U);
}

// Layers of image classifiers have inputs of different widths.
TEST(ClusterSimilarityTest, EveryWidthIsSearchedOnItsOwn) {
  const store::TemporaryFolder folder;
  store::RunStore store =
      store::RunStore::Open(folder.path() / "run", store::RunStore::Mode::kWrite);
  for (int u = 0; u < 6; ++u) {
    const std::vector<float> input(u % 2 == 0 ? 2 : 3, 1.0F);
    store.Put(store::UnitMeasures{.unit = {u % 2, u}});
    store.Put(store::FeatureCluster{.unit = {u % 2, u},
                                    .members = {0},
                                    .central_input = input,
                                    .mean_input = input,
                                    .central_embedding = input});
  }
  const SimilarityReport report = FindSimilarClusters(store, {}, {});
  EXPECT_EQ(report.clusters, 6);
  EXPECT_EQ(report.links, 6 * 2);
  EXPECT_EQ(report.recall, 1);
  for (int u = 0; u < 6; ++u) {
    const auto found = store.GetSimilarClusters({u % 2, u});
    ASSERT_EQ(found.size(), 2U);
    for (const store::SimilarCluster& other : found) EXPECT_EQ(other.other.layer, u % 2);
  }
}

}  // namespace
}  // namespace assay::neurons
