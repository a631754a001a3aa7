#include "store/graph_similarity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/rng.h"
#include "store/store_testing.h"

namespace assay::store {

// For comparing and printing in tests.
bool operator==(const SimilarPair& a, const SimilarPair& b) {
  return a.first == b.first && a.second == b.second &&
         a.activating_overlap == b.activating_overlap && a.context_overlap == b.context_overlap;
}
void PrintTo(const SimilarPair& pair, std::ostream* out) {
  *out << ToString(pair.first) << "~" << ToString(pair.second) << " " << pair.activating_overlap
       << "/" << pair.context_overlap;
}

namespace {

using testing::ElementsAre;
using testing::IsEmpty;

double BruteOverlap(SetOverlap measure, const std::vector<TokenId>& a,
                    const std::vector<TokenId>& b) {
  if (a.empty() && b.empty()) return 1;
  if (a.empty() || b.empty()) return 0;
  const auto shared = std::count_if(a.begin(), a.end(), [&](TokenId token) {
    return std::find(b.begin(), b.end(), token) != b.end();
  });
  const size_t size =
      measure == SetOverlap::kOverlap ? std::max(a.size(), b.size()) : std::min(a.size(), b.size());
  return static_cast<double>(shared) / static_cast<double>(size);
}

std::vector<SimilarPair> BruteForce(const std::vector<UnitTokens>& graphs,
                                    std::optional<UnitId> unit, SetOverlap measure,
                                    double threshold, int limit) {
  std::vector<SimilarPair> pairs;
  for (const UnitTokens& a : graphs) {
    for (const UnitTokens& b : graphs) {
      if (unit ? a.unit != *unit || b.unit == *unit : !(a.unit < b.unit)) continue;
      if (a.tokens.activating.empty() || b.tokens.activating.empty()) continue;
      const SimilarPair pair{a.unit, b.unit,
                             BruteOverlap(measure, a.tokens.activating, b.tokens.activating),
                             BruteOverlap(measure, a.tokens.context, b.tokens.context)};
      if (pair.activating_overlap >= threshold && pair.context_overlap >= threshold) {
        pairs.push_back(pair);
      }
    }
  }
  std::sort(pairs.begin(), pairs.end(), StrongerPair);
  if (pairs.size() > static_cast<size_t>(limit)) pairs.resize(static_cast<size_t>(limit));
  return pairs;
}

// Families of graphs that differ in a few tokens, graphs without context, and graphs with a root
// only.
std::vector<UnitTokens> RandomGraphs(base::Rng& rng, int count, int vocabulary) {
  const auto draw = [&] {
    return static_cast<TokenId>(vocabulary * rng.Uniform() * rng.Uniform());
  };
  const auto change = [&](std::vector<TokenId> tokens, uint64_t most_changes) {
    std::set<TokenId> set(tokens.begin(), tokens.end());
    for (uint64_t i = rng.Below(most_changes + 1); i > 0; --i) {
      if (rng.Below(2) == 0 && !set.empty()) {
        set.erase(set.begin());
      } else {
        set.insert(draw());
      }
    }
    return std::vector<TokenId>(set.begin(), set.end());
  };
  std::vector<UnitTokens> graphs;
  for (int i = 0; i < count; ++i) {
    UnitTokens graph{{static_cast<int>(rng.Below(3)), i}, {}};
    if (i > 5 && rng.Below(3) != 0) {
      graph.tokens = graphs[rng.Below(graphs.size())].tokens;
      graph.tokens = {change(graph.tokens.activating, 2), change(graph.tokens.context, 3)};
    } else {
      graph.tokens = {change({draw()}, 8),
                      rng.Below(4) == 0 ? std::vector<TokenId>{} : change({draw()}, 20)};
    }
    if (graph.tokens.activating.empty()) graph.tokens.context.clear();
    graphs.push_back(graph);
  }
  return graphs;
}

TEST(GraphSimilarityTest, LeastSharedAgreesWithOverlap) {
  for (int size = 1; size <= 60; ++size) {
    for (const double threshold : {1e-9, 0.1, 0.25, 1.0 / 3, 0.5, 0.7, 0.9, 0.95, 1.0}) {
      int expected = 1;
      while (Overlap(SetOverlap::kOverlap, expected, size, size) < threshold) ++expected;
      EXPECT_EQ(LeastShared(size, threshold), expected) << size << " " << threshold;
    }
  }
}

TEST(GraphSimilarityTest, AgreesWithBruteForceOnAllPairs) {
  for (const SetOverlap measure : {SetOverlap::kOverlap, SetOverlap::kSubset}) {
    for (int round = 0; round < 40; ++round) {
      base::Rng rng(6, "pairs", static_cast<uint64_t>(round));
      const auto graphs = RandomGraphs(rng, 120, round % 2 == 0 ? 15 : 60);
      for (const double threshold : {0.05, 0.3, 0.5, 0.75, 0.9, 1.0}) {
        const int limit = round % 3 == 0 ? 1 + static_cast<int>(rng.Below(30)) : 1'000'000;
        SCOPED_TRACE(testing::Message()
                     << "round " << round << " threshold " << threshold << " limit " << limit);
        ASSERT_EQ(JoinSimilar(graphs, measure, threshold, limit),
                  BruteForce(graphs, std::nullopt, measure, threshold, limit));
      }
    }
  }
}

TEST(GraphSimilarityTest, ManyEqualGraphsStayCheap) {
  std::vector<UnitTokens> graphs;
  for (int i = 0; i < 20'000; ++i) {
    graphs.push_back({{0, i}, {{1}, {}}});  // 200 million equal pairs
  }
  for (const SetOverlap measure : {SetOverlap::kOverlap, SetOverlap::kSubset}) {
    EXPECT_THAT(JoinSimilar(graphs, measure, 0.9, 3),
                ElementsAre(SimilarPair{{0, 0}, {0, 1}, 1, 1}, SimilarPair{{0, 0}, {0, 2}, 1, 1},
                            SimilarPair{{0, 0}, {0, 3}, 1, 1}));
  }
}

class SimilarTest : public testing::Test {
 protected:
  void Put(const std::vector<UnitTokens>& graphs) {
    store_.Transaction([&] {
      for (const UnitTokens& graph : graphs) {
        store_.Put(MakeGraph(graph.unit, graph.tokens.activating, graph.tokens.context));
        // MakeGraph hangs the context below each activating token: none without one.
        if (graph.unit.index % 2 == 0) {
          store_.Put(MakeScore(graph.unit, graph.unit.index % 11 / 11.0));
        }
      }
    });
  }

  TemporaryFolder folder_;
  RunStore store_ = RunStore::Open(folder_.path(), RunStore::Mode::kWrite);
  GraphIndex index_{store_};
};

TEST_F(SimilarTest, AgreesWithBruteForce) {
  base::Rng rng(8, "stored");
  const auto graphs = RandomGraphs(rng, 150, 30);
  Put(graphs);
  for (const SetOverlap measure : {SetOverlap::kOverlap, SetOverlap::kSubset}) {
    for (const double threshold : {0.1, 0.5, 0.9, 1.0}) {
      EXPECT_EQ(index_.Similar(std::nullopt, measure, threshold, 50),
                BruteForce(graphs, std::nullopt, measure, threshold, 50));
      for (const UnitTokens& graph : graphs) {
        const int limit = graph.unit.index % 2 == 0 ? 4 : 1000;
        ASSERT_EQ(index_.Similar(graph.unit, measure, threshold, limit),
                  BruteForce(graphs, graph.unit, measure, threshold, limit))
            << ToString(graph.unit) << " " << threshold;
      }
    }
  }
}

TEST_F(SimilarTest, KeepsGraphsWithoutContextAndLeavesOutRoots) {
  Put({{{0, 1}, {{1, 2}, {}}},
       {{0, 2}, {{1, 2}, {}}},
       {{0, 3}, {{1, 2}, {5}}},
       {{0, 4}, {}},
       {{0, 5}, {}}});
  EXPECT_THAT(index_.Similar(std::nullopt, SetOverlap::kOverlap, 0.1, 10),
              ElementsAre(SimilarPair{{0, 1}, {0, 2}, 1, 1}));
  EXPECT_THAT(index_.Similar(UnitId{0, 2}, SetOverlap::kOverlap, 0.1, 10),
              ElementsAre(SimilarPair{{0, 2}, {0, 1}, 1, 1}));
  EXPECT_THAT(index_.Similar(UnitId{0, 4}, SetOverlap::kOverlap, 0.1, 10), IsEmpty());
}

TEST_F(SimilarTest, MeasuresOverlapOrSubset) {
  Put({{{0, 1}, {{1, 2, 3, 4}, {7}}}, {{1, 0}, {{1, 2}, {7, 8, 9}}}});
  EXPECT_THAT(index_.Similar(std::nullopt, SetOverlap::kSubset, 1, 10),
              ElementsAre(SimilarPair{{0, 1}, {1, 0}, 1, 1}));
  EXPECT_THAT(index_.Similar(std::nullopt, SetOverlap::kOverlap, 0.3, 10),
              ElementsAre(SimilarPair{{0, 1}, {1, 0}, 0.5, 1.0 / 3}));
  EXPECT_THAT(index_.Similar(std::nullopt, SetOverlap::kOverlap, 0.5, 10), IsEmpty());
}

}  // namespace
}  // namespace assay::store
