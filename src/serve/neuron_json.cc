#include "serve/neuron_json.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>

#include "view/neuron_records.h"
#include "view/score_html.h"
#include "view/svg.h"
#include "view/token_text.h"
#include "view/trajectory.h"

namespace assay::serve {
namespace {

using base::ErrorKind;
using base::Fail;
using store::Example;
using store::ExampleKind;

constexpr std::array kKindNames = {"top", "bottom", "quantile", "given", "above"};

ExampleKind ParseKind(const std::string& name) {
  for (size_t i = 0; i < kKindNames.size(); ++i) {
    if (name == kKindNames[i]) return static_cast<ExampleKind>(i);
  }
  Fail(ErrorKind::kUsage, "kind is '{}'; expected top, bottom, quantile, given or above", name);
}

// Five significant digits are more than a page can show. Not decimals: there are models whose
// largest activations are 1e-7.
Json Short(double value) {
  if (!std::isfinite(value)) return nullptr;
  if (value == 0) return 0.0;
  const double unit = std::pow(10.0, 4 - std::floor(std::log10(std::abs(value))));
  return std::isfinite(unit) ? std::round(value * unit) / unit : value;
}

Json ShortNumbers(std::span<const float> values) {
  Json out = Json::array();
  for (const float value : values) out.push_back(Short(value));
  return out;
}

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
                                    {"label", label},
                                    {"similarity", Short(row.similarity)}});
  }
  Json out = Json::array();
  for (const store::FeatureCluster& cluster : store.GetClusters(unit)) {
    Json links = similar.contains(cluster.cluster) ? similar[cluster.cluster] : Json::array();
    out.push_back({{"cluster", cluster.cluster},
                   {"label", cluster.label},
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

// The part of a unit's rows that an example needs to be shown.
view::NeuronRecords RecordsFor(const store::RunStore& store, base::UnitId unit,
                               const std::vector<Example>& shown) {
  view::NeuronRecords records{.unit = unit,
                              .stats = store.GetStats(unit),
                              .examples = store.GetExamples(unit),
                              .prunings = store.GetPrunings(unit),
                              .prompts = store.GetPrompts(unit),
                              .graph = store.GetGraph(unit)};
  for (const Example& example : shown) {
    if (!records.sequences.contains(example.sequence))
      records.sequences.emplace(example.sequence, store.GetSequence(example.sequence));
  }
  return records;
}

Json TextsOf(const RunFacts& facts, const std::vector<store::TokenId>& tokens) {
  Json out = Json::array();
  for (std::string& text : view::ShowRunningText(facts.token_texts, tokens))
    out.push_back(std::move(text));
  return out;
}

Json ExampleJson(const RunFacts& facts, const view::NeuronRecords& records, const Example& example,
                 ExampleKind training) {
  const store::Sequence& sequence = view::SequenceOf(records, example);
  Json importances = nullptr;
  if (example.kind == training) {
    importances = Json::array();
    for (const std::optional<float>& value : view::ImportancesOf(records, example))
      importances.push_back(value ? Short(*value) : Json(nullptr));
  }
  std::string half;
  if (records.graph && example.kind == training) {
    const auto in = [&](const std::vector<int>& ranks) {
      return std::find(ranks.begin(), ranks.end(), example.rank) != ranks.end();
    };
    half = in(records.graph->train) ? "train" : in(records.graph->test) ? "test" : "";
  }
  return {{"kind", kKindNames[static_cast<size_t>(example.kind)]},
          {"bin", example.bin},
          {"rank", example.rank},
          {"half", half},
          {"source", sequence.source},
          {"document", sequence.document},
          {"pivot", example.pivot},
          {"activation", Short(example.activation)},
          {"tokens", TextsOf(facts, sequence.tokens)},
          {"activations", ShortNumbers(example.activations)},
          {"importances", importances}};
}

std::vector<Example> Choose(const store::RunStore& store, base::UnitId unit,
                            const ExampleQuery& query) {
  std::vector<Example> chosen;
  if (query.cluster) {
    const auto embedding = store.GetEmbedding(unit);
    const std::vector<Example> all = store.GetExamples(unit);
    for (const store::FeatureCluster& cluster : store.GetClusters(unit)) {
      if (cluster.cluster != *query.cluster || !embedding) continue;
      for (const int member : cluster.members) {
        const store::ExampleKey key = embedding->examples.at(static_cast<size_t>(member));
        for (const Example& row : all) {
          if (store::ExampleKey{row.kind, row.bin, row.rank} == key) chosen.push_back(row);
        }
      }
    }
    return chosen;
  }
  chosen = store.GetExamples(unit, ParseKind(query.kind));
  if (!query.ranks.empty()) {
    std::erase_if(chosen, [&](const Example& row) {
      return std::find(query.ranks.begin(), query.ranks.end(), row.rank) == query.ranks.end();
    });
  }
  return chosen;
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
  for (const Example& example : examples) ++kinds[kKindNames[static_cast<size_t>(example.kind)]];
  view::NeuronRecords records{.unit = unit, .stats = stats, .examples = examples, .graph = graph};
  Json out = {{"run", run.name()},
              {"model", facts->model},
              {"layer", unit.layer},
              {"index", unit.index},
              {"hook", HookName(facts->hook, unit.layer)},
              {"stats", StatsJson(stats)},
              {"max_activation", view::MaxActivation(records)},
              {"has_graph", graph.has_value()},
              {"training_kind", kKindNames[static_cast<size_t>(view::TrainingKind(records))]},
              {"examples", kinds},
              {"scores", ScoresJson(store->GetScores(unit))},
              {"histogram", HistogramJson(examples)},
              {"trajectories", TrajectoriesJson(store->GetPrunings(unit))},
              {"measures", MeasuresJson(store->GetMeasures(unit))},
              {"clusters", ClustersJson(*store, unit)}};
  AddNeighbours(out, *facts, unit);
  return out;
}

Json NeuronExamples(const ServedRun& run, base::UnitId unit, const ExampleQuery& query) {
  const auto facts = run.Facts();
  const auto store = run.Borrow();
  const std::vector<Example> chosen = Choose(*store, unit, query);
  const auto begin = std::min(chosen.size(), static_cast<size_t>(query.offset));
  const auto end = std::min(chosen.size(), begin + static_cast<size_t>(query.limit));
  const std::vector<Example> shown(chosen.begin() + static_cast<std::ptrdiff_t>(begin),
                                   chosen.begin() + static_cast<std::ptrdiff_t>(end));
  const view::NeuronRecords records = RecordsFor(*store, unit, shown);
  const ExampleKind training = view::TrainingKind(records);
  Json rows = Json::array();
  for (const Example& example : shown)
    rows.push_back(ExampleJson(*facts, records, example, training));
  return {{"total", chosen.size()},
          {"offset", begin},
          {"max_activation", view::MaxActivation(records)},
          {"examples", rows}};
}

Json NeuronPrompts(const ServedRun& run, base::UnitId unit, int rank) {
  constexpr std::array kOutcomes = {"reached", "context_limit", "not_positive"};
  const auto facts = run.Facts();
  const auto store = run.Borrow();
  Json out = {{"pruning", nullptr}, {"prompts", Json::array()}};
  for (const store::Pruning& row : store->GetPrunings(unit)) {
    if (row.example != rank) continue;
    out["pruning"] = {{"outcome", kOutcomes[static_cast<size_t>(row.outcome)]},
                      {"context", row.context},
                      {"full_activation", Short(row.full_activation)},
                      {"pruned_activation", Short(row.pruned_activation)},
                      {"trajectory", ShortNumbers(row.trajectory)}};
  }
  for (const store::Prompt& row : store->GetPrompts(unit)) {
    if (row.example != rank) continue;
    Json prompt = {{"ordinal", row.ordinal},
                   {"kept", row.kept},
                   {"ratio", Short(row.ratio)},
                   {"pivot", row.pivot},
                   {"tokens", TextsOf(*facts, row.tokens)},
                   {"activations", ShortNumbers(row.activations)},
                   {"importances", ShortNumbers(view::PivotImportances(row))},
                   {"substitution", nullptr}};
    if (row.substitution) {
      prompt["substitution"] = {{"position", row.substitution->position},
                                {"original", row.substitution->original},
                                {"substitute", row.substitution->substitute},
                                {"probability", Short(row.substitution->probability)}};
    }
    out["prompts"].push_back(std::move(prompt));
  }
  if (out["pruning"].is_null() && out["prompts"].empty())
    Fail(ErrorKind::kNotFound, "{}: example {} of {} was not pruned", run.name(), rank,
         base::ToString(unit));
  return out;
}

std::vector<std::vector<int>> ExamplesOfNodes(const std::vector<store::TrieNode>& nodes,
                                              const std::vector<store::Prompt>& prompts) {
  using Kind = store::TrieNode::Kind;
  std::vector<std::vector<size_t>> children(nodes.size());
  for (size_t i = 1; i < nodes.size(); ++i)
    children[static_cast<size_t>(nodes[i].parent)].push_back(i);
  std::vector<std::set<int>> found(nodes.size());
  for (const store::Prompt& prompt : prompts) {
    if (!prompt.kept) continue;
    for (const int target : prompt.targets) {
      std::vector<std::pair<size_t, int>> todo = {{0, target}};  // node, place of its children
      while (!todo.empty()) {
        const auto [node, place] = todo.back();
        todo.pop_back();
        for (const size_t child : children[node]) {
          const bool any = nodes[child].kind == Kind::kIgnore;
          if (nodes[child].kind == Kind::kEnd || place < 0 ||
              static_cast<size_t>(place) >= prompt.tokens.size()) {
            continue;
          }
          if (!any && prompt.tokens[static_cast<size_t>(place)] != nodes[child].token) continue;
          found[child].insert(prompt.example);
          todo.emplace_back(child, place - 1);
        }
      }
    }
  }
  std::vector<std::vector<int>> out;
  for (const std::set<int>& examples : found) out.emplace_back(examples.begin(), examples.end());
  return out;
}

Json NeuronPicture(const ServedRun& run, base::UnitId unit, std::optional<int> cluster,
                   const view::DrawOptions& options, view::SvgOptions svg) {
  const auto facts = run.Facts();
  const auto store = run.Borrow();
  std::optional<store::Graph> graph;
  if (cluster) {
    for (store::ClusterGraph& row : store->GetClusterGraphs(unit)) {
      if (row.cluster == *cluster) graph = std::move(row.graph);
    }
  } else {
    graph = store->GetGraph(unit);
  }
  if (!graph) Fail(ErrorKind::kNotFound, "{}: {} has no graph", run.name(), base::ToString(unit));
  const view::DrawnGraph drawn = view::DrawGraph(*graph, facts->token_texts, options);
  const auto of_trie_nodes = ExamplesOfNodes(graph->nodes, store->GetPrompts(unit));
  Json nodes = Json::array();
  for (const view::DrawnNode& node : drawn.nodes) {
    std::set<int> examples;
    for (const int32_t trie_node : node.trie_nodes) {
      const auto& ranks = of_trie_nodes[static_cast<size_t>(trie_node)];
      examples.insert(ranks.begin(), ranks.end());
    }
    nodes.push_back({{"text", node.text},
                     {"activating", node.activating},
                     {"activation", Short(node.activation)},
                     {"importance", Short(node.importance)},
                     {"can_end", node.can_end},
                     {"examples", examples}});
  }
  svg.id = "graph-" + std::to_string(unit.layer) + "-" + std::to_string(unit.index);
  svg.standalone = false;
  return {{"svg", view::WriteSvg(drawn, svg)},
          {"description", view::DescribeGraph(drawn)},
          {"nodes", nodes}};
}

}  // namespace assay::serve
