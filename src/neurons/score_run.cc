#include "neurons/score_run.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "model/token_batch.h"
#include "neurons/graph_score.h"
#include "neurons/predictors.h"
#include "neurons/token_trie.h"

namespace assay::neurons {
namespace {

// A unit's graph and the lookups that learned from the same examples, as predictors by method name.
class UnitPredictors {
 public:
  UnitPredictors(const store::RunStore& store, const store::Graph& graph,
                 const ScoreContext& context)
      : trie_(graph.nodes, context.options, context.classes),
        begin_(static_cast<size_t>(context.bos_tokens)) {
    for (int n = 1; n <= 5; ++n) lookups_.emplace_back(n);
    for (const store::Example& example : store.GetExamples(graph.unit)) {
      const bool trains = (example.kind == store::ExampleKind::kTop ||
                           example.kind == store::ExampleKind::kGiven) &&
                          std::binary_search(graph.train.begin(), graph.train.end(), example.rank);
      if (!trains) continue;
      std::vector<double> normalized;
      for (const float activation : example.activations) {
        normalized.push_back(std::isnan(activation) ? -std::numeric_limits<double>::infinity()
                                                    : activation / graph.max_activation);
      }
      const std::vector<TokenId> tokens = store.GetSequence(example.sequence).tokens;
      for (NgramLookup& lookup : lookups_)
        lookup.Add(tokens, normalized, static_cast<size_t>(context.first_counted));
    }
  }

  std::vector<store::Score> Score(UnitId unit, const std::string& set,
                                  std::span<const ScoredText> texts, double max_activation) const {
    std::vector<store::Score> out;
    out.push_back(ScorePredictor(unit, set, "n2g", texts, max_activation,
                                 [&](std::span<const TokenId> tokens, size_t at) {
                                   return trie_.Predict(tokens, at, begin_);
                                 }));
    for (size_t n = 0; n < lookups_.size(); ++n) {
      const std::string method = n == 0 ? "token_lookup" : fmt::format("ngram_{}", n + 1);
      out.push_back(ScorePredictor(unit, set, method, texts, max_activation,
                                   [&, n](std::span<const TokenId> tokens, size_t at) {
                                     return lookups_[n].Predict(tokens, at);
                                   }));
    }
    return out;
  }

 private:
  TokenTrie trie_;
  size_t begin_;
  std::vector<NgramLookup> lookups_;
};

// What a unit without a usable graph gets: one row a method that says why.
std::vector<store::Score> Excluded(UnitId unit, const std::string& set, const std::string& reason) {
  std::vector<store::Score> out;
  for (const std::string& method : ScoreMethods())
    out.push_back({.unit = unit, .set = set, .method = method, .excluded = reason});
  return out;
}

constexpr size_t kUnitsPerTransaction = 256;

}  // namespace

void ScoreHeldOut(store::RunStore& store, std::span<const UnitId> units,
                  const ScoreContext& context, const base::Progress::Reporter& report) {
  base::Progress progress("score held_out", "neurons", static_cast<int64_t>(units.size()), report);
  for (size_t begin = 0; begin < units.size(); begin += kUnitsPerTransaction) {
    const auto part = units.subspan(begin, std::min(kUnitsPerTransaction, units.size() - begin));
    std::vector<store::Score> rows;
    for (const UnitId unit : part) {
      const auto graph = store.GetGraph(unit);
      std::vector<store::Score> scores;
      if (!graph || !(graph->max_activation > 0)) {
        scores = Excluded(unit, "held_out", "never positive in the collected text");
      } else {
        std::vector<store::Example> examples;
        for (store::Example& example : store.GetExamples(unit)) {
          const bool tests =
              (example.kind == store::ExampleKind::kTop ||
               example.kind == store::ExampleKind::kGiven) &&
              std::binary_search(graph->test.begin(), graph->test.end(), example.rank);
          if (tests) examples.push_back(std::move(example));
        }
        std::vector<std::vector<TokenId>> tokens;
        for (const store::Example& example : examples)
          tokens.push_back(store.GetSequence(example.sequence).tokens);
        std::vector<ScoredText> texts;
        for (size_t i = 0; i < examples.size(); ++i)
          texts.push_back({tokens[i], examples[i].activations});
        scores = UnitPredictors(store, *graph, context)
                     .Score(unit, "held_out", texts, graph->max_activation);
      }
      std::move(scores.begin(), scores.end(), std::back_inserter(rows));
    }
    store.Transaction([&] {
      for (const store::Score& row : rows) store.Put(row);
    });
    progress.Add(static_cast<int64_t>(part.size()));
  }
  progress.Finish();
}

std::vector<at::Tensor> LayerActivations(const model::TokenUnits& model_units, int layer,
                                         const std::vector<std::vector<TokenId>>& sequences) {
  const c10::InferenceMode guard;
  std::vector<at::Tensor> out(sequences.size());
  const model::HookPoint hook = model_units.ReadHook(layer);
  constexpr size_t kRows = 32;
  for (size_t begin = 0; begin < sequences.size(); begin += kRows) {
    const size_t end = std::min(sequences.size(), begin + kRows);
    const std::vector<std::span<const TokenId>> rows(
        sequences.begin() + static_cast<int64_t>(begin),
        sequences.begin() + static_cast<int64_t>(end));
    const at::Tensor ids = model::PadRight(rows, model_units.device());
    const at::Tensor values =
        model_units.Activations(layer, model_units.network().Read({.ids = ids}, hook))
            .to(at::kCPU, at::kFloat);
    for (size_t i = begin; i < end; ++i) {
      out[i] = values[static_cast<int64_t>(i - begin)]
                   .narrow(0, 0, static_cast<int64_t>(sequences[i].size()))
                   .contiguous();
    }
  }
  return out;
}

void ScoreTexts(store::RunStore& store, std::span<const UnitId> units, const std::string& set,
                const std::vector<std::vector<TokenId>>& sequences,
                const model::TokenUnits& model_units, const ScoreContext& context,
                const base::Progress::Reporter& report) {
  base::Progress progress("score " + set, "neurons", static_cast<int64_t>(units.size()), report);
  std::map<int, std::vector<UnitId>> by_layer;
  for (const UnitId unit : units) by_layer[unit.layer].push_back(unit);
  for (const auto& [layer, layer_units] : by_layer) {
    const std::vector<at::Tensor> activations =
        LayerActivations(model_units, layer, sequences);  // [tokens, units] each
    store.Transaction([&, &layer_units = layer_units] {
      for (const UnitId unit : layer_units) {
        const auto graph = store.GetGraph(unit);
        std::vector<store::Score> scores;
        if (!graph || !(graph->max_activation > 0)) {
          scores = Excluded(unit, set, "never positive in the collected text");
        } else {
          std::vector<std::vector<float>> columns;
          std::vector<ScoredText> texts;
          columns.reserve(sequences.size());
          for (size_t i = 0; i < sequences.size(); ++i) {
            const at::Tensor column = activations[i].select(1, unit.index).contiguous();
            columns.emplace_back(column.data_ptr<float>(),
                                 column.data_ptr<float>() + column.numel());
            const auto left_out =
                std::min(columns[i].size(), static_cast<size_t>(context.first_counted));
            std::fill_n(columns[i].begin(), left_out, std::numeric_limits<float>::quiet_NaN());
            texts.push_back({sequences[i], columns[i]});
          }
          scores =
              UnitPredictors(store, *graph, context).Score(unit, set, texts, graph->max_activation);
        }
        for (const store::Score& row : scores) store.Put(row);
        progress.Add(1);
      }
    });
  }
  progress.Finish();
}

std::vector<int64_t> SpreadOver(std::span<const int64_t> ids, int count) {
  std::vector<int64_t> out;
  const size_t kept = std::min(ids.size(), static_cast<size_t>(std::max(0, count)));
  for (size_t i = 0; i < kept; ++i) out.push_back(ids[(2 * i + 1) * ids.size() / (2 * kept)]);
  return out;
}

}  // namespace assay::neurons
