#include "neurons/token_trie.h"

#include <gtest/gtest.h>

#include <map>

#include "base/rng.h"

namespace assay::neurons {
namespace {

using Kind = store::TrieNode::Kind;
using Step = TriePath::Step;

Step Important(TokenId token, double importance = 1) { return {token, importance, true}; }
Step Ignored(TokenId token = 0) { return {token, 0, false}; }

std::vector<store::TrieNode> Build(const std::vector<TriePath>& paths,
                                   const GraphOptions& options = {},
                                   const TokenClasses& classes = {}) {
  TrieBuilder builder(options, classes);
  for (const TriePath& path : paths) builder.Add(path);
  return builder.Finish();
}

double Predict(const std::vector<store::TrieNode>& nodes, std::vector<TokenId> tokens,
               const GraphOptions& options = {}, size_t begin = 0,
               const TokenClasses& classes = {}) {
  return TokenTrie(nodes, options, classes).Predict(tokens, tokens.size() - 1, begin);
}

GraphOptions Match(const std::string& match) {
  GraphOptions options;
  options.match = match;
  return options;
}

TEST(TrieBuilderTest, CutsAPathAfterItsLastImportantToken) {
  const auto nodes = Build({{5, 0.75, {Ignored(8), Important(6, 0.875), Ignored(9), Ignored(7)}}});
  ASSERT_EQ(nodes.size(), 5U);
  EXPECT_EQ(nodes[1].kind, Kind::kActivating);
  EXPECT_EQ(nodes[1].token, 5);
  EXPECT_EQ(nodes[1].activation, 0.75F);
  EXPECT_EQ(nodes[2].kind, Kind::kIgnore);
  EXPECT_EQ(nodes[2].token, 0);
  EXPECT_EQ(nodes[3].kind, Kind::kContext);
  EXPECT_EQ(nodes[3].token, 6);
  EXPECT_EQ(nodes[3].importance, 0.875F);
  EXPECT_EQ(nodes[4].kind, Kind::kEnd);
  EXPECT_EQ(nodes[4].activation, 0.75F);
  for (int i = 1; i < 5; ++i) EXPECT_EQ(nodes[static_cast<size_t>(i)].parent, i - 1);
}

TEST(TrieBuilderTest, SharesWhatPathsHaveInCommonAndKeepsTheStrongestValues) {
  const auto nodes =
      Build({{5, 0.5, {Important(6, 0.75), Important(7, 1)}}, {5, 0.75, {Important(6, 0.875)}}});
  // root, 5, 6, 7, END, END
  ASSERT_EQ(nodes.size(), 6U);
  EXPECT_EQ(nodes[1].activation, 0.75F);
  EXPECT_EQ(nodes[2].importance, 0.875F);
  EXPECT_EQ(nodes[4].activation, 0.5F);
  EXPECT_EQ(nodes[5].kind, Kind::kEnd);
  EXPECT_EQ(nodes[5].parent, 2);
  EXPECT_EQ(nodes[5].activation, 0.75F);
}

TEST(TrieBuilderTest, OfEqualPathsTheLargestOrTheFirstActivationStays) {
  const std::vector<TriePath> paths = {
      {5, 0.625, {Important(6)}}, {5, 0.875, {Important(6)}}, {5, 0.75, {Important(6)}}};
  GraphOptions options;
  EXPECT_EQ(Build(paths, options).back().activation, 0.875F);
  options.end_value = "first";
  EXPECT_EQ(Build(paths, options).back().activation, 0.625F);
}

TEST(TrieBuilderTest, WithoutPathsThereIsOnlyTheRootAndItPredictsNothing) {
  const auto nodes = Build({});
  ASSERT_EQ(nodes.size(), 1U);
  for (const char* match : {"max", "longest", "greedy"})
    EXPECT_EQ(Predict(nodes, {1, 2}, Match(match)), 0);
}

TEST(TokenTrieTest, AnyTokenFitsAnIgnoredPlaceButOneMustBeThere) {
  const auto nodes = Build({{5, 0.75, {Ignored(), Important(6)}}});
  for (const char* match : {"max", "longest", "greedy"}) {
    EXPECT_EQ(Predict(nodes, {6, 1, 5}, Match(match)), 0.75);
    EXPECT_EQ(Predict(nodes, {6, 6, 5}, Match(match)), 0.75);
    EXPECT_EQ(Predict(nodes, {6, 5}, Match(match)), 0);
    EXPECT_EQ(Predict(nodes, {6, 1, 4}, Match(match)), 0);
    EXPECT_EQ(Predict(nodes, {6, 1, 5}, Match(match), 1), 0)
        << "a path matched a token before `begin`";
  }
}

// Two paths match: the short one is stronger. A third begins like a match and then fails.
TEST(TokenTrieTest, MaxLongestAndGreedyChooseDifferentPaths) {
  const std::vector<TriePath> paths = {{5, 0.875, {}},
                                       {5, 0.625, {Ignored(), Important(7)}},
                                       {5, 0.75, {Important(6), Important(8)}}};
  const auto nodes = Build(paths);
  EXPECT_EQ(Predict(nodes, {7, 6, 5}, Match("max")), 0.875);
  EXPECT_EQ(Predict(nodes, {7, 6, 5}, Match("longest")), 0.625);
  // Greedy takes 6, the exact child, fails to go on and does not come back; the last END it passed
  // is the short path's.
  EXPECT_EQ(Predict(nodes, {7, 6, 5}, Match("greedy")), 0.875);
  EXPECT_EQ(Predict(nodes, {7, 1, 5}, Match("greedy")), 0.625);
  EXPECT_EQ(Predict(nodes, {8, 6, 5}, Match("greedy")), 0.75);
  EXPECT_EQ(Predict(nodes, {8, 6, 5}, Match("longest")), 0.75);
}

TEST(TokenTrieTest, GreedyWithoutAnEndOnItsWayPredictsNothing) {
  const auto nodes =
      Build({{5, 0.625, {Ignored(), Important(7)}}, {5, 0.75, {Important(6), Important(8)}}});
  EXPECT_EQ(Predict(nodes, {7, 6, 5}, Match("greedy")), 0);
  EXPECT_EQ(Predict(nodes, {7, 6, 5}, Match("max")), 0.625);
}

TEST(TokenTrieTest, MergingLetsWhatFollowsAContextNodeFollowAnIgnoredSibling) {
  const std::vector<TriePath> paths = {{5, 0.75, {Important(6), Important(7)}},
                                       {5, 0.625, {Ignored(), Important(8)}}};
  GraphOptions merged;
  merged.merge_ignored = true;
  EXPECT_EQ(Predict(Build(paths), {7, 1, 5}), 0);
  EXPECT_EQ(Predict(Build(paths, merged), {7, 1, 5}), 0.75);
  EXPECT_EQ(Predict(Build(paths, merged), {8, 1, 5}), 0.625);
  EXPECT_EQ(Predict(Build(paths, merged), {8, 6, 5}), 0.625);
  EXPECT_EQ(Predict(Build(paths, merged), {9, 1, 5}), 0);
}

TEST(TokenTrieTest, MergedEndsFollowTheOptionForPathsThatMeet) {
  const std::vector<TriePath> paths = {{5, 0.875, {Important(6), Important(7)}},
                                       {5, 0.625, {Ignored(), Important(7)}}};
  GraphOptions merged;
  merged.merge_ignored = true;
  EXPECT_EQ(Predict(Build(paths, merged), {7, 1, 5}), 0.875);
  merged.end_value = "first";
  EXPECT_EQ(Predict(Build(paths, merged), {7, 1, 5}), 0.625);
}

TEST(TokenTrieTest, BosItselfCanBeTheActivatingToken) {
  const auto nodes = Build({{0, 1.0, {}}, {5, 0.75, {}}});
  const GraphOptions options;
  const TokenClasses classes;
  const TokenTrie trie(nodes, options, classes);
  const std::vector<TokenId> tokens = {0, 5};
  EXPECT_EQ(trie.Predict(tokens, 0, 1), 1.0);
  EXPECT_EQ(trie.Predict(tokens, 1, 1), 0.75);
}

TEST(TokenClassesTest, JoinTokensThatDifferInSpaceAndTitleCase) {
  const std::vector<std::string> texts = {"the", " The", "The", " the ", "THE", " THE", "cat",
                                          " .",  ".",    " \n", "Éa",    "A",   "a"};
  const TokenClasses classes = TokenClasses::Normalized(texts);
  for (const TokenId same : {0, 1, 2, 3}) EXPECT_EQ(classes.Of(same), 0) << same;
  EXPECT_EQ(classes.Of(4), 4);
  EXPECT_EQ(classes.Of(5), 4);
  EXPECT_EQ(classes.Of(6), 6);
  EXPECT_EQ(classes.Of(7), 7) << "space counts where there is no letter";
  EXPECT_EQ(classes.Of(8), 8);
  EXPECT_EQ(classes.Of(9), 9);
  EXPECT_EQ(classes.Of(12), 11);
  EXPECT_EQ(classes.Of(99), 99);
  EXPECT_EQ(TokenClasses().Of(3), 3);
}

TEST(TokenTrieTest, TokensOfOneClassMatchEachOther) {
  const std::vector<std::string> texts = {"<s>", " The", "the", " cat", "cat"};
  const TokenClasses classes = TokenClasses::Normalized(texts);
  const auto nodes = Build({{4, 0.75, {Important(2)}}, {3, 0.875, {Important(1)}}}, {}, classes);
  EXPECT_EQ(nodes.size(), 4U);
  EXPECT_EQ(Predict(nodes, {1, 4}, {}, 0, classes), 0.875);
  EXPECT_EQ(Predict(nodes, {2, 3}, {}, 0, classes), 0.875);
  EXPECT_EQ(Predict(nodes, {3, 3}, {}, 0, classes), 0);
}

// ---- Against a matcher that knows nothing of tries: every path is tried on its own.

struct FlatPath {
  TokenId token;
  std::vector<std::pair<bool, TokenId>> steps;  // important, token
  bool operator<(const FlatPath& other) const {
    return std::pair(token, steps) < std::pair(other.token, other.steps);
  }
};

FlatPath Flatten(const TriePath& path) {
  FlatPath out{path.token, {}};
  for (const Step& step : path.steps)
    out.steps.emplace_back(step.important, step.important ? step.token : 0);
  while (!out.steps.empty() && !out.steps.back().first) out.steps.pop_back();
  return out;
}

bool Matches(const FlatPath& path, const std::vector<TokenId>& tokens, size_t at, size_t begin) {
  if (tokens[at] != path.token || at - begin < path.steps.size()) return false;
  for (size_t i = 0; i < path.steps.size(); ++i) {
    if (path.steps[i].first && tokens[at - 1 - i] != path.steps[i].second) return false;
  }
  return true;
}

double BruteForce(const std::map<FlatPath, float>& ends, const std::vector<TokenId>& tokens,
                  size_t at, size_t begin, bool longest) {
  std::pair<size_t, float> best{0, 0};
  for (const auto& [path, value] : ends) {
    if (Matches(path, tokens, at, begin))
      best = std::max(best, {longest ? path.steps.size() : 0, value});
  }
  return best.second;
}

TEST(TokenTrieTest, PredictsWhatAMatcherOverTheListOfPathsPredicts) {
  int matched = 0;
  for (uint64_t seed = 0; seed < 60; ++seed) {
    base::Rng rng(seed, "paths");
    GraphOptions options;
    options.end_value = seed % 2 == 0 ? "max" : "first";
    options.match = seed % 3 == 0 ? "longest" : "max";
    const auto token = [&] { return static_cast<TokenId>(rng.Below(4)); };
    std::vector<TriePath> paths(1 + rng.Below(25));
    std::map<FlatPath, float> ends;
    for (TriePath& path : paths) {
      path = {token(), 0.5 + rng.Uniform() / 2, {}};
      for (uint64_t left = rng.Below(6); left > 0; --left) {
        path.steps.push_back(rng.Below(2) == 0 ? Important(token(), rng.Uniform())
                                               : Ignored(token()));
      }
      const auto value = static_cast<float>(path.activation);
      const auto [end, fresh] = ends.try_emplace(Flatten(path), value);
      if (!fresh && options.end_value == "max") end->second = std::max(end->second, value);
    }
    const TokenClasses classes;
    const TokenTrie trie(Build(paths, options), options, classes);
    std::vector<TokenId> tokens(40);
    for (TokenId& id : tokens) id = token();
    for (size_t begin = 0; begin < 2; ++begin) {
      for (size_t at = begin; at < tokens.size(); ++at) {
        const double expected = BruteForce(ends, tokens, at, begin, options.match == "longest");
        ASSERT_EQ(trie.Predict(tokens, at, begin), expected) << "seed " << seed << ", at " << at;
        matched += expected > 0 ? 1 : 0;
      }
    }
  }
  EXPECT_GT(matched, 500);
}

}  // namespace
}  // namespace assay::neurons
