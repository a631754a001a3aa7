#include "neurons/linkage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/base_testing.h"
#include "base/file.h"
#include "base/rng.h"

namespace assay::neurons {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr LinkageMethod kMethods[] = {LinkageMethod::kAverage, LinkageMethod::kComplete,
                                      LinkageMethod::kSingle};

std::vector<float> RandomVectors(int64_t n, int64_t d, uint64_t seed) {
  base::Rng rng(seed, "vectors");
  std::vector<float> out(static_cast<size_t>(n * d));
  for (float& value : out) value = static_cast<float>(rng.Normal());
  return out;
}

// Joins the two closest clusters, measured from the original pairs, until one is left. Without ties
// that defines the tree.
std::vector<double> SlowHeights(const PairDistances& distances, LinkageMethod method, double cut,
                                std::vector<int>& labels_at_cut) {
  std::vector<std::vector<int>> clusters;
  for (int i = 0; i < distances.size(); ++i) clusters.push_back({i});
  std::vector<double> heights;
  const auto remember = [&] {
    labels_at_cut.assign(static_cast<size_t>(distances.size()), -1);
    std::sort(clusters.begin(), clusters.end());
    for (size_t c = 0; c < clusters.size(); ++c) {
      for (const int i : clusters[c]) labels_at_cut[static_cast<size_t>(i)] = static_cast<int>(c);
    }
  };
  remember();
  while (clusters.size() > 1) {
    double best = INFINITY;
    size_t x = 0, y = 0;
    for (size_t a = 0; a < clusters.size(); ++a) {
      for (size_t b = a + 1; b < clusters.size(); ++b) {
        double sum = 0, least = INFINITY, most = 0;
        for (const int i : clusters[a]) {
          for (const int j : clusters[b]) {
            sum += distances(i, j);
            least = std::min(least, distances(i, j));
            most = std::max(most, distances(i, j));
          }
        }
        const double mean = sum / static_cast<double>(clusters[a].size() * clusters[b].size());
        const double distance = method == LinkageMethod::kAverage    ? mean
                                : method == LinkageMethod::kComplete ? most
                                                                     : least;
        if (distance < best) {
          best = distance;
          x = a;
          y = b;
        }
      }
    }
    heights.push_back(best);
    clusters[x].insert(clusters[x].end(), clusters[y].begin(), clusters[y].end());
    std::sort(clusters[x].begin(), clusters[x].end());
    clusters.erase(clusters.begin() + static_cast<int64_t>(y));
    if (best <= cut) remember();
  }
  return heights;
}

TEST(LinkageTest, EqualsMergingTheClosestPairByBruteForce) {
  for (const int64_t n : {2, 3, 7, 40}) {
    for (const LinkageMethod method : kMethods) {
      const PairDistances distances =
          CosineDistances(RandomVectors(n, 5, static_cast<uint64_t>(n)), 5, "test");
      const std::vector<Merge> merges = Linkage(distances, method);
      for (const double cut : {0.0, 0.3, 0.9, 2.0}) {
        std::vector<int> labels;
        const std::vector<double> heights = SlowHeights(distances, method, cut, labels);
        ASSERT_EQ(merges.size(), heights.size());
        for (size_t i = 0; i < heights.size(); ++i)
          EXPECT_NEAR(merges[i].distance, heights[i], 1e-12);
        EXPECT_EQ(CutTree(merges, n, cut), labels) << n << " " << cut;
      }
    }
  }
}

std::vector<int> InOrderOfFirstItem(const std::vector<int>& labels) {
  std::map<int, int> names;
  std::vector<int> out;
  for (const int label : labels)
    out.push_back(names.try_emplace(label, static_cast<int>(names.size())).first->second);
  return out;
}

TEST(LinkageTest, EqualsScipyTiesIncluded) {
  const nlohmann::json golden =
      base::ReadJson(ASSAY_SOURCE_DIR "/src/neurons/testdata/scipy_linkage.json");
  for (const nlohmann::json& known : golden.at("cases")) {
    const auto n = known.at("n").get<int64_t>();
    SCOPED_TRACE(known.at("name").get<std::string>() + known.at("method").get<std::string>());
    PairDistances distances;
    if (known.contains("vectors")) {
      std::vector<float> flat;
      for (const auto& row : known.at("vectors")) {
        for (const auto& value : row) flat.push_back(value.get<float>());
      }
      distances = CosineDistances(flat, static_cast<int64_t>(flat.size()) / n, "golden");
    } else {
      distances = PairDistances(n, known.at("distances").get<std::vector<double>>());
    }
    const std::vector<Merge> merges =
        Linkage(distances, ParseLinkage(known.at("method").get<std::string>()));
    const auto& expected = known.at("merges");
    ASSERT_EQ(merges.size(), expected.size());
    const bool exact = !known.contains("vectors");  // float32 rows move distances by 1e-7
    for (size_t i = 0; i < merges.size(); ++i) {
      EXPECT_NEAR(merges[i].distance, expected[i][2].get<double>(), exact ? 1e-14 : 1e-5);
      if (!exact) continue;
      EXPECT_EQ(merges[i].first, expected[i][0]) << i;
      EXPECT_EQ(merges[i].second, expected[i][1]) << i;
      EXPECT_EQ(merges[i].size, expected[i][3]) << i;
    }
    for (const nlohmann::json& cut : known.at("cuts")) {
      EXPECT_EQ(CutTree(merges, n, cut.at("distance").get<double>()),
                InOrderOfFirstItem(cut.at("labels").get<std::vector<int>>()))
          << cut.at("distance");
    }
  }
}

TEST(LinkageTest, NoneAndOneItemAreFine) {
  EXPECT_EQ(CosineDistances({}, 3, "test").size(), 0);
  EXPECT_THAT(Linkage(PairDistances(), LinkageMethod::kAverage), IsEmpty());
  EXPECT_THAT(CutTree({}, 0, 1), IsEmpty());
  const std::vector<float> one = {1, 2, 3};
  const PairDistances distances = CosineDistances(one, 3, "test");
  EXPECT_THAT(Linkage(distances, LinkageMethod::kSingle), IsEmpty());
  EXPECT_THAT(CutTree({}, 1, 1), ElementsAre(0));
}

TEST(LinkageTest, IdenticalRowsAreOneClusterAtAnyCut) {
  std::vector<float> rows;
  for (int i = 0; i < 30; ++i) rows.insert(rows.end(), {0.1F, -0.7F, 0.3F});
  for (const LinkageMethod method : kMethods) {
    const PairDistances distances = CosineDistances(rows, 3, "test");
    const std::vector<int> labels = CutTree(Linkage(distances, method), 30, 1e-12);
    EXPECT_EQ(*std::max_element(labels.begin(), labels.end()), 0);
  }
}

TEST(LinkageTest, TheCutIncludesItsOwnDistance) {
  const PairDistances distances(3, {0.25, 1, 1});
  const std::vector<Merge> merges = Linkage(distances, LinkageMethod::kAverage);
  EXPECT_THAT(CutTree(merges, 3, 0.25), ElementsAre(0, 0, 1));
  EXPECT_THAT(CutTree(merges, 3, std::nextafter(0.25, 0)), ElementsAre(0, 1, 2));
  EXPECT_THAT(CutToCount(merges, 3, 2), ElementsAre(0, 0, 1));
}

TEST(CosineDistancesTest, NamesTheRowWithoutDirection) {
  const std::vector<float> zero = {1, 2, 0, 0}, nan = {1, 2, 3, NAN};
  const base::Error no_direction =
      base::ErrorOf([&] { CosineDistances(zero, 2, "in.safetensors"); });
  EXPECT_THAT(no_direction.what(), HasSubstr("in.safetensors: row 1 is all zeros"));
  const base::Error no_number = base::ErrorOf([&] { CosineDistances(nan, 2, "in.safetensors"); });
  EXPECT_EQ(no_number.kind(), base::ErrorKind::kBadInput);
  EXPECT_THAT(no_number.what(), HasSubstr("in.safetensors: row 1, column 1 is nan"));
}

TEST(CosineDistancesTest, EqualsTheDefinition) {
  const int64_t n = 600, d = 4;  // more rows than a block
  const std::vector<float> rows = RandomVectors(n, d, 3);
  const PairDistances distances = CosineDistances(rows, d, "test");
  for (const auto& [i, j] : {std::pair<int64_t, int64_t>{0, 1},
                             {0, 599},
                             {511, 512},
                             {512, 513},
                             {598, 599},
                             {100, 555}}) {
    double dot = 0, a = 0, b = 0;
    for (int64_t c = 0; c < d; ++c) {
      const double x = rows[static_cast<size_t>(i * d + c)],
                   y = rows[static_cast<size_t>(j * d + c)];
      dot += x * y;
      a += x * x;
      b += y * y;
    }
    EXPECT_NEAR(distances(i, j), 1 - dot / std::sqrt(a * b), 1e-14);
    EXPECT_EQ(distances(i, j), distances(j, i));
  }
}

// n^3 steps would be 10^11 and take minutes.
TEST(LinkageTest, FiveThousandItemsTakeSeconds) {
  const auto start = std::chrono::steady_clock::now();
  const PairDistances distances = CosineDistances(RandomVectors(5000, 64, 5), 64, "test");
  const std::vector<Merge> merges = Linkage(distances, LinkageMethod::kAverage);
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  EXPECT_EQ(merges.back().size, 5000);
  EXPECT_LT(seconds, 30) << "n = 5000";
}

}  // namespace
}  // namespace assay::neurons
