#include "view/neuron_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/error.h"

namespace assay::view {
namespace {

using Json = nlohmann::ordered_json;
using store::ExampleKind;
using store::PruneOutcome;
using store::TrieNode;

// A stored float with no more digits than it has ("0.3", not "0.30000001192092896"); null when it
// is no number.
Json Number(float value) {
  if (!std::isfinite(value)) return nullptr;
  char text[32];
  const auto printed = std::to_chars(text, text + sizeof text, value);
  double shortest = 0;
  std::from_chars(text, printed.ptr, shortest);
  return shortest;
}

Json Numbers(std::span<const float> values) {
  Json out = Json::array();
  for (const float value : values) out.push_back(Number(value));
  return out;
}

Json Optional(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

Json TokenText(std::span<const std::string> token_texts, store::TokenId id) {
  if (id < 0 || static_cast<size_t>(id) >= token_texts.size()) return nullptr;
  return token_texts[static_cast<size_t>(id)];
}

void AddTokens(Json& out, std::span<const std::string> token_texts,
               const std::vector<store::TokenId>& ids) {
  Json texts = Json::array();
  for (const store::TokenId id : ids) texts.push_back(TokenText(token_texts, id));
  out["tokens"] = std::move(texts);
  out["token_ids"] = ids;
}

std::string_view KindName(ExampleKind kind) {
  constexpr std::string_view kNames[] = {"top", "bottom", "quantile", "given", "above"};
  return kNames[static_cast<int>(kind)];
}

std::string_view OutcomeName(PruneOutcome outcome) {
  constexpr std::string_view kNames[] = {"reached", "context_limit", "not_positive"};
  return kNames[static_cast<int>(outcome)];
}

std::string_view NodeKindName(TrieNode::Kind kind) {
  constexpr std::string_view kNames[] = {"root", "activating", "context", "ignore", "end"};
  return kNames[static_cast<int>(kind)];
}

Json StatsJson(const std::optional<store::UnitStats>& stats) {
  if (!stats) return nullptr;
  return {{"tokens", stats->tokens},     {"mean", stats->mean},
          {"variance", stats->variance}, {"maximum", stats->maximum},
          {"minimum", stats->minimum},   {"firing_rate", stats->firing_rate}};
}

Json HalfJson(const NeuronRecords& records, const store::Example& example) {
  if (!records.graph || example.kind != TrainingKind(records)) return nullptr;
  const auto in = [&](const std::vector<int>& ranks) {
    return std::find(ranks.begin(), ranks.end(), example.rank) != ranks.end();
  };
  if (in(records.graph->train)) return "train";
  return in(records.graph->test) ? Json("test") : Json(nullptr);
}

Json ExampleJson(const NeuronRecords& records, const store::Example& example,
                 std::span<const std::string> token_texts) {
  const store::Sequence& sequence = SequenceOf(records, example);
  Json out = {{"kind", KindName(example.kind)},
              {"bin", example.bin},
              {"rank", example.rank},
              {"half", HalfJson(records, example)},
              {"source", sequence.source},
              {"document", sequence.document},
              {"begin", sequence.begin},
              {"pivot", example.pivot},
              {"activation", Number(example.activation)}};
  AddTokens(out, token_texts, sequence.tokens);
  out["activations"] = Numbers(example.activations);
  return out;
}

Json PruningJson(const store::Pruning& pruning) {
  return {{"example", pruning.example},
          {"outcome", OutcomeName(pruning.outcome)},
          {"pivot", pruning.pivot},
          {"context", pruning.context},
          {"full_activation", Number(pruning.full_activation)},
          {"pruned_activation", Number(pruning.pruned_activation)},
          {"trajectory", Numbers(pruning.trajectory)}};
}

Json PromptJson(const store::Prompt& prompt, std::span<const std::string> token_texts) {
  PivotImportances(prompt);  // checks that the sizes fit
  Json out = {{"example", prompt.example},
              {"ordinal", prompt.ordinal},
              {"kept", prompt.kept},
              {"ratio", Number(prompt.ratio)}};
  out["substitution"] = nullptr;
  if (prompt.substitution) {
    out["substitution"] = {{"position", prompt.substitution->position},
                           {"original", prompt.substitution->original},
                           {"substitute", prompt.substitution->substitute},
                           {"probability", prompt.substitution->probability}};
  }
  AddTokens(out, token_texts, prompt.tokens);
  out["pivot"] = prompt.pivot;
  out["activations"] = Numbers(prompt.activations);
  out["targets"] = prompt.targets;
  Json rows = Json::array();
  const size_t width = prompt.tokens.size();
  for (size_t i = 0; i < prompt.targets.size(); ++i) {
    rows.push_back(Numbers(std::span(prompt.importances).subspan(i * width, width)));
  }
  out["importances"] = std::move(rows);
  return out;
}

Json NodeJson(const TrieNode& node, size_t id, std::span<const std::string> token_texts) {
  Json out = {{"id", id}, {"kind", NodeKindName(node.kind)}, {"parent", node.parent}};
  if (node.kind == TrieNode::Kind::kActivating || node.kind == TrieNode::Kind::kContext) {
    out["token"] = TokenText(token_texts, node.token);
    out["token_id"] = node.token;
  }
  if (node.kind == TrieNode::Kind::kActivating || node.kind == TrieNode::Kind::kEnd) {
    out["activation"] = Number(node.activation);
  }
  if (node.kind == TrieNode::Kind::kContext) out["importance"] = Number(node.importance);
  return out;
}

Json GraphJson(const std::optional<store::Graph>& graph, std::span<const std::string> token_texts) {
  if (!graph) return nullptr;
  Json nodes = Json::array();
  for (size_t i = 0; i < graph->nodes.size(); ++i)
    nodes.push_back(NodeJson(graph->nodes[i], i, token_texts));
  return {{"max_activation", graph->max_activation},
          {"train", graph->train},
          {"test", graph->test},
          {"nodes", nodes}};
}

Json ScoreJson(const store::Score& score) {
  return {{"set", score.set},
          {"method", score.method},
          {"true_positives", score.true_positives},
          {"false_positives", score.false_positives},
          {"false_negatives", score.false_negatives},
          {"precision", Optional(score.precision)},
          {"recall", Optional(score.recall)},
          {"f1", Optional(score.f1)},
          {"correlation", Optional(score.correlation)},
          {"excluded", score.excluded.empty() ? Json(nullptr) : Json(score.excluded)}};
}

}  // namespace

Json NeuronJson(const NeuronRecords& records, std::span<const std::string> token_texts,
                std::string_view model) {
  Json out = {{"schema", kNeuronJsonSchema},
              {"model", model},
              {"layer", records.unit.layer},
              {"neuron", records.unit.index},
              {"stats", StatsJson(records.stats)}};
  for (const char* list : {"examples", "prunings", "prompts"}) out[list] = Json::array();
  for (const auto& example : records.examples)
    out["examples"].push_back(ExampleJson(records, example, token_texts));
  for (const auto& pruning : records.prunings) out["prunings"].push_back(PruningJson(pruning));
  for (const auto& prompt : records.prompts)
    out["prompts"].push_back(PromptJson(prompt, token_texts));
  out["graph"] = GraphJson(records.graph, token_texts);
  out["scores"] = Json::array();
  for (const auto& score : records.scores) out["scores"].push_back(ScoreJson(score));
  return out;
}

std::string WriteNeuronJson(const NeuronRecords& records, std::span<const std::string> token_texts,
                            std::string_view model) {
  return NeuronJson(records, token_texts, model)
             .dump(-1, ' ', false, Json::error_handler_t::replace) +
         "\n";
}

}  // namespace assay::view
