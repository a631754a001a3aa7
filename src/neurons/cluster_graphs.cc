#include "neurons/cluster_graphs.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>

#include "base/rng.h"
#include "neurons/graph_score.h"
#include "neurons/token_trie.h"

namespace assay::neurons {
namespace {

struct Example {
  store::Example stored;
  std::vector<TokenId> tokens;
};

// Training and held-out examples of one cluster, as indices into UnitWork::examples.
struct Halves {
  std::vector<size_t> train, test;
};

// The graphs to build for a unit, and how each is judged.
struct UnitWork {
  UnitId unit;
  double max_activation = 0;
  std::vector<Example> examples;
  std::vector<int> cluster_ids;
  std::vector<Halves> clusters, shuffled;
  std::vector<std::vector<size_t>> drawn;  // of all training examples, as many as the cluster has
  std::vector<size_t> all_train, all_test;
};

Halves SplitShuffled(std::vector<size_t> members, base::Rng& rng) {
  rng.Shuffle(members);
  Halves out;
  const size_t middle = (members.size() + 1) / 2;
  out.train.assign(members.begin(), members.begin() + static_cast<int64_t>(middle));
  out.test.assign(members.begin() + static_cast<int64_t>(middle), members.end());
  return out;
}

std::optional<UnitWork> Prepare(const store::RunStore& store, UnitId unit,
                                const ClusterGraphOptions& options) {
  const auto embedding = store.GetEmbedding(unit);
  const auto stats = store.GetStats(unit);
  if (!embedding || !stats || !(stats->maximum > 0)) return std::nullopt;
  UnitWork work{.unit = unit, .max_activation = stats->maximum};
  std::map<store::ExampleKey, store::Example> by_key;
  for (store::Example& example : store.GetExamples(unit)) {
    const store::ExampleKey key{example.kind, example.bin, example.rank};
    by_key.emplace(key, std::move(example));
  }
  base::Rng rng(options.seed, "cluster graphs",
                static_cast<uint64_t>(unit.layer) << 32 | static_cast<uint32_t>(unit.index));
  for (const store::FeatureCluster& cluster : store.GetClusters(unit)) {
    if (static_cast<int>(cluster.members.size()) < options.least_examples) continue;
    std::vector<size_t> members;
    for (const int member : cluster.members) {
      const auto found = by_key.find(embedding->examples.at(static_cast<size_t>(member)));
      if (found == by_key.end()) continue;
      members.push_back(work.examples.size());
      work.examples.push_back({found->second, store.GetSequence(found->second.sequence).tokens});
    }
    work.cluster_ids.push_back(cluster.cluster);
    work.clusters.push_back(SplitShuffled(std::move(members), rng));
  }
  if (work.clusters.size() < 2) return std::nullopt;
  for (const Halves& halves : work.clusters) {
    work.all_train.insert(work.all_train.end(), halves.train.begin(), halves.train.end());
    work.all_test.insert(work.all_test.end(), halves.test.begin(), halves.test.end());
  }
  // The control: training and held-out examples change places within their half only.
  std::vector<size_t> train = work.all_train, test = work.all_test;
  rng.Shuffle(train);
  rng.Shuffle(test);
  size_t train_at = 0, test_at = 0;
  for (const Halves& halves : work.clusters) {
    const auto take = [](const std::vector<size_t>& from, size_t& at, size_t count) {
      std::vector<size_t> out(from.begin() + static_cast<int64_t>(at),
                              from.begin() + static_cast<int64_t>(at + count));
      at += count;
      return out;
    };
    work.shuffled.push_back(
        {take(train, train_at, halves.train.size()), take(test, test_at, halves.test.size())});
    std::vector<size_t> pool = work.all_train;
    rng.Shuffle(pool);
    pool.resize(halves.train.size());
    work.drawn.push_back(std::move(pool));
  }
  return work;
}

GraphRequest Request(const UnitWork& work, const std::vector<size_t>& train) {
  GraphRequest out{.unit = work.unit, .max_activation = work.max_activation};
  for (const size_t index : train) {
    const Example& example = work.examples[index];
    out.examples.push_back(
        {example.stored.rank, example.tokens, example.stored.pivot, example.stored.activation});
  }
  return out;
}

// F1 of a predictor on the examples; 0 where the unit does not fire in them.
double F1On(const UnitWork& work, const std::vector<size_t>& test, const Predictor& predict) {
  std::vector<ScoredText> texts;
  for (const size_t index : test)
    texts.push_back({work.examples[index].tokens, work.examples[index].stored.activations});
  return ScorePredictor(work.unit, "by_cluster", "n2g", texts, work.max_activation, predict)
      .f1.value_or(0);
}

ClusterGraphScore Judge(const UnitWork& work, std::span<const GraphResult> results,
                        const ScoreContext& score) {
  const size_t count = work.clusters.size(), begin = static_cast<size_t>(score.bos_tokens);
  std::vector<TokenTrie> tries;
  for (const GraphResult& result : results)
    tries.emplace_back(result.graph.nodes, score.options, score.classes);
  const auto predictor = [&](size_t graph) -> Predictor {
    return [&tries, graph, begin](std::span<const TokenId> tokens, size_t at) {
      return tries[graph].Predict(tokens, at, begin);
    };
  };
  ClusterGraphScore out{.unit = work.unit,
                        .clusters = static_cast<int>(count),
                        .examples = static_cast<int>(work.examples.size())};
  double weight = 0;
  for (size_t c = 0; c < count; ++c) {
    const auto held_out = static_cast<double>(work.clusters[c].test.size());
    weight += held_out;
    out.split += held_out * F1On(work, work.clusters[c].test, predictor(c));
    out.single += held_out * F1On(work, work.clusters[c].test, predictor(count + c));
    out.shuffled += held_out * F1On(work, work.shuffled[c].test, predictor(2 * count + c));
  }
  for (double* sum : {&out.split, &out.single, &out.shuffled}) *sum /= weight;
  out.together = F1On(work, work.all_test, [&](std::span<const TokenId> tokens, size_t at) {
    double strongest = 0;
    for (size_t c = 0; c < count; ++c)
      strongest = std::max(strongest, tries[c].Predict(tokens, at, begin));
    return strongest;
  });
  out.whole = F1On(work, work.all_test, predictor(3 * count));
  return out;
}

std::vector<int> RanksOf(const UnitWork& work, const std::vector<size_t>& indices) {
  std::vector<int> out;
  for (const size_t index : indices) out.push_back(work.examples[index].stored.rank);
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace

std::vector<ClusterGraphScore> BuildClusterGraphs(
    store::RunStore& store, std::span<const UnitId> units, const GraphOptions& options,
    const ClusterGraphOptions& cluster_options, const GraphContext& context,
    const ScoreContext& score, measure::Prober& prober, const base::Progress::Reporter& report) {
  base::ValidateFields(cluster_options);
  std::vector<ClusterGraphScore> out;
  base::Progress progress("graph by cluster", "neurons", static_cast<int64_t>(units.size()),
                          report);
  const auto block = static_cast<size_t>(cluster_options.block);
  for (size_t begin = 0; begin < units.size(); begin += block) {
    const auto part = units.subspan(begin, std::min(block, units.size() - begin));
    std::vector<UnitWork> works;
    std::vector<GraphRequest> requests;
    for (const UnitId unit : part) {
      auto work = Prepare(store, unit, cluster_options);
      if (!work) continue;
      for (const Halves& halves : work->clusters) requests.push_back(Request(*work, halves.train));
      for (const auto& drawn : work->drawn) requests.push_back(Request(*work, drawn));
      for (const Halves& halves : work->shuffled) requests.push_back(Request(*work, halves.train));
      requests.push_back(Request(*work, work->all_train));
      works.push_back(std::move(*work));
    }
    std::vector<GraphResult> results = BuildGraphs(requests, options, context, prober);
    size_t at = 0;
    store.Transaction([&] {
      for (const UnitWork& work : works) {
        const size_t graphs = 3 * work.clusters.size() + 1;
        const auto own = std::span(results).subspan(at, graphs);
        out.push_back(Judge(work, own, score));
        for (size_t c = 0; c < work.clusters.size(); ++c) {
          own[c].graph.train = RanksOf(work, work.clusters[c].train);
          own[c].graph.test = RanksOf(work, work.clusters[c].test);
          store.Put(store::ClusterGraph{work.cluster_ids[c], std::move(own[c].graph)});
        }
        at += graphs;
      }
    });
    progress.Add(static_cast<int64_t>(part.size()));
  }
  progress.Finish();
  return out;
}

namespace {

std::optional<MeanDifference> Compare(std::span<const ClusterGraphScore> scores, uint64_t seed,
                                      const std::function<double(const ClusterGraphScore&)>& of) {
  if (scores.empty()) return std::nullopt;
  std::vector<double> values;
  double sum = 0;
  for (const ClusterGraphScore& score : scores) {
    values.push_back(of(score));
    sum += values.back();
  }
  constexpr size_t kDraws = 2000;
  base::Rng rng(seed, "split helps");
  std::vector<double> means;
  for (size_t draw = 0; draw < kDraws; ++draw) {
    double total = 0;
    for (size_t i = 0; i < values.size(); ++i) total += values[rng.Below(values.size())];
    means.push_back(total / static_cast<double>(values.size()));
  }
  std::sort(means.begin(), means.end());
  return MeanDifference{sum / static_cast<double>(values.size()), means[kDraws / 40],
                        means[kDraws - 1 - kDraws / 40]};
}

}  // namespace

std::optional<MeanDifference> CompareToSingle(std::span<const ClusterGraphScore> scores,
                                              uint64_t seed) {
  return Compare(scores, seed, [](const ClusterGraphScore& s) { return s.split - s.single; });
}

std::optional<MeanDifference> CompareToShuffled(std::span<const ClusterGraphScore> scores,
                                                uint64_t seed) {
  return Compare(scores, seed, [](const ClusterGraphScore& s) { return s.split - s.shuffled; });
}

}  // namespace assay::neurons
