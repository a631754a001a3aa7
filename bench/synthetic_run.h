// Large runs made up by a seed: graphs and scores as many as wanted, for benchmarks of searching
// and serving.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/rng.h"
#include "store/run_store.h"

namespace assay::bench {

using base::Rng;
using store::Graph;
using store::RunStore;
using store::Score;
using store::TokenId;
using store::TrieNode;
using store::UnitId;

inline constexpr int kVocabulary = 50'000;
inline constexpr int kLayers = 24;
inline constexpr int kGraphsPerTransaction = 25'000;

// Token k is drawn with a probability proportional to 1 / (k + 1).
class ZipfTokens {
 public:
  ZipfTokens() {
    double sum = 0;
    for (int k = 0; k < kVocabulary; ++k) cumulative_.push_back(sum += 1.0 / (k + 1));
  }
  TokenId Draw(Rng& rng) const {
    const double at = rng.Uniform() * cumulative_.back();
    return static_cast<TokenId>(std::lower_bound(cumulative_.begin(), cumulative_.end(), at) -
                                cumulative_.begin());
  }

 private:
  std::vector<double> cumulative_;
};

inline UnitId UnitAt(int number) { return {number % kLayers, number / kLayers}; }

// About ten distinct tokens: one to five activating, each with one to four of context; one graph in
// ten repeats a token.
inline Graph RandomGraph(int number, const ZipfTokens& tokens) {
  Rng rng(1, "graph", static_cast<uint64_t>(number));
  Graph graph;
  graph.unit = UnitAt(number);
  graph.max_activation = 1;
  graph.nodes.resize(1);
  for (uint64_t paths = 1 + rng.Below(5); paths > 0; --paths) {
    const TokenId activating = tokens.Draw(rng);
    graph.nodes.push_back(
        {TrieNode::Kind::kActivating, 0, activating, static_cast<float>(rng.Uniform()), 0});
    for (uint64_t length = 1 + rng.Below(4); length > 0; --length) {
      const auto parent = static_cast<int32_t>(graph.nodes.size() - 1);
      const TokenId context = rng.Below(40) == 0 ? activating : tokens.Draw(rng);
      graph.nodes.push_back(
          {TrieNode::Kind::kContext, parent, context, 0, static_cast<float>(rng.Uniform())});
    }
    graph.nodes.push_back(
        {TrieNode::Kind::kEnd, static_cast<int32_t>(graph.nodes.size() - 1), 0, 1, 0});
  }
  return graph;
}

inline Score RandomScore(int number) {
  Rng rng(1, "score", static_cast<uint64_t>(number));
  Score score;
  score.unit = UnitAt(number);
  score.set = "held_out";
  score.method = "n2g";
  score.f1 = rng.Uniform();
  return score;
}

// Token k's text.
inline std::string SyntheticWord(int k) {
  return fmt::format("{}w{}", k % 2 == 0 ? " " : "", k / 2);
}

// Tokens, graphs, and the score of each.
inline void BuildGraphs(RunStore& store, int graphs, const ZipfTokens& tokens) {
  std::vector<std::string> texts;
  for (int k = 0; k < kVocabulary; ++k) texts.push_back(SyntheticWord(k));
  store.PutTokenTexts(texts);
  for (int begin = 0; begin < graphs; begin += kGraphsPerTransaction) {
    store.Transaction([&] {
      // A score before its graph saves moving the graph's rows in the index.
      for (int i = begin; i < std::min(graphs, begin + kGraphsPerTransaction); ++i) {
        store.Put(RandomScore(i));
        store.Put(RandomGraph(i, tokens));
      }
    });
  }
}

// Everything else that a page about the unit shows, in the sizes of a real run: 20 top and 10
// sampled examples of 128 tokens, 10 pruned ones with 8 variations each, statistics, measures, 3
// clusters. Sequences have ids of their own.
inline void PutWholeUnit(RunStore& store, int number, const ZipfTokens& tokens) {
  constexpr int kTokens = 128, kTop = 20, kSampled = 10, kTrained = 10, kVariations = 8;
  using store::ExampleKind;
  const UnitId unit = UnitAt(number);
  Rng rng(1, "unit", static_cast<uint64_t>(number));
  store::Embedding embedding{.unit = unit, .dims = 1};
  for (int i = 0; i < kTop + kSampled; ++i) {
    store::Sequence sequence{.id = int64_t{number} * (kTop + kSampled) + i, .source = "synthetic"};
    store::Example example{.unit = unit, .sequence = sequence.id, .pivot = kTokens / 2};
    for (int t = 0; t < kTokens; ++t) {
      sequence.tokens.push_back(tokens.Draw(rng));
      example.activations.push_back(static_cast<float>(rng.Uniform()));
    }
    example.kind = i < kTop ? ExampleKind::kTop : ExampleKind::kQuantile;
    example.bin = i < kTop ? 0 : i - kTop;
    example.rank = i < kTop ? i : 0;
    example.activation = example.activations[kTokens / 2];
    store.Put(sequence);
    store.Put(example);
    if (i < kTop) {
      embedding.examples.push_back({example.kind, example.bin, example.rank});
      embedding.vectors.push_back(1);
    }
  }
  for (int rank = 0; rank < kTrained; ++rank) {
    const int length = 4 + static_cast<int>(rng.Below(12));
    store.Put(store::Pruning{.unit = unit,
                             .example = rank,
                             .pivot = kTokens / 2,
                             .context = length - 1,
                             .full_activation = 1,
                             .pruned_activation = 0.9f,
                             .trajectory = std::vector<float>(static_cast<size_t>(length), 0.5f)});
    for (int ordinal = 0; ordinal <= kVariations; ++ordinal) {
      store::Prompt prompt{.unit = unit, .example = rank, .ordinal = ordinal, .pivot = length - 1};
      for (int t = 0; t < length; ++t) prompt.tokens.push_back(tokens.Draw(rng));
      prompt.activations.assign(static_cast<size_t>(length), 0.5f);
      prompt.targets = {length - 1};
      prompt.importances.assign(static_cast<size_t>(length), 0.5f);
      store.Put(prompt);
    }
  }
  store.Put(store::UnitStats{unit, 1'000'000, 0.1, 0.2, 1.0, -0.2, 0.05});
  store.Put(embedding);
  for (int cluster = 0; cluster < 3; ++cluster) {
    store::FeatureCluster row{.unit = unit, .cluster = cluster, .cohesion = 0.5};
    for (int member = cluster; member < kTop; member += 3) row.members.push_back(member);
    row.label = SyntheticWord(tokens.Draw(rng)) + " after" + SyntheticWord(tokens.Draw(rng));
    row.central_input = row.mean_input = row.central_embedding = std::vector<float>(512, 0.5f);
    store.Put(row);
  }
  store.Put(store::UnitMeasures{.unit = unit,
                                .examples = kTop,
                                .clusters = 3,
                                .polysemanticity = rng.Uniform(),
                                .cut_reason = "synthetic"});
}

}  // namespace assay::bench
