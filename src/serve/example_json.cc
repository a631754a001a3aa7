// Examples of a neuron, and how one of them was pruned and varied.
#include <algorithm>
#include <array>

#include "serve/json_values.h"
#include "serve/neuron_json.h"
#include "view/neuron_records.h"

namespace assay::serve {
namespace {

using base::ErrorKind;
using base::Fail;
using store::Example;
using store::ExampleKind;

ExampleKind ParseKind(const std::string& name) {
  for (size_t i = 0; i < kKindNames.size(); ++i) {
    if (name == kKindNames[i]) return static_cast<ExampleKind>(i);
  }
  Fail(ErrorKind::kUsage, "kind is '{}'; expected top, bottom, quantile, given or above", name);
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
  return {{"kind", KindName(example.kind)},
          {"bin", example.bin},
          {"rank", example.rank},
          {"half", half},
          {"source", sequence.source},
          {"document", sequence.document},
          {"pivot", example.pivot},
          {"activation", Short(example.activation)},
          {"tokens", TextsOf(facts.token_texts, sequence.tokens)},
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
                   {"tokens", TextsOf(facts->token_texts, row.tokens)},
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

}  // namespace assay::serve
