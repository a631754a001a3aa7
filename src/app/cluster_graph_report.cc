#include "app/cluster_graph_report.h"

#include <fmt/core.h>

#include <map>

#include "app/neurons_run.h"
#include "app/terminal.h"
#include "base/error.h"

namespace assay::app {
namespace {

struct LayerMeans {
  int units = 0;
  double split = 0, single = 0, shuffled = 0, together = 0, whole = 0;
  void Add(const neurons::ClusterGraphScore& score) {
    ++units;
    split += score.split;
    single += score.single;
    shuffled += score.shuffled;
    together += score.together;
    whole += score.whole;
  }
  std::vector<std::string> Row(const std::string& name) const {
    std::vector<std::string> out = {name, fmt::format("{}", units)};
    for (const double sum : {split, single, shuffled, together, whole})
      out.push_back(fmt::format("{:.3f}", sum / units));
    return out;
  }
};

nlohmann::json Describe(const std::vector<neurons::ClusterGraphScore>& scores) {
  nlohmann::json out = nlohmann::json::array();
  for (const neurons::ClusterGraphScore& score : scores) {
    out.push_back({{"unit", base::ToString(score.unit)},
                   {"clusters", score.clusters},
                   {"examples", score.examples},
                   {"split", score.split},
                   {"single", score.single},
                   {"shuffled", score.shuffled},
                   {"together", score.together},
                   {"whole", score.whole}});
  }
  return out;
}

void PrintDifference(const char* against, const std::optional<neurons::MeanDifference>& found) {
  if (!found) return;
  const char* verdict = found->low > 0    ? "splitting helps"
                        : found->high < 0 ? "splitting hurts"
                                          : "no difference shown";
  fmt::print("split - {}: {:+.3f}, 95% interval {:+.3f} to {:+.3f}: {}\n", against, found->mean,
             found->low, found->high, verdict);
}

}  // namespace

void BuildAndReportClusterGraphs(store::RunStore& store, std::span<const base::UnitId> units,
                                 const neurons::GraphOptions& options,
                                 const neurons::ClusterGraphOptions& cluster_options,
                                 const neurons::GraphContext& context, measure::Prober& prober) {
  if (store.UnitsWithMeasures().empty())
    base::Fail(base::ErrorKind::kNotFound,
               "the run has no clusters yet; make them with `assay neurons embed`");
  neurons::ScoreContext score{.options = options, .classes = context.classes};
  score.bos_tokens = context.bos_tokens;
  score.first_counted = RunFirstCounted(store);
  store.DropClusterGraphs();
  const auto scores = neurons::BuildClusterGraphs(store, units, options, cluster_options, context,
                                                  score, prober, TerminalProgress());
  if (scores.empty()) {
    fmt::print("none of {} neurons has two clusters of at least {} examples\n", units.size(),
               cluster_options.least_examples);
    return;
  }
  store.PutManifest("cluster_graphs", {{"options", base::FieldsToJson(options)},
                                       {"clusters", base::FieldsToJson(cluster_options)},
                                       {"scores", Describe(scores)},
                                       {"finished_at", TimeNow()}});
  std::map<int, LayerMeans> layers;
  LayerMeans all;
  for (const neurons::ClusterGraphScore& row : scores) {
    layers[row.unit.layer].Add(row);
    all.Add(row);
  }
  std::vector<std::vector<std::string>> rows = {
      {"layer", "neurons", "split", "single", "shuffled", "together", "whole"}};
  for (const auto& [layer, means] : layers) rows.push_back(means.Row(fmt::format("{}", layer)));
  rows.push_back(all.Row("all"));
  fmt::print(
      "{}held-out F1 of {} neurons out of {} with two clusters of at least {} examples\n"
      "  split     a cluster's own graph, on its cluster\n"
      "  single    a graph of as many examples from all clusters, on the same\n"
      "  shuffled  split, with clusters of the same sizes drawn at random\n"
      "  together  the strongest of the clusters' graphs, on everything\n"
      "  whole     one graph of all those examples, on everything\n",
      FormatTable(rows), scores.size(), units.size(), cluster_options.least_examples);
  PrintDifference("single", neurons::CompareToSingle(scores, cluster_options.seed));
  PrintDifference("shuffled", neurons::CompareToShuffled(scores, cluster_options.seed));
}

}  // namespace assay::app
