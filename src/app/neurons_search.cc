// `assay neurons search` and `assay neurons similar`: finding neurons by their graphs.
#include <fmt/core.h>

#include <chrono>
#include <memory>
#include <set>

#include "app/commands.h"
#include "app/embedding_similarity.h"
#include "app/neurons_run.h"
#include "app/option_binding.h"
#include "app/terminal.h"
#include "neurons/graph_run.h"
#include "store/graph_index.h"
#include "view/token_text.h"

namespace assay::app {
namespace {

struct SearchArguments {
  std::string run;
  store::GraphQuery query;
  int layer = -1;
  double min_f1 = -1;
};

std::string TokenList(const std::vector<std::string>& tokens, size_t most) {
  std::string out;
  for (size_t i = 0; i < std::min(tokens.size(), most); ++i)
    out += (i > 0 ? "  " : "") + view::ShowToken(tokens[i]);
  return out;
}

void RunSearch(const SearchArguments& arguments) {
  const store::RunStore store = store::RunStore::Open(arguments.run, store::RunStore::Mode::kRead);
  const auto start = std::chrono::steady_clock::now();
  const std::vector<store::GraphHit> hits = store::GraphIndex(store).Search(arguments.query);
  const double ms =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  std::vector<std::vector<std::string>> rows = {
      {"neuron", "F1", "repeated", "activating (of)", "context (of)"}};
  for (const store::GraphHit& hit : hits) {
    rows.push_back({base::ToString(hit.unit), hit.f1 ? fmt::format("{:.2f}", *hit.f1) : "-",
                    fmt::format("{} ({:.0f}%)", hit.repeated_tokens, 100 * hit.repeated_share),
                    fmt::format("{} ({})", TokenList(hit.activating, 5), hit.activating_tokens),
                    fmt::format("{} ({})", TokenList(hit.context, 5), hit.context_tokens)});
  }
  fmt::print("{}{} neurons, {:.1f} ms\n", FormatTable(rows), hits.size(), ms);
}

std::set<store::TokenId> Activating(const store::RunStore& store, base::UnitId unit) {
  std::set<store::TokenId> out;
  const auto graph = store.GetGraph(unit);
  if (!graph) return out;
  for (const store::TrieNode& node : graph->nodes) {
    if (node.kind == store::TrieNode::Kind::kActivating) out.insert(node.token);
  }
  return out;
}

std::vector<std::string> SharedActivating(const store::RunStore& store,
                                          const store::SimilarPair& pair,
                                          const std::vector<std::string>& texts) {
  std::vector<std::string> out;
  const std::set<store::TokenId> second = Activating(store, pair.second);
  for (const store::TokenId token : Activating(store, pair.first)) {
    if (second.contains(token)) out.push_back(texts.at(static_cast<size_t>(token)));
  }
  return out;
}

struct SimilarArguments {
  std::string run, unit, measure = "overlap", by = "graph";
  double threshold = 0.9;
  int limit = 50;
  EmbeddingSimilarArguments embedding;
};

void RunSimilar(const SimilarArguments& arguments) {
  if (arguments.by == "embedding") {
    EmbeddingSimilarArguments embedding = arguments.embedding;
    embedding.run = arguments.run;
    embedding.limit = arguments.limit;
    if (!arguments.unit.empty()) embedding.unit = neurons::ParseUnit(arguments.unit);
    PrintSimilarClusters(embedding);
    return;
  }
  const store::RunStore store = store::RunStore::Open(arguments.run, store::RunStore::Mode::kRead);
  std::optional<base::UnitId> unit;
  if (!arguments.unit.empty()) unit = neurons::ParseUnit(arguments.unit);
  const auto measure =
      arguments.measure == "subset" ? store::SetOverlap::kSubset : store::SetOverlap::kOverlap;
  const auto pairs =
      store::GraphIndex(store).Similar(unit, measure, arguments.threshold, arguments.limit);
  const std::vector<std::string> texts = store.TokenTexts();
  std::vector<std::vector<std::string>> rows = {
      {"neuron", "similar to", "activating", "context", "both fire on"}};
  for (const store::SimilarPair& pair : pairs) {
    rows.push_back({base::ToString(pair.first), base::ToString(pair.second),
                    fmt::format("{:.2f}", pair.activating_overlap),
                    fmt::format("{:.2f}", pair.context_overlap),
                    TokenList(SharedActivating(store, pair, texts), 5)});
  }
  fmt::print("{}{} pairs with {} >= {} of activating and of context tokens\n", FormatTable(rows),
             pairs.size(), arguments.measure, arguments.threshold);
}

}  // namespace

void AddNeuronsSearch(CLI::App& neurons) {
  auto search = std::make_shared<SearchArguments>();
  CLI::App* command =
      neurons.add_subcommand("search", "Find neurons by the tokens of their graphs");
  command->add_option("--run", search->run, "run folder")->required();
  command->add_option("--activating", search->query.activating,
                      "the neuron fires on this token (repeatable: on all of them)");
  command->add_option("--context", search->query.context,
                      "this token is context that matters (repeatable)");
  command->add_flag("--exact", search->query.exact,
                    "tokens as written: case and leading space count");
  command->add_flag("--repeated", search->query.repeated,
                    "the same token is activating and context (in-context neurons)");
  command->add_option("--layer", search->layer, "only this layer")->check(CLI::NonNegativeNumber);
  command->add_option("--min-f1", search->min_f1, "only graphs with at least this held-out F1")
      ->check(CLI::Range(0.0, 1.0));
  command->add_option("--limit", search->query.limit, "neurons shown")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->callback([search] {
    if (search->layer >= 0) search->query.layer = search->layer;
    if (search->min_f1 >= 0) search->query.min_f1 = search->min_f1;
    RunSearch(*search);
  });

  auto similar = std::make_shared<SimilarArguments>();
  command = neurons.add_subcommand(
      "similar", "Pairs of neurons whose graphs have the same tokens, or clusters that fire alike");
  command->add_option("UNIT", similar->unit, "LAYER:NEURON; absent: all pairs of the run");
  command->add_option("--run", similar->run, "run folder")->required();
  command
      ->add_option("--by", similar->by,
                   "graph: tokens of graphs; embedding: clusters of `assay neurons embed`")
      ->check(CLI::IsMember({"graph", "embedding"}))
      ->capture_default_str();
  command
      ->add_option("--measure", similar->measure,
                   "overlap: shared over the larger set; subset: over the smaller")
      ->check(CLI::IsMember({"overlap", "subset"}))
      ->capture_default_str();
  command->add_option("--threshold", similar->threshold, "for activating and for context tokens")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command->add_option("--limit", similar->limit, "pairs shown")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  BindOptions(*command, similar->embedding.similarity, "With --by embedding");
  BindOptions(*command, similar->embedding.index, "With --by embedding");
  command->callback([similar] { RunSimilar(*similar); });
}

}  // namespace assay::app
