// Searching many graphs: builds a run of N graphs (default 300,000) in a temporary folder and times
// searches.
//   graph_index_bench [graphs]
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "base/rng.h"
#include "store/graph_index.h"

namespace {

using assay::base::Rng;
using assay::store::Graph;
using assay::store::GraphIndex;
using assay::store::GraphQuery;
using assay::store::RunStore;
using assay::store::Score;
using assay::store::SetOverlap;
using assay::store::TokenId;
using assay::store::TrieNode;
using assay::store::UnitId;
using Clock = std::chrono::steady_clock;

constexpr int kVocabulary = 50'000;
constexpr int kLayers = 24;
constexpr int kGraphsPerTransaction = 25'000;

double MillisecondsSince(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

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

UnitId UnitAt(int number) { return {number % kLayers, number / kLayers}; }

// About ten distinct tokens: one to five activating, each with one to four of context; one graph in
// ten repeats a token.
Graph RandomGraph(int number, const ZipfTokens& tokens) {
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

Score RandomScore(int number) {
  Rng rng(1, "score", static_cast<uint64_t>(number));
  Score score;
  score.unit = UnitAt(number);
  score.set = "held_out";
  score.method = "n2g";
  score.f1 = rng.Uniform();
  return score;
}

void Build(const std::filesystem::path& folder, int graphs, const ZipfTokens& tokens) {
  RunStore store = RunStore::Open(folder, RunStore::Mode::kWrite);
  std::vector<std::string> texts;
  for (int k = 0; k < kVocabulary; ++k) {
    texts.push_back(fmt::format("{}w{}", k % 2 == 0 ? " " : "", k / 2));
  }
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

// The first call is shown apart: it reads the index from the disk (or the system's cache).
void Time(const std::string& name, int rounds, const std::function<size_t(int)>& search) {
  std::vector<double> times;
  size_t found = 0;
  for (int round = 0; round < rounds; ++round) {
    const auto start = Clock::now();
    found += search(round);
    times.push_back(MillisecondsSince(start));
  }
  const double first = times.front();
  std::sort(times.begin(), times.end());
  const auto percentile = [&](double share) {
    return times[static_cast<size_t>(share * static_cast<double>(rounds - 1))];
  };
  fmt::print("{:<34} p50 {:8.2f} ms   p95 {:8.2f} ms   first {:8.2f} ms   {:6.1f} found\n", name,
             percentile(0.5), percentile(0.95), first, static_cast<double>(found) / rounds);
}

void TimeSearches(const GraphIndex& index, int graphs, const ZipfTokens& tokens) {
  const auto word = [](int k) { return fmt::format("{}w{}", k % 2 == 0 ? " " : "", k / 2); };
  const auto search = [&](const GraphQuery& query) {
    return [&index, query](int) { return index.Search(query).size(); };
  };
  Time("best graphs", 50, search({}));
  Time("best graphs of a layer", 50, search({.layer = 3}));
  Time("best graphs of an absent layer", 20, search({.layer = 99}));
  Time("commonest token", 100, search({.context = {word(0)}}));
  Time("commonest token, one layer", 50, search({.context = {word(0)}, .layer = 3}));
  Time("commonest token, absent layer", 20, search({.context = {word(0)}, .layer = 99}));
  Time("commonest token, 1000 results", 20, search({.context = {word(0)}, .limit = 1000}));
  Time("rare token", 200,
       [&](int round) { return index.Search({.activating = {word(20'000 + 97 * round)}}).size(); });
  Time("token drawn from the text", 300, [&](int round) {
    Rng rng(2, "query", static_cast<uint64_t>(round));
    return index.Search({.activating = {word(tokens.Draw(rng))}}).size();
  });
  Time("two tokens: common, common", 100, search({.activating = {word(0)}, .context = {word(1)}}));
  Time("two tokens: common, rare", 200, [&](int round) {
    return index.Search({.activating = {word(0)}, .context = {word(10'000 + 97 * round)}}).size();
  });
  Time("two tokens drawn from the text", 300, [&](int round) {
    Rng rng(3, "query", static_cast<uint64_t>(round));
    return index
        .Search({.activating = {word(tokens.Draw(rng))}, .context = {word(tokens.Draw(rng))}})
        .size();
  });
  Time("three common tokens, absent layer", 20,
       search({.activating = {word(0), word(2), word(4)}, .layer = 99}));
  Time("repeated", 100, search({.repeated = true}));
  Time("repeated, commonest token", 50, search({.context = {word(0)}, .repeated = true}));
  Time("repeated, absent layer", 20, search({.repeated = true, .layer = 99}));
  const auto similar = [&](SetOverlap measure, double threshold) {
    return [&index, graphs, measure, threshold](int round) {
      const int number = static_cast<int>(
          Rng(4, "unit", static_cast<uint64_t>(round)).Below(static_cast<uint64_t>(graphs)));
      return index.Similar(UnitAt(number), measure, threshold, 20).size();
    };
  };
  Time("similar of a unit, overlap 0.9", 200, similar(SetOverlap::kOverlap, 0.9));
  Time("similar of a unit, overlap 0.5", 100, similar(SetOverlap::kOverlap, 0.5));
  Time("similar of a unit, subset 0.9", 50, similar(SetOverlap::kSubset, 0.9));
  Time("similar pairs of all, overlap 0.9", 1,
       [&](int) { return index.Similar(std::nullopt, SetOverlap::kOverlap, 0.9, 100).size(); });
  Time("similar pairs of all, overlap 0.5", 1,
       [&](int) { return index.Similar(std::nullopt, SetOverlap::kOverlap, 0.5, 100).size(); });
  Time("similar pairs of all, subset 0.9", 1,
       [&](int) { return index.Similar(std::nullopt, SetOverlap::kSubset, 0.9, 100).size(); });
}

}  // namespace

int main(int argc, char** argv) {
  const int graphs = argc > 1 ? std::atoi(argv[1]) : 300'000;
  if (graphs < 1) {
    fmt::print(stderr, "usage: graph_index_bench [graphs]\n");
    return 2;
  }
  const auto folder =
      std::filesystem::temp_directory_path() / fmt::format("graph_index_bench_{}", ::getpid());
  try {
    const ZipfTokens tokens;
    const auto start = Clock::now();
    Build(folder, graphs, tokens);
    fmt::print("{} graphs built in {:.1f} s, {:.0f} MB\n", graphs, MillisecondsSince(start) / 1000,
               static_cast<double>(std::filesystem::file_size(folder / "assay.db")) / 1e6);
    const RunStore store = RunStore::Open(folder, RunStore::Mode::kRead);
    TimeSearches(GraphIndex(store), graphs, tokens);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    std::filesystem::remove_all(folder);
    return 1;
  }
  std::filesystem::remove_all(folder);
  return 0;
}
