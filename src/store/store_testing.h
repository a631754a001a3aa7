// For the tests of store: small runs built in code, and comparison of rows bit by bit.
#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "base/base_testing.h"
#include "store/run_store.h"

namespace assay::store {

using base::ErrorOf;
using base::TemporaryFolder;

template <typename T>
bool SameBits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}
inline bool SameReal(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

// A trie with each activating token below the root, and below each of them the context tokens as
// one path.
inline Graph MakeGraph(UnitId unit, const std::vector<TokenId>& activating,
                       const std::vector<TokenId>& context) {
  using Kind = TrieNode::Kind;
  Graph graph;
  graph.unit = unit;
  graph.max_activation = 2.5;
  graph.train = {0, 2};
  graph.test = {1};
  graph.nodes = {{Kind::kRoot, 0, 0, 0, 0}};
  float strength = 1;  // falls, so that the order given is strongest first
  for (const TokenId token : activating) {
    graph.nodes.push_back({Kind::kActivating, 0, token, strength, 0});
    auto parent = static_cast<int32_t>(graph.nodes.size() - 1);
    for (const TokenId before : context) {
      strength *= 0.99f;
      graph.nodes.push_back({Kind::kContext, parent, before, 0, strength});
      parent = static_cast<int32_t>(graph.nodes.size() - 1);
    }
    graph.nodes.push_back({Kind::kEnd, parent, 0, strength, 0});
    strength *= 0.99f;
  }
  return graph;
}

inline Score MakeScore(UnitId unit, std::optional<double> f1, const std::string& set = "held_out",
                       const std::string& method = "n2g") {
  Score score;
  score.unit = unit;
  score.set = set;
  score.method = method;
  score.true_positives = 5;
  score.false_positives = 1;
  score.precision = 5.0 / 6;
  score.f1 = f1;
  return score;
}

// Rows of every kind for one unit, different for each `index`.
struct UnitRows {
  Sequence sequence;
  UnitStats stats;
  std::vector<Example> examples;
  Pruning pruning;
  std::vector<Prompt> prompts;
  Graph graph;
  std::vector<Score> scores;
};

inline UnitRows MakeRows(int index) {
  const UnitId unit{index % 3, index};
  const auto number = static_cast<float>(index);
  UnitRows rows;
  rows.sequence = {index, "corpus/part.txt", index / 2, 128 * index, {1, 2, 3, index}};
  rows.stats = {unit, 1000 + index, 0.25 * index, 1.5, 9.75, -0.1, 0.125};
  rows.examples.push_back(
      {unit, ExampleKind::kTop, 0, 0, index, 2, 9.5f + number, {NAN, 0.1f, 9.5f, -1 - number}});
  rows.examples.push_back(
      {unit, ExampleKind::kQuantile, 3, 1, index, 1, 0.5f, {NAN, 0.5f, 0.25f, 0.125f}});
  rows.pruning = {unit, 0, PruneOutcome::kContextLimit, 2, 1, 9.5f, 4.0f, {1.0f, 4.0f + number}};
  Prompt prompt;
  prompt.unit = unit;
  prompt.tokens = {7, 8, index};
  prompt.activations = {NAN, 0.5f, number};
  prompt.targets = {2};
  prompt.importances = {0.1f, 0.9f, 1.0f};
  rows.prompts.push_back(prompt);
  prompt.ordinal = 1;
  prompt.kept = false;
  prompt.substitution = Substitution{1, "cat", "dog", 0.1 + 1e-17 * index};
  prompt.ratio = 0.3f;
  rows.prompts.push_back(prompt);
  rows.graph = MakeGraph(unit, {index % 5, 10 + index % 7}, {20, index % 3});
  rows.scores = {MakeScore(unit, index % 4 == 0 ? std::nullopt : std::optional(index % 10 / 10.0)),
                 MakeScore(unit, 0.5, "random_text", "token_lookup")};
  return rows;
}

inline void PutAll(RunStore& store, const UnitRows& rows) {
  store.Put(rows.sequence);
  store.Put(rows.stats);
  for (const Example& row : rows.examples) store.Put(row);
  store.Put(rows.pruning);
  for (const Prompt& row : rows.prompts) store.Put(row);
  store.Put(rows.graph);
  for (const Score& row : rows.scores) store.Put(row);
}

inline void FillRun(RunStore& store, int units) {
  store.Transaction([&] {
    store.PutManifest("model", {{"name", "tiny"}, {"layers", 3}});
    std::vector<std::string> texts;
    for (int i = 0; i < 64; ++i) texts.push_back(" token" + std::to_string(i));
    store.PutTokenTexts(texts);
    for (int i = 0; i < units; ++i) PutAll(store, MakeRows(i));
  });
}

}  // namespace assay::store
