#include "neurons/graph_run.h"

#include <algorithm>
#include <set>

#include "data/split.h"

namespace assay::neurons {
namespace {

// The strongest examples of a unit, or those it was given, with which of them train and test.
struct UnitExamples {
  std::vector<store::Example> examples;
  std::vector<int> train, test;  // ranks
};

UnitExamples ReadExamples(const store::RunStore& store, UnitId unit, const nlohmann::json& given,
                          uint64_t seed) {
  UnitExamples out;
  out.examples = store.GetExamples(unit, store::ExampleKind::kGiven);
  if (!out.examples.empty()) {
    const nlohmann::json& split = given.at(base::ToString(unit));
    out.train = split.at("train").get<std::vector<int>>();
    out.test = split.at("test").get<std::vector<int>>();
    return out;
  }
  out.examples = store.GetExamples(unit, store::ExampleKind::kTop);
  const uint64_t stream =
      static_cast<uint64_t>(unit.layer) << 32 | static_cast<uint32_t>(unit.index);
  const data::Halves halves =
      data::SplitInHalves(static_cast<int>(out.examples.size()), seed, stream);
  out.train = halves.train;
  out.test = halves.test;
  return out;
}

}  // namespace

int BlockFor(const model::TransformerConfig& config) {
  const int64_t d = config.d_model;
  const int64_t weights = config.layers * (4 * d * d + (config.gated_mlp ? 3 : 2) * d *
                                                           static_cast<int64_t>(config.d_mlp));
  return static_cast<int>(std::clamp<int64_t>((1 << 27) / weights, 16, 256));
}

void BuildMissingGraphs(store::RunStore& store, std::span<const UnitId> units,
                        const GraphOptions& options, const GraphRunOptions& run,
                        const GraphContext& context, measure::Prober& prober,
                        const base::Progress::Reporter& report) {
  const std::vector<UnitId> stored = store.UnitsWithGraph();
  const std::set<UnitId> done(stored.begin(), stored.end());
  const auto is_done = [&](UnitId unit) { return done.contains(unit); };
  const nlohmann::json given = store.Manifest("given_examples").value_or(nlohmann::json::object());
  base::Progress progress("graph", "neurons", static_cast<int64_t>(units.size()), report,
                          std::count_if(units.begin(), units.end(), is_done));
  const auto block = static_cast<size_t>(run.block);
  for (size_t begin = 0; begin < units.size(); begin += block) {
    const auto part = units.subspan(begin, std::min(block, units.size() - begin));
    if (std::all_of(part.begin(), part.end(), is_done)) continue;
    std::vector<GraphRequest> requests;
    std::vector<UnitExamples> examples;
    for (const UnitId unit : part) {
      examples.push_back(ReadExamples(store, unit, given, run.seed));
      const auto stats = store.GetStats(unit);
      GraphRequest request{.unit = unit, .max_activation = stats ? stats->maximum : 0};
      for (const store::Example& example : examples.back().examples) {
        const auto& train = examples.back().train;
        if (!std::binary_search(train.begin(), train.end(), example.rank)) continue;
        request.examples.push_back({example.rank, store.GetSequence(example.sequence).tokens,
                                    example.pivot, example.activation});
      }
      if (!(request.max_activation > 0))
        request.examples.clear();  // nothing to normalise by: an empty graph
      requests.push_back(std::move(request));
    }
    std::vector<GraphResult> results = BuildGraphs(requests, options, context, prober);
    store.Transaction([&] {
      for (size_t i = 0; i < results.size(); ++i) {
        results[i].graph.train = examples[i].train;
        results[i].graph.test = examples[i].test;
        for (const store::Pruning& row : results[i].prunings) store.Put(row);
        for (const store::Prompt& row : results[i].prompts) store.Put(row);
        store.Put(results[i].graph);
      }
    });
    progress.Add(static_cast<int64_t>(
        std::count_if(part.begin(), part.end(), [&](UnitId unit) { return !is_done(unit); })));
  }
  progress.Finish();
}

}  // namespace assay::neurons
