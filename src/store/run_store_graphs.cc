// Graphs and scores, and the search tables that follow from them (schema.cc describes those).
#include <fmt/format.h>

#include <cmath>

#include "store/database.h"
#include "store/graph_codec.h"
#include "store/graph_rows.h"

namespace assay::store {

using base::ErrorKind;
using base::Fail;

namespace {

// The score by which graphs are ordered.
constexpr const char* kOrderingSet = "held_out";
constexpr const char* kOrderingMethod = "n2g";

double F1Order(std::optional<double> f1) { return f1 ? 0.0 - *f1 : kNoF1; }

double StoredF1Order(Connection& connection, UnitId unit) {
  Query row(connection,
            "SELECT f1 FROM scores WHERE layer = ? AND unit = ? AND set_name = ? AND method = ?",
            unit.layer, unit.index, kOrderingSet, kOrderingMethod);
  return F1Order(row.Next() ? row.OptionalReal(0) : std::nullopt);
}

// Calls row(token, role) for each row of graph_tokens that the tokens stand for.
template <typename Row>
void ForEachTokenRow(const GraphTokens& tokens, Row&& row) {
  for (const TokenId token : tokens.activating) row(token, TokenRole::kActivating);
  for (const TokenId token : tokens.context) row(token, TokenRole::kContext);
}

void RemoveFromIndex(Connection& connection, const GraphSummary& old) {
  Query remove(connection,
               "DELETE FROM graph_tokens WHERE token = ? AND role = ? AND f1_order = ? AND layer = "
               "? AND unit = ?");
  ForEachTokenRow(old.tokens, [&](TokenId token, TokenRole role) {
    remove.Rebind(token, role, old.f1_order, old.unit.layer, old.unit.index);
    remove.Next();
  });
}

void AddToIndex(Connection& connection, const GraphSummary& graph) {
  const int activating = static_cast<int>(graph.tokens.activating.size());
  const int context = static_cast<int>(graph.tokens.context.size());
  const int repeated = graph.tokens.Repeated();
  const int distinct = activating + context - repeated;
  const double share = distinct > 0 ? static_cast<double>(repeated) / distinct : 0;
  const std::string token_set = EncodeTokens(graph.tokens);
  connection.Run(
      "INSERT OR REPLACE INTO graph_summary (layer, unit, f1_order, activating_tokens, "
      "context_tokens, "
      "repeated_tokens, repeated_share, token_set) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
      graph.unit.layer, graph.unit.index, graph.f1_order, activating, context, repeated, share,
      Blob{token_set});
  Query add(
      connection,
      "INSERT OR REPLACE INTO graph_tokens (token, role, f1_order, layer, unit, activating_tokens, "
      "context_tokens, repeated_tokens) VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
  ForEachTokenRow(graph.tokens, [&](TokenId token, TokenRole role) {
    add.Rebind(token, role, graph.f1_order, graph.unit.layer, graph.unit.index, activating, context,
               repeated);
    add.Next();
  });
}

// The F1 is part of the keys of the index: a change moves the graph's rows.
void MoveInIndex(Connection& connection, UnitId unit, double f1_order) {
  const std::optional<GraphSummary> old = ReadGraphSummary(connection, unit);
  if (!old || old->f1_order == f1_order) return;
  connection.Run("UPDATE graph_summary SET f1_order = ? WHERE layer = ? AND unit = ?", f1_order,
                 unit.layer, unit.index);
  Query move(connection,
             "UPDATE graph_tokens SET f1_order = ? WHERE token = ? AND role = ? AND f1_order = ? "
             "AND layer = ? "
             "AND unit = ?");
  ForEachTokenRow(old->tokens, [&](TokenId token, TokenRole role) {
    move.Rebind(f1_order, token, role, old->f1_order, unit.layer, unit.index);
    move.Next();
  });
}

// SQLite would keep NaN as absent without a word, and the order of graphs relies on the range of
// F1.
void CheckScore(const Score& row) {
  for (const std::optional<double>& value : {row.precision, row.recall, row.f1, row.correlation}) {
    if (value && std::isnan(*value)) {
      Fail(ErrorKind::kInternal, "score {}/{} of unit {} is NaN; an undefined score must be absent",
           row.set, row.method, ToString(row.unit));
    }
  }
  if (row.f1 && (*row.f1 < 0 || *row.f1 > 1)) {
    Fail(ErrorKind::kInternal, "F1 of score {}/{} of unit {} is {}; expected 0 to 1", row.set,
         row.method, ToString(row.unit), *row.f1);
  }
}

std::vector<Score> ReadScores(Query& row) {
  std::vector<Score> scores;
  while (row.Next()) {
    Score& score = scores.emplace_back();
    score.unit = {row.Int(0), row.Int(1)};
    score.set = row.String(2);
    score.method = row.String(3);
    score.true_positives = row.Int64(4);
    score.false_positives = row.Int64(5);
    score.false_negatives = row.Int64(6);
    score.precision = row.OptionalReal(7);
    score.recall = row.OptionalReal(8);
    score.f1 = row.OptionalReal(9);
    score.correlation = row.OptionalReal(10);
    score.excluded = row.String(11);
  }
  return scores;
}

}  // namespace

std::optional<GraphSummary> ReadGraphSummary(Connection& connection, UnitId unit) {
  Query row(connection,
            "SELECT f1_order, activating_tokens, context_tokens, repeated_tokens, repeated_share, "
            "token_set "
            "FROM graph_summary WHERE layer = ? AND unit = ?",
            unit.layer, unit.index);
  if (!row.Next()) return std::nullopt;
  auto tokens = DecodeTokens(row.Bytes(5));
  if (!tokens) row.FailColumn(5, "is damaged");
  return GraphSummary{unit,       row.Real(0), row.Int(1),        row.Int(2),
                      row.Int(3), row.Real(4), std::move(*tokens)};
}

void RunStore::Put(const Graph& row) {
  if (const auto fault = TrieFault(row.nodes)) {
    Fail(ErrorKind::kInternal, "graph of unit {} is no trie: {}", ToString(row.unit), *fault);
  }
  database_->Atomically([&](Connection& connection) {
    const std::string nodes = EncodeTrie(row.nodes);
    connection.Run(
        "INSERT OR REPLACE INTO graphs (layer, unit, max_activation, train, test, nodes) VALUES "
        "(?, ?, ?, ?, ?, ?)",
        row.unit.layer, row.unit.index, row.max_activation, AsBlob(row.train), AsBlob(row.test),
        Blob{nodes});
    if (const auto old = ReadGraphSummary(connection, row.unit)) RemoveFromIndex(connection, *old);
    GraphSummary summary;
    summary.unit = row.unit;
    summary.f1_order = StoredF1Order(connection, row.unit);
    summary.tokens = CollectTokens(row.nodes);
    AddToIndex(connection, summary);
  });
}

std::optional<Graph> RunStore::GetGraph(UnitId unit) const {
  Query row(*database_->connection,
            "SELECT max_activation, train, test, nodes FROM graphs WHERE layer = ? AND unit = ?",
            unit.layer, unit.index);
  if (!row.Next()) return std::nullopt;
  auto nodes = DecodeTrie(row.Bytes(3));
  if (!nodes) row.FailColumn(3, "is damaged");
  return Graph{unit, row.Real(0), row.Vector<int>(1), row.Vector<int>(2), std::move(*nodes)};
}

std::vector<UnitId> RunStore::UnitsWithGraph() const {
  std::vector<UnitId> units;
  Query row(*database_->connection, "SELECT layer, unit FROM graph_summary ORDER BY layer, unit");
  while (row.Next()) units.push_back({row.Int(0), row.Int(1)});
  return units;
}

void RunStore::Put(const Score& row) {
  CheckScore(row);
  database_->Atomically([&](Connection& connection) {
    connection.Run(
        "INSERT OR REPLACE INTO scores (layer, unit, set_name, method, true_positives, "
        "false_positives, "
        "false_negatives, precision, recall, f1, correlation, excluded) VALUES (?, ?, ?, ?, ?, ?, "
        "?, ?, ?, ?, ?, ?)",
        row.unit.layer, row.unit.index, row.set, row.method, row.true_positives,
        row.false_positives, row.false_negatives, row.precision, row.recall, row.f1,
        row.correlation, row.excluded);
    if (row.set == kOrderingSet && row.method == kOrderingMethod) {
      MoveInIndex(connection, row.unit, F1Order(row.f1));
    }
  });
}

std::vector<Score> RunStore::GetScores(UnitId unit) const {
  Query row(*database_->connection,
            "SELECT layer, unit, set_name, method, true_positives, false_positives, "
            "false_negatives, precision, "
            "recall, f1, correlation, excluded FROM scores WHERE layer = ? AND unit = ? ORDER BY "
            "set_name, method",
            unit.layer, unit.index);
  return ReadScores(row);
}

std::vector<Score> RunStore::GetScores(const std::string& set) const {
  Query row(*database_->connection,
            "SELECT layer, unit, set_name, method, true_positives, false_positives, "
            "false_negatives, precision, "
            "recall, f1, correlation, excluded FROM scores WHERE set_name = ? ORDER BY layer, "
            "unit, method",
            set);
  return ReadScores(row);
}

std::vector<std::string> RunStore::ScoreSets() const {
  // Jumps from set to set: there are few sets and many scores.
  std::vector<std::string> sets;
  Query row(*database_->connection,
            "SELECT set_name FROM scores WHERE set_name >= ? ORDER BY set_name LIMIT 1", "");
  while (row.Next()) {
    sets.push_back(row.String(0));
    row.Rebind(sets.back() + '\0');  // the smallest text after it
  }
  return sets;
}

void RunStore::DropGraphs() {
  database_->Atomically([](Connection& connection) {
    connection.Run("DELETE FROM graphs");
    connection.Run("DELETE FROM graph_summary");
    connection.Run("DELETE FROM graph_tokens");
    connection.Run("DELETE FROM prompts");
    connection.Run("DELETE FROM prunings");
    connection.Run("DELETE FROM scores");
  });
}

void RunStore::DropScores() {
  database_->Atomically([](Connection& connection) {
    connection.Run("DELETE FROM scores");
    connection.Run("UPDATE graph_summary SET f1_order = ?", kNoF1);
    connection.Run("UPDATE graph_tokens SET f1_order = ?", kNoF1);
  });
}

}  // namespace assay::store
