// Searching many graphs: builds a run of N graphs (default 300,000) in a temporary folder and times
// searches.
//   graph_index_bench [graphs]
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/rng.h"
#include "bench/synthetic_run.h"
#include "store/graph_index.h"

namespace {

using assay::base::Rng;
using assay::bench::BuildGraphs;
using assay::bench::SyntheticWord;
using assay::bench::UnitAt;
using assay::bench::ZipfTokens;
using assay::store::GraphIndex;
using assay::store::GraphQuery;
using assay::store::RunStore;
using assay::store::SetOverlap;
using Clock = std::chrono::steady_clock;

double MillisecondsSince(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
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
  const auto word = SyntheticWord;
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
  // --full is what every benchmark is given for its large size; this one always has it.
  const bool given = argc > 1 && std::string(argv[1]) != "--full";
  const int graphs = given ? std::atoi(argv[1]) : 300'000;
  if (graphs < 1) {
    fmt::print(stderr, "usage: graph_index_bench [graphs]\n");
    return 2;
  }
  const auto folder =
      std::filesystem::temp_directory_path() / fmt::format("graph_index_bench_{}", ::getpid());
  try {
    const ZipfTokens tokens;
    const auto start = Clock::now();
    {
      RunStore writer = RunStore::Open(folder, RunStore::Mode::kWrite);
      BuildGraphs(writer, graphs, tokens);
    }
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
