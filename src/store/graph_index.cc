#include "store/graph_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "store/database.h"
#include "store/plain_token.h"
#include "store/posting_lists.h"
#include "store/strongest.h"

namespace assay::store {

using base::ErrorKind;
using base::Fail;

namespace {

constexpr size_t kTextsPerHit = 8;

std::vector<TokenId> TokensOfText(Connection& connection, const std::string& text, bool exact) {
  const std::string wanted = exact ? text : PlainToken(text);
  Query row(connection,
            exact ? "SELECT id FROM tokens WHERE text = ? ORDER BY id"
                  : "SELECT id FROM tokens WHERE plain = ? ORDER BY id",
            Blob{wanted});
  std::vector<TokenId> tokens;
  while (row.Next()) tokens.push_back(row.Int(0));
  return tokens;
}

std::vector<std::string> StrongestTexts(Connection& connection,
                                        const std::vector<TokenId>& tokens) {
  std::vector<std::string> texts;
  for (const TokenId token : tokens) {
    if (texts.size() == kTextsPerHit) break;
    Query row(connection, "SELECT text FROM tokens WHERE id = ?", token);
    texts.push_back(row.Next() ? row.String(0) : fmt::format("[token {}]", token));
  }
  return texts;
}

GraphHit MakeHit(Connection& connection, UnitId unit) {
  const std::optional<GraphSummary> graph = ReadGraphSummary(connection, unit);
  if (!graph) {
    connection.FailDamaged(
        fmt::format("unit {} is in the search index and has no graph", ToString(unit)));
  }
  GraphHit hit;
  hit.unit = unit;
  hit.f1 = F1At(graph->f1_order);
  hit.activating = StrongestTexts(connection, graph->tokens.activating);
  hit.context = StrongestTexts(connection, graph->tokens.context);
  hit.activating_tokens = graph->activating_tokens;
  hit.context_tokens = graph->context_tokens;
  hit.repeated_tokens = graph->repeated_tokens;
  hit.repeated_share = graph->repeated_share;
  return hit;
}

// Graphs up to this place in the order of F1 are wanted.
double LastF1Order(const GraphQuery& query) {
  if (!query.min_f1) return kNoF1;
  return std::min(0.0 - *query.min_f1,
                  0.0);  // a bound of 0 or less still asks for graphs that have an F1
}

struct MoreRepeated {
  bool operator()(const Posting& a, const Posting& b) const {
    return a.RepeatedShare() != b.RepeatedShare() ? a.RepeatedShare() > b.RepeatedShare()
                                                  : a.unit < b.unit;
  }
};

// One group for each text of the query; absent if a text is no token of the vocabulary.
std::optional<std::vector<PostingUnion>> GroupsOf(Connection& connection, const GraphQuery& query) {
  std::vector<PostingUnion> groups;
  const auto add = [&](const std::vector<std::string>& texts, TokenRole role) {
    for (const std::string& text : texts) {
      const std::vector<TokenId> tokens = TokensOfText(connection, text, query.exact);
      if (tokens.empty()) return false;
      groups.emplace_back(connection, tokens, role);
    }
    return true;
  };
  if (!add(query.activating, TokenRole::kActivating) || !add(query.context, TokenRole::kContext)) {
    return std::nullopt;
  }
  return groups;
}

std::vector<UnitId> SearchByTokens(Connection& connection, const GraphQuery& query) {
  auto groups = GroupsOf(connection, query);
  if (!groups) return {};
  const double last_f1_order = LastF1Order(query);
  std::vector<UnitId> units;
  Strongest<Posting, MoreRepeated> most_repeated(query.limit, {});
  Intersect(*groups, [&](const Posting& graph) {
    if (graph.f1_order > last_f1_order) return false;
    if (query.layer && graph.unit.layer != *query.layer) return true;
    if (query.repeated) {
      if (graph.repeated_tokens > 0) most_repeated.Add(graph);
      return true;
    }
    units.push_back(graph.unit);
    return units.size() < static_cast<size_t>(query.limit);
  });
  for (const Posting& graph : most_repeated.Take()) units.push_back(graph.unit);
  return units;
}

std::vector<UnitId> SearchAll(Connection& connection, const GraphQuery& query) {
  Query row(connection,
            query.repeated
                ? "SELECT layer, unit FROM graph_summary INDEXED BY graph_summary_by_repeated "
                  "WHERE repeated_share > 0 AND (?1 IS NULL OR layer = ?1) AND f1_order <= ?2 "
                  "ORDER BY repeated_share DESC, layer, unit LIMIT ?3"
                : "SELECT layer, unit FROM graph_summary INDEXED BY graph_summary_by_f1 "
                  "WHERE (?1 IS NULL OR layer = ?1) AND f1_order <= ?2 "
                  "ORDER BY f1_order, layer, unit LIMIT ?3",
            query.layer, LastF1Order(query), query.limit);
  std::vector<UnitId> units;
  while (row.Next()) units.push_back({row.Int(0), row.Int(1)});
  return units;
}

}  // namespace

GraphIndex::GraphIndex(const RunStore& store) : store_(store) {}

std::vector<TokenId> GraphIndex::MatchingTokens(const std::string& text, bool exact) const {
  return TokensOfText(*store_.database_->connection, text, exact);
}

std::vector<GraphHit> GraphIndex::Search(const GraphQuery& query) const {
  if (query.limit < 1) {
    Fail(ErrorKind::kUsage, "the limit of a search is {}; expected at least 1", query.limit);
  }
  if (query.min_f1 && std::isnan(*query.min_f1)) {
    Fail(ErrorKind::kUsage, "the smallest F1 of a search is not a number");
  }
  Connection& connection = *store_.database_->connection;
  const Snapshot snapshot(connection);
  const bool by_tokens = !query.activating.empty() || !query.context.empty();
  std::vector<GraphHit> hits;
  for (const UnitId unit :
       by_tokens ? SearchByTokens(connection, query) : SearchAll(connection, query)) {
    hits.push_back(MakeHit(connection, unit));
  }
  return hits;
}

}  // namespace assay::store
