#include "store/graph_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/rng.h"
#include "store/store_testing.h"

namespace assay::store {
namespace {

using base::ErrorKind;
using testing::ElementsAre;
using testing::IsEmpty;
using Mode = RunStore::Mode;

enum Token : TokenId {
  kThe,
  kSpaceThe,
  kSpaceTHE,
  kParis,
  kCat,
  kDog,
  kNewline,
  kQuote,
  kNul,
  kTokens
};

std::vector<UnitId> Units(const std::vector<GraphHit>& hits) {
  std::vector<UnitId> units;
  for (const GraphHit& hit : hits) units.push_back(hit.unit);
  return units;
}

class GraphIndexTest : public testing::Test {
 protected:
  GraphIndexTest() {
    store_.PutTokenTexts(std::vector<std::string>{"the", " the", " THE", " Paris", "cat", " dog",
                                                  "\n", "'); DROP TABLE graphs; --",
                                                  std::string("a\0b", 3)});
  }

  void Put(UnitId unit, const std::vector<TokenId>& activating, const std::vector<TokenId>& context,
           std::optional<double> f1 = std::nullopt) {
    store_.Put(MakeGraph(unit, activating, context));
    if (f1) store_.Put(MakeScore(unit, f1));
  }

  std::vector<UnitId> Search(const GraphQuery& query) { return Units(index_.Search(query)); }

  TemporaryFolder folder_;
  RunStore store_ = RunStore::Open(folder_.path(), Mode::kWrite);
  GraphIndex index_{store_};
};

TEST_F(GraphIndexTest, FindsTokensInTheirRole) {
  Put({0, 1}, {kParis}, {kCat});
  Put({0, 2}, {kCat}, {kParis});
  Put({0, 3}, {kParis, kCat}, {});
  EXPECT_THAT(Search({.activating = {" Paris"}}), ElementsAre(UnitId{0, 1}, UnitId{0, 3}));
  EXPECT_THAT(Search({.context = {"paris"}}), ElementsAre(UnitId{0, 2}));
  EXPECT_THAT(Search({.activating = {"PARIS", "cat"}}), ElementsAre(UnitId{0, 3}));
  EXPECT_THAT(Search({.activating = {"paris"}, .context = {"cat"}}), ElementsAre(UnitId{0, 1}));
  EXPECT_THAT(Search({.activating = {"dog"}}), IsEmpty());
  EXPECT_THAT(Search({.activating = {"paris", "unknown"}}), IsEmpty());
  EXPECT_THAT(Search({}), ElementsAre(UnitId{0, 1}, UnitId{0, 2}, UnitId{0, 3}));
}

TEST_F(GraphIndexTest, GroupsSpellingsUnlessExact) {
  Put({0, 1}, {kThe}, {});
  Put({0, 2}, {kSpaceThe}, {});
  Put({0, 3}, {kSpaceTHE, kThe}, {});
  EXPECT_THAT(Search({.activating = {"The"}}),
              ElementsAre(UnitId{0, 1}, UnitId{0, 2}, UnitId{0, 3}));
  EXPECT_THAT(Search({.activating = {"the"}, .exact = true}),
              ElementsAre(UnitId{0, 1}, UnitId{0, 3}));
  EXPECT_THAT(Search({.activating = {"The"}, .exact = true}), IsEmpty());
  // Within a graph they stay different tokens.
  EXPECT_EQ(index_.Search({.activating = {" THE"}, .exact = true}).at(0).activating_tokens, 2);
  EXPECT_THAT(index_.MatchingTokens("THE", false), ElementsAre(kThe, kSpaceThe, kSpaceTHE));
  EXPECT_THAT(index_.MatchingTokens(" THE", true), ElementsAre(kSpaceTHE));
  EXPECT_THAT(index_.MatchingTokens(" ", false), IsEmpty());
}

TEST_F(GraphIndexTest, OrdersByF1AndThenUnit) {
  Put({1, 0}, {kCat}, {}, 0.5);
  Put({0, 5}, {kCat}, {}, 0.5);
  Put({0, 1}, {kCat}, {});
  Put({0, 2}, {kCat}, {}, 0.0);
  Put({2, 2}, {kCat}, {}, 1.0);
  for (const GraphQuery& query : {GraphQuery{.activating = {"cat"}}, GraphQuery{}}) {
    EXPECT_THAT(Search(query),
                ElementsAre(UnitId{2, 2}, UnitId{0, 5}, UnitId{1, 0}, UnitId{0, 2}, UnitId{0, 1}));
    GraphQuery limited = query;
    limited.limit = 2;
    EXPECT_THAT(Search(limited), ElementsAre(UnitId{2, 2}, UnitId{0, 5}));
    GraphQuery layer = query;
    layer.layer = 0;
    EXPECT_THAT(Search(layer), ElementsAre(UnitId{0, 5}, UnitId{0, 2}, UnitId{0, 1}));
    GraphQuery good = query;
    good.min_f1 = 0.5;
    EXPECT_THAT(Search(good), ElementsAre(UnitId{2, 2}, UnitId{0, 5}, UnitId{1, 0}));
    good.min_f1 = 0;  // graphs without F1 are out
    EXPECT_EQ(Search(good).size(), 4u);
    good.min_f1 = -1;
    EXPECT_EQ(Search(good).size(), 4u);
  }
  EXPECT_EQ(index_.Search({.activating = {"cat"}, .limit = 1}).at(0).f1, 1.0);
  EXPECT_EQ(index_.Search({.activating = {"cat"}}).at(4).f1, std::nullopt);
}

TEST_F(GraphIndexTest, FollowsChangesOfGraphsAndScores) {
  Put({0, 1}, {kCat, kDog}, {kParis}, 0.25);
  Put({0, 2}, {kCat}, {}, 0.5);
  EXPECT_THAT(Search({.activating = {"cat"}}), ElementsAre(UnitId{0, 2}, UnitId{0, 1}));
  store_.Put(MakeScore({0, 1}, 0.75));
  EXPECT_THAT(Search({.activating = {"cat"}}), ElementsAre(UnitId{0, 1}, UnitId{0, 2}));
  EXPECT_THAT(Search({.context = {"paris"}}), ElementsAre(UnitId{0, 1}));
  store_.Put(MakeScore({0, 2}, 1.0, "random_text"));  // other sets and methods do not count
  store_.Put(MakeScore({0, 2}, 1.0, "held_out", "ngram_5"));
  store_.Put(MakeScore({0, 3}, 1.0));  // a score before its graph
  EXPECT_THAT(Search({.activating = {"cat"}}), ElementsAre(UnitId{0, 1}, UnitId{0, 2}));
  Put({0, 3}, {kCat}, {});
  EXPECT_THAT(Search({.activating = {"cat"}}),
              ElementsAre(UnitId{0, 3}, UnitId{0, 1}, UnitId{0, 2}));
  Put({0, 1}, {kDog}, {kCat});
  EXPECT_THAT(Search({.activating = {"cat"}}), ElementsAre(UnitId{0, 3}, UnitId{0, 2}));
  EXPECT_THAT(Search({.context = {"paris"}}), IsEmpty());
  EXPECT_EQ(index_.Search({.activating = {"dog"}}).at(0).f1, 0.75);
  store_.DropScores();
  EXPECT_THAT(Search({.activating = {"cat"}}), ElementsAre(UnitId{0, 2}, UnitId{0, 3}));
  EXPECT_EQ(index_.Search({}).at(0).f1, std::nullopt);
  store_.Put(MakeScore({0, 3}, 0.5));
  EXPECT_THAT(Search({.activating = {"cat"}}), ElementsAre(UnitId{0, 3}, UnitId{0, 2}));
  store_.DropGraphs();
  EXPECT_THAT(Search({}), IsEmpty());
  EXPECT_THAT(Search({.activating = {"cat"}}), IsEmpty());
}

TEST_F(GraphIndexTest, FindsRepeatedTokens) {
  Put({0, 1}, {kCat}, {kDog}, 0.9);
  Put({0, 2}, {kCat, kParis}, {kCat, kDog}, 0.1);     // 1 of 3
  Put({1, 3}, {kCat, kDog}, {kCat, kDog}, 0.2);       // 2 of 2
  Put({1, 4}, {kThe, kDog}, {kSpaceThe, kParis}, 1);  // spellings are different tokens
  Put({0, 5}, {kCat}, {kCat});                        // 1 of 1
  EXPECT_THAT(Search({.repeated = true}), ElementsAre(UnitId{0, 5}, UnitId{1, 3}, UnitId{0, 2}));
  EXPECT_THAT(Search({.repeated = true, .layer = 1}), ElementsAre(UnitId{1, 3}));
  EXPECT_THAT(Search({.repeated = true, .min_f1 = 0.0}), ElementsAre(UnitId{1, 3}, UnitId{0, 2}));
  EXPECT_THAT(Search({.repeated = true, .limit = 1}), ElementsAre(UnitId{0, 5}));
  EXPECT_THAT(Search({.context = {"dog"}, .repeated = true}),
              ElementsAre(UnitId{1, 3}, UnitId{0, 2}));
  EXPECT_THAT(Search({.context = {"dog"}, .repeated = true, .limit = 1}),
              ElementsAre(UnitId{1, 3}));
  const GraphHit hit = index_.Search({.repeated = true}).at(2);
  EXPECT_EQ(hit.activating_tokens, 2);
  EXPECT_EQ(hit.context_tokens, 2);
  EXPECT_EQ(hit.repeated_tokens, 1);
  EXPECT_EQ(hit.repeated_share, 1.0 / 3);
}

TEST_F(GraphIndexTest, NamesTheStrongestTokens) {
  Put({0, 1}, {kParis, kCat, 1000}, {kDog, kNul});
  const GraphHit hit = index_.Search({.activating = {"cat"}}).at(0);
  EXPECT_THAT(hit.activating, ElementsAre(" Paris", "cat", "[token 1000]"));
  EXPECT_THAT(hit.context, ElementsAre(" dog", std::string("a\0b", 3)));
  std::vector<TokenId> many;
  for (TokenId token = 100; token < 120; ++token) many.push_back(token);
  Put({0, 2}, many, {});
  const GraphHit large = index_.Search({}).at(1);
  EXPECT_EQ(large.activating.size(), 8u);
  EXPECT_EQ(large.activating.front(), "[token 100]");
  EXPECT_EQ(large.activating_tokens, 20);
}

TEST_F(GraphIndexTest, TreatsQueryTextAsText) {
  Put({0, 1}, {kQuote}, {kNul});
  Put({0, 2}, {kNewline}, {});
  EXPECT_THAT(Search({.activating = {"'); DROP TABLE graphs; --"}}), ElementsAre(UnitId{0, 1}));
  EXPECT_THAT(Search({.context = {std::string("A\0B", 3)}}), ElementsAre(UnitId{0, 1}));
  EXPECT_THAT(Search({.context = {"a"}}), IsEmpty());
  EXPECT_THAT(Search({.activating = {"\n"}}), ElementsAre(UnitId{0, 2}));
  for (const char* text : {"' OR 1=1 --", "%", "_", "", "\\", "\xFF", "*"}) {
    EXPECT_THAT(Search({.activating = {text}}), IsEmpty());
    EXPECT_THAT(Search({.activating = {text}, .exact = true}), IsEmpty());
  }
  EXPECT_EQ(store_.UnitsWithGraph().size(), 2u);
}

TEST_F(GraphIndexTest, RefusesSenselessArguments) {
  EXPECT_EQ(ErrorOf([&] { index_.Search({.limit = 0}); }).kind(), ErrorKind::kUsage);
  EXPECT_EQ(ErrorOf([&] { index_.Search({.min_f1 = NAN}); }).kind(), ErrorKind::kUsage);
  for (const double threshold : {0.0, -1.0, 1.01, std::nan("")}) {
    EXPECT_EQ(ErrorOf([&] { index_.Similar({}, SetOverlap::kOverlap, threshold, 10); }).kind(),
              ErrorKind::kUsage);
  }
  EXPECT_EQ(ErrorOf([&] { index_.Similar({}, SetOverlap::kOverlap, 1, 0); }).kind(),
            ErrorKind::kUsage);
  EXPECT_EQ(ErrorOf([&] {
              index_.Similar(UnitId{0, 1}, SetOverlap::kOverlap, 1, 9);
            }).kind(),
            ErrorKind::kNotFound);
}

// Graphs and texts by brute force, as the reference for searches over many random graphs.
struct RandomGraph {
  UnitId unit;
  std::vector<TokenId> activating, context;
  std::optional<double> f1;
  bool Has(const std::vector<TokenId>& tokens, TokenId token) const {
    return std::find(tokens.begin(), tokens.end(), token) != tokens.end();
  }
};

TEST_F(GraphIndexTest, AgreesWithBruteForce) {
  base::Rng rng(5, "search");
  std::vector<std::string> texts;
  for (int i = 0; i < 12; ++i) texts.push_back("t" + std::to_string(i));
  store_.PutTokenTexts(texts);
  std::vector<RandomGraph> graphs;
  const auto draw_tokens = [&](uint64_t most) {
    std::vector<TokenId> tokens;
    for (uint64_t i = rng.Below(most); i > 0; --i) {
      // Products of uniform numbers favour small token ids.
      const auto token = static_cast<TokenId>(12 * rng.Uniform() * rng.Uniform());
      if (std::find(tokens.begin(), tokens.end(), token) == tokens.end()) tokens.push_back(token);
    }
    return tokens;
  };
  store_.Transaction([&] {
    for (int i = 0; i < 1500; ++i) {
      RandomGraph graph{{i % 4, i}, draw_tokens(5), draw_tokens(6), std::nullopt};
      if (graph.activating.empty()) graph.context.clear();
      if (rng.Below(4) != 0) graph.f1 = static_cast<double>(rng.Below(20)) / 20;
      Put(graph.unit, graph.activating, graph.context, graph.f1);
      graphs.push_back(graph);
    }
  });
  std::stable_sort(graphs.begin(), graphs.end(), [](const RandomGraph& a, const RandomGraph& b) {
    const double f1_a = a.f1.value_or(-1), f1_b = b.f1.value_or(-1);
    return f1_a != f1_b ? f1_a > f1_b : a.unit < b.unit;
  });
  for (int round = 0; round < 300; ++round) {
    const std::vector<TokenId> activating = draw_tokens(3), context = draw_tokens(4);
    GraphQuery query;
    for (const TokenId token : activating) {
      query.activating.push_back(texts[static_cast<size_t>(token)]);
    }
    for (const TokenId token : context) query.context.push_back(texts[static_cast<size_t>(token)]);
    if (rng.Below(3) == 0) query.layer = static_cast<int>(rng.Below(4));
    if (rng.Below(3) == 0) query.min_f1 = rng.Uniform();
    query.limit = 1 + static_cast<int>(rng.Below(40));
    std::vector<UnitId> expected;
    for (const RandomGraph& graph : graphs) {
      const auto has = [&](const auto& set) {
        return [&](TokenId token) { return graph.Has(set, token); };
      };
      if (std::all_of(activating.begin(), activating.end(), has(graph.activating)) &&
          std::all_of(context.begin(), context.end(), has(graph.context)) &&
          (!query.layer || graph.unit.layer == *query.layer) &&
          (!query.min_f1 || graph.f1.value_or(-1) >= *query.min_f1) &&
          expected.size() < static_cast<size_t>(query.limit)) {
        expected.push_back(graph.unit);
      }
    }
    EXPECT_EQ(Search(query), expected);
  }
}

}  // namespace
}  // namespace assay::store
