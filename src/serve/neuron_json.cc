// The summary of a neuron.
#include "serve/neuron_json.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "serve/json_values.h"
#include "view/neuron_records.h"
#include "view/score_html.h"
#include "view/trajectory.h"

namespace assay::serve {
namespace {

using base::ErrorKind;
using base::Fail;
using store::Example;
using store::ExampleKind;

Json StatsJson(const std::optional<store::UnitStats>& stats) {
  if (!stats) return nullptr;
  return {{"tokens", stats->tokens},
          {"mean", NumberOrNull(stats->mean)},
          {"deviation", NumberOrNull(std::sqrt(stats->variance))},
          {"maximum", NumberOrNull(stats->maximum)},
          {"minimum", NumberOrNull(stats->minimum)},
          {"firing_rate", NumberOrNull(stats->firing_rate)}};
}

Json ScoresJson(const std::vector<store::Score>& scores) {
  Json out = Json::array();
  for (const store::Score& score : scores) {
    out.push_back({{"set", score.set},
                   {"set_title", view::SetTitle(score.set)},
                   {"method", score.method},
                   {"title", view::MethodTitle(score.method)},
                   {"precision", NumberOrNull(score.precision)},
                   {"recall", NumberOrNull(score.recall)},
                   {"f1", NumberOrNull(score.f1)},
                   {"correlation", NumberOrNull(score.correlation)},
                   {"excluded", score.excluded}});
  }
  return out;
}

// Activations on the tokens of the uniform sample of sequences where the run has one, else of all
// examples: counts in 40 equal bins from the least to the largest.
Json HistogramJson(const std::vector<Example>& examples) {
  const bool sampled = std::any_of(examples.begin(), examples.end(), [](const Example& row) {
    return row.kind == ExampleKind::kQuantile;
  });
  std::vector<float> values;
  for (const Example& example : examples) {
    if (sampled && example.kind != ExampleKind::kQuantile) continue;
    for (const float value : example.activations) {
      if (std::isfinite(value)) values.push_back(value);
    }
  }
  if (values.empty()) return nullptr;
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  constexpr int kBins = 40;
  const double width = std::max<double>((*high - *low) / kBins, 1e-9);
  std::vector<int> counts(kBins);
  for (const float value : values)
    ++counts[std::min<size_t>(kBins - 1, static_cast<size_t>((value - *low) / width))];
  return {{"low", Short(*low)},
          {"width", width},
          {"counts", counts},
          {"source", sampled ? "uniform sample of sequences" : "stored examples"}};
}

Json TrajectoriesJson(const std::vector<store::Pruning>& prunings) {
  view::TrajectoryMean mean;
  Json lines = Json::array();
  for (const store::Pruning& pruning : prunings) {
    mean.Add(pruning);
    const std::vector<double> values = view::NormalisedTrajectory(pruning);
    if (values.empty()) continue;
    Json line = Json::array();
    for (const double value : values) line.push_back(Short(value));
    lines.push_back({{"example", pruning.example}, {"values", line}});
  }
  if (lines.empty()) return nullptr;
  Json average = Json::array();
  for (const double value : mean.Values()) average.push_back(Short(value));
  return {{"mean", average}, {"examples", lines}};
}

Json MeasuresJson(const std::optional<store::UnitMeasures>& row) {
  if (!row) return nullptr;
  return {{"examples", row->examples},
          {"clusters", row->clusters},
          {"mean_distance", NumberOrNull(row->mean_distance)},
          {"max_distance", NumberOrNull(row->max_distance)},
          {"intra", NumberOrNull(row->intra)},
          {"inter", NumberOrNull(row->inter)},
          {"polysemanticity", NumberOrNull(row->polysemanticity)},
          {"polysemanticity_low", NumberOrNull(row->polysemanticity_low)},
          {"polysemanticity_high", NumberOrNull(row->polysemanticity_high)},
          {"stability", NumberOrNull(row->stability)},
          {"cut", row->cut},
          {"cut_reason", row->cut_reason}};
}

Json ClustersJson(const store::RunStore& store, base::UnitId unit) {
  std::set<int> with_graph;
  for (const store::ClusterGraph& graph : store.GetClusterGraphs(unit))
    with_graph.insert(graph.cluster);
  std::map<int, Json> similar;
  std::map<base::UnitId, std::vector<store::FeatureCluster>> others;
  for (const store::SimilarCluster& row : store.GetSimilarClusters(unit)) {
    auto other = others.find(row.other);
    if (other == others.end())
      other = others.emplace(row.other, store.GetClusters(row.other)).first;
    std::string label;
    for (const store::FeatureCluster& cluster : other->second) {
      if (cluster.cluster == row.other_cluster) label = cluster.label;
    }
    similar[row.cluster].push_back({{"layer", row.other.layer},
                                    {"index", row.other.index},
                                    {"cluster", row.other_cluster},
                                    {"label", LabelText(label)},
                                    {"similarity", Short(row.similarity)}});
  }
  Json out = Json::array();
  for (const store::FeatureCluster& cluster : store.GetClusters(unit)) {
    Json links = similar.contains(cluster.cluster) ? similar[cluster.cluster] : Json::array();
    out.push_back({{"cluster", cluster.cluster},
                   {"label", LabelText(cluster.label)},
                   {"members", cluster.members.size()},
                   {"cohesion", NumberOrNull(cluster.cohesion)},
                   {"has_graph", with_graph.contains(cluster.cluster)},
                   {"similar", links}});
  }
  return out;
}

Json Place(const UnitRow* row) {
  if (!row) return nullptr;
  return {{"layer", row->unit.layer}, {"index", row->unit.index}};
}

// The neighbours to walk to: with a graph, where there are graphs at all.
void AddNeighbours(Json& out, const RunFacts& facts, base::UnitId unit) {
  const auto walk = [&](auto begin, auto end, auto row_at) {
    const auto at = std::lower_bound(begin, end, unit, [&](const auto& place, base::UnitId wanted) {
      return row_at(place).unit < wanted;
    });
    const auto next = at != end && row_at(*at).unit == unit ? std::next(at) : at;
    out["previous"] = at == begin ? Json(nullptr) : Place(&row_at(*std::prev(at)));
    out["next"] = next == end ? Json(nullptr) : Place(&row_at(*next));
  };
  if (facts.graphs.empty()) {
    walk(facts.units.begin(), facts.units.end(),
         [](const UnitRow& row) -> const UnitRow& { return row; });
  } else {
    walk(facts.graphs.begin(), facts.graphs.end(),
         [&](size_t place) -> const UnitRow& { return facts.units[place]; });
  }
}

std::string HookName(std::string hook, int layer) {
  if (const size_t at = hook.find("{}"); at != std::string::npos)
    hook.replace(at, 2, std::to_string(layer));
  return hook;
}

}  // namespace

Json NeuronSummary(const ServedRun& run, base::UnitId unit) {
  const auto facts = run.Facts();
  const auto store = run.Borrow();
  const std::vector<Example> examples = store->GetExamples(unit);
  const auto stats = store->GetStats(unit);
  const auto graph = store->GetGraph(unit);
  if (!stats && examples.empty() && !graph)
    Fail(ErrorKind::kNotFound, "{}: has no unit {}", run.name(), base::ToString(unit));
  std::map<std::string, int> kinds;
  for (const Example& example : examples) ++kinds[KindName(example.kind)];
  view::NeuronRecords records{.unit = unit, .stats = stats, .examples = examples, .graph = graph};
  Json out = {{"run", run.name()},
              {"model", facts->model},
              {"layer", unit.layer},
              {"index", unit.index},
              {"hook", HookName(facts->hook, unit.layer)},
              {"stats", StatsJson(stats)},
              {"max_activation", view::MaxActivation(records)},
              {"has_graph", graph.has_value()},
              {"training_kind", KindName(view::TrainingKind(records))},
              {"examples", kinds},
              {"scores", ScoresJson(store->GetScores(unit))},
              {"histogram", HistogramJson(examples)},
              {"trajectories", TrajectoriesJson(store->GetPrunings(unit))},
              {"measures", MeasuresJson(store->GetMeasures(unit))},
              {"clusters", ClustersJson(*store, unit)}};
  const UnitRow* row = facts->Find(unit);
  out["faint"] = row && facts->IsFaint(*row);
  AddNeighbours(out, *facts, unit);
  return out;
}

}  // namespace assay::serve
