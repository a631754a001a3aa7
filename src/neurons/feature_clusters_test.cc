#include "neurons/feature_clusters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "base/rng.h"

namespace assay::neurons {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

// `per_group` noisy copies of each of `groups` random directions.
std::vector<float> Groups(int groups, int per_group, int d, double noise, uint64_t seed) {
  base::Rng rng(seed, "groups");
  std::vector<float> out;
  for (int g = 0; g < groups; ++g) {
    std::vector<double> centre(static_cast<size_t>(d));
    for (double& value : centre) value = rng.Normal();
    for (int i = 0; i < per_group; ++i) {
      for (const double value : centre)
        out.push_back(static_cast<float>(value + noise * rng.Normal()));
    }
  }
  return out;
}

TEST(ClusterMeasuresTest, AreMeansOverPairs) {
  // 0 and 1 together, 2 and 3 together. Pairs: 01 02 03 12 13 23.
  const PairDistances distances(4, {0.1, 0.5, 0.6, 0.7, 0.8, 0.3});
  const std::vector<int> labels = {0, 0, 1, 1};
  const ClusterMeasures measures = MeasureClusters(distances, labels);
  EXPECT_EQ(measures.examples, 4);
  EXPECT_EQ(measures.clusters, 2);
  EXPECT_NEAR(*measures.mean_distance, 3.0 / 6, 1e-15);
  EXPECT_NEAR(*measures.max_distance, 0.8, 1e-15);
  EXPECT_NEAR(*measures.intra, 0.2, 1e-15);
  EXPECT_NEAR(*measures.inter, 0.65, 1e-15);
  EXPECT_NEAR(*measures.polysemanticity, 2.6 / 6, 1e-15);
}

TEST(ClusterMeasuresTest, AreAbsentWhereUndefinedNeverZero) {
  const ClusterMeasures none = MeasureClusters(PairDistances(), {});
  EXPECT_EQ(none.clusters, 0);
  EXPECT_FALSE(none.mean_distance || none.max_distance || none.intra || none.inter ||
               none.polysemanticity);
  const std::vector<int> one_label = {0}, together = {0, 0}, apart = {0, 1};
  const ClusterMeasures one = MeasureClusters(PairDistances(1, {}), one_label);
  EXPECT_EQ(one.clusters, 1);
  EXPECT_FALSE(one.mean_distance || one.intra || one.inter || one.polysemanticity);
  const PairDistances pair(2, {0.4});
  EXPECT_FALSE(MeasureClusters(pair, together).inter);
  EXPECT_EQ(MeasureClusters(pair, together).polysemanticity, 0);
  EXPECT_FALSE(MeasureClusters(pair, apart).intra);
  EXPECT_EQ(MeasureClusters(pair, apart).polysemanticity, 0.4);
  EXPECT_FALSE(PolysemanticityInterval(PairDistances(1, {}), one_label, 10, 1, 0));
}

TEST(ClusterMeasuresTest, TheIntervalHoldsTheValueAndRepeats) {
  const std::vector<float> rows = Groups(3, 12, 8, 0.3, 1);
  const PairDistances distances = CosineDistances(rows, 8, "test");
  std::vector<int> labels;
  for (int i = 0; i < 36; ++i) labels.push_back(i / 12);
  const auto interval = PolysemanticityInterval(distances, labels, 500, 1, 0);
  const double value = *MeasureClusters(distances, labels).polysemanticity;
  ASSERT_TRUE(interval);
  EXPECT_LT(interval->low, value);
  EXPECT_GT(interval->high, value);
  EXPECT_LT(interval->high - interval->low, 0.5);
  EXPECT_EQ(PolysemanticityInterval(distances, labels, 500, 1, 0)->low, interval->low);
}

TEST(SilhouetteTest, FollowsTheDefinition) {
  const PairDistances distances(4, {0.1, 0.5, 0.6, 0.7, 0.8, 0.3});
  const std::vector<int> labels = {0, 0, 1, 1};
  const double expected =
      ((0.55 - 0.1) / 0.55 + (0.75 - 0.1) / 0.75 + (0.6 - 0.3) / 0.6 + (0.7 - 0.3) / 0.7) / 4;
  EXPECT_NEAR(MeanSilhouette(distances, labels), expected, 1e-15);
  const std::vector<int> alone = {0, 0, 0, 1};
  const double with_single = ((0.6 - 0.3) / 0.6 + (0.8 - 0.4) / 0.8 + (0.3 - 0.6) / 0.6 + 0) / 4;
  EXPECT_NEAR(MeanSilhouette(distances, alone), with_single, 1e-15);
}

TEST(AdjustedRandIndexTest, KnownValues) {
  const std::vector<int> a = {0, 0, 1, 1}, renamed = {1, 1, 0, 0}, crossed = {0, 1, 0, 1},
                         finer = {0, 0, 1, 2}, whole = {0, 0, 0, 0}, single = {0, 1, 2, 3};
  EXPECT_EQ(AdjustedRandIndex(a, renamed), 1);
  EXPECT_NEAR(AdjustedRandIndex(a, finer), 0.5714285714285714, 1e-12);  // scikit-learn
  EXPECT_NEAR(AdjustedRandIndex(a, crossed), -0.5, 1e-12);
  EXPECT_EQ(AdjustedRandIndex(whole, whole), 1);
  EXPECT_EQ(AdjustedRandIndex(single, single), 1);
  EXPECT_EQ(AdjustedRandIndex(whole, single), 0);
}

TEST(FeatureClustersTest, FindsTheGroupsThatAreThere) {
  for (const int groups : {2, 3, 5}) {
    const FeatureClusters found = FindClusters(Groups(groups, 15, 16, 0.4, 2), 16, {}, 0, "test");
    EXPECT_EQ(found.measures.clusters, groups) << found.reason;
    EXPECT_THAT(found.reason, StartsWith("silhouette"));
    for (int i = 0; i < groups * 15; ++i) EXPECT_EQ(found.labels[static_cast<size_t>(i)], i / 15);
    EXPECT_GT(*found.stability, 0.95);
  }
}

TEST(FeatureClustersTest, OneBlobStaysOneCluster) {
  int split = 0;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const FeatureClusters found =
        FindClusters(Groups(1, 40, 16, 0.5, seed), 16, {.stability_draws = 0, .interval_draws = 0},
                     seed, "test");
    split += found.measures.clusters > 1 ? 1 : 0;
    if (found.measures.clusters == 1) {
      EXPECT_THAT(found.reason, HasSubstr("one cluster"));
      EXPECT_EQ(found.measures.polysemanticity, 0);
    }
  }
  EXPECT_LE(split, 4);  // the null is beaten by chance in one of twenty
}

TEST(FeatureClustersTest, AFixedCutIsTheTreeCutThere) {
  const std::vector<float> rows = Groups(4, 6, 8, 0.6, 5);
  const FeatureClusters found = FindClusters(rows, 8, {.cut = "fixed", .distance = 0.3}, 0, "test");
  const PairDistances distances = CosineDistances(rows, 8, "test");
  EXPECT_EQ(found.labels, CutTree(Linkage(distances, LinkageMethod::kAverage), 24, 0.3));
  EXPECT_EQ(found.reason, "fixed distance 0.3");
}

TEST(FeatureClustersTest, FewExamplesFallBackToTheFixedDistanceAndSaySo) {
  const std::vector<float> rows = {1, 0, 0, 1, 1, 0.01F};
  const FeatureClusters found = FindClusters(rows, 2, {}, 0, "test");
  EXPECT_THAT(found.labels, ElementsAre(0, 1, 0));
  EXPECT_THAT(found.reason, HasSubstr("3 examples are too few"));
  EXPECT_EQ(FindClusters({}, 2, {}, 0, "test").measures.clusters, 0);
}

TEST(FeatureClustersTest, IdenticalExamplesAreOneCluster) {
  std::vector<float> rows;
  for (int i = 0; i < 10; ++i) rows.insert(rows.end(), {1, 2, 3});
  const FeatureClusters found = FindClusters(rows, 3, {}, 0, "test");
  EXPECT_EQ(found.measures.clusters, 1) << found.reason;
}

TEST(FeatureClustersTest, TheCentralExampleIsClosestToTheRest) {
  const PairDistances distances(4, {0.1, 0.5, 0.6, 0.2, 0.8, 0.9});
  const std::vector<int> labels = {0, 0, 0, 1};
  EXPECT_THAT(CentralFirst(distances, labels), ElementsAre(ElementsAre(1, 0, 2), ElementsAre(3)));
}

}  // namespace
}  // namespace assay::neurons
