// Rows of a run that searching does not depend on: text, statistics, examples, prunings, prompts.
#include <fmt/format.h>

#include "store/database.h"

namespace assay::store {

using base::ErrorKind;
using base::Fail;

void RunStore::Put(const Sequence& row) {
  database_->ForWriting().Run(
      "INSERT OR REPLACE INTO sequences (id, source, document, begin, tokens) VALUES (?, ?, ?, ?, "
      "?)",
      row.id, row.source, row.document, row.begin, AsBlob(row.tokens));
}

Sequence RunStore::GetSequence(int64_t id) const {
  Query row(*database_->connection,
            "SELECT source, document, begin, tokens FROM sequences WHERE id = ?", id);
  if (!row.Next()) {
    Fail(ErrorKind::kNotFound, "{}: no sequence {}", database_->connection->path().string(), id);
  }
  return {id, row.String(0), row.Int64(1), row.Int64(2), row.Vector<TokenId>(3)};
}

void RunStore::Put(const UnitStats& row) {
  database_->ForWriting().Run(
      "INSERT OR REPLACE INTO unit_stats (layer, unit, tokens, mean, variance, maximum, minimum, "
      "firing_rate) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
      row.unit.layer, row.unit.index, row.tokens, row.mean, row.variance, row.maximum, row.minimum,
      row.firing_rate);
}

std::optional<UnitStats> RunStore::GetStats(UnitId unit) const {
  Query row(*database_->connection,
            "SELECT tokens, mean, variance, maximum, minimum, firing_rate FROM unit_stats WHERE "
            "layer = ? AND unit = ?",
            unit.layer, unit.index);
  if (!row.Next()) return std::nullopt;
  return UnitStats{unit,        row.Int64(0), row.Real(1), row.Real(2),
                   row.Real(3), row.Real(4),  row.Real(5)};
}

std::vector<UnitId> RunStore::UnitsWithStats() const {
  std::vector<UnitId> units;
  Query row(*database_->connection, "SELECT layer, unit FROM unit_stats ORDER BY layer, unit");
  while (row.Next()) units.push_back({row.Int(0), row.Int(1)});
  return units;
}

void RunStore::Put(const Example& row) {
  database_->ForWriting().Run(
      "INSERT OR REPLACE INTO examples (layer, unit, kind, bin, rank, sequence, pivot, activation, "
      "activations) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
      row.unit.layer, row.unit.index, row.kind, row.bin, row.rank, row.sequence, row.pivot,
      row.activation, AsBlob(row.activations));
}

std::vector<Example> RunStore::GetExamples(UnitId unit, std::optional<ExampleKind> kind) const {
  std::vector<Example> examples;
  Query row(*database_->connection,
            "SELECT kind, bin, rank, sequence, pivot, activation, activations FROM examples "
            "WHERE layer = ?1 AND unit = ?2 AND (?3 IS NULL OR kind = ?3) ORDER BY kind, bin, rank",
            unit.layer, unit.index, kind);
  while (row.Next()) {
    examples.push_back({unit, row.EnumUpTo(ExampleKind::kAbove, 0), row.Int(1), row.Int(2),
                        row.Int64(3), row.Int(4), row.Float(5), row.Vector<float>(6)});
  }
  return examples;
}

std::vector<UnitId> RunStore::UnitsWithExamples() const {
  // Jumps from unit to unit: the rows between hold many times more bytes than the keys.
  std::vector<UnitId> units;
  Query row(
      *database_->connection,
      "SELECT layer, unit FROM examples WHERE (layer, unit) > (?, ?) ORDER BY layer, unit LIMIT 1",
      INT64_MIN, INT64_MIN);
  while (row.Next()) {
    const UnitId unit{row.Int(0), row.Int(1)};
    units.push_back(unit);
    row.Rebind(unit.layer, unit.index);
  }
  return units;
}

void RunStore::Put(const Pruning& row) {
  database_->ForWriting().Run(
      "INSERT OR REPLACE INTO prunings (layer, unit, example, outcome, pivot, context, "
      "full_activation, "
      "pruned_activation, trajectory) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
      row.unit.layer, row.unit.index, row.example, row.outcome, row.pivot, row.context,
      row.full_activation, row.pruned_activation, AsBlob(row.trajectory));
}

std::vector<Pruning> RunStore::GetPrunings(UnitId unit) const {
  std::vector<Pruning> prunings;
  Query row(*database_->connection,
            "SELECT example, outcome, pivot, context, full_activation, pruned_activation, "
            "trajectory FROM prunings "
            "WHERE layer = ? AND unit = ? ORDER BY example",
            unit.layer, unit.index);
  while (row.Next()) {
    prunings.push_back({unit, row.Int(0), row.EnumUpTo(PruneOutcome::kNotPositive, 1), row.Int(2),
                        row.Int(3), row.Float(4), row.Float(5), row.Vector<float>(6)});
  }
  return prunings;
}

void RunStore::Put(const Prompt& row) {
  if (row.importances.size() != row.targets.size() * row.tokens.size()) {
    Fail(ErrorKind::kInternal,
         "prompt {} of example {} of unit {} has {} importances; expected {} targets x {} tokens",
         row.ordinal, row.example, ToString(row.unit), row.importances.size(), row.targets.size(),
         row.tokens.size());
  }
  std::optional<int> position;
  std::optional<Blob> original, substitute;
  std::optional<double> probability;
  if (row.substitution) {
    position = row.substitution->position;
    original = Blob{row.substitution->original};
    substitute = Blob{row.substitution->substitute};
    probability = row.substitution->probability;
  }
  database_->ForWriting().Run(
      "INSERT OR REPLACE INTO prompts (layer, unit, example, ordinal, kept, substituted_position, "
      "original, "
      "substitute, probability, ratio, tokens, activations, targets, importances, pivot) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      row.unit.layer, row.unit.index, row.example, row.ordinal, row.kept, position, original,
      substitute, probability, row.ratio, AsBlob(row.tokens), AsBlob(row.activations),
      AsBlob(row.targets), AsBlob(row.importances), row.pivot);
}

std::vector<Prompt> RunStore::GetPrompts(UnitId unit) const {
  std::vector<Prompt> prompts;
  Query row(
      *database_->connection,
      "SELECT example, ordinal, kept, substituted_position, original, substitute, "
      "probability, ratio, tokens, "
      "activations, targets, importances, pivot FROM prompts WHERE layer = ? AND unit = ? ORDER BY "
      "example, ordinal",
      unit.layer, unit.index);
  while (row.Next()) {
    Prompt& prompt = prompts.emplace_back();
    prompt.unit = unit;
    prompt.example = row.Int(0);
    prompt.ordinal = row.Int(1);
    prompt.kept = row.Int64(2) != 0;
    if (!row.IsNull(3)) {
      prompt.substitution = {row.Int(3), row.String(4), row.String(5), row.Real(6)};
    }
    prompt.ratio = row.Float(7);
    prompt.tokens = row.Vector<TokenId>(8);
    prompt.activations = row.Vector<float>(9);
    prompt.targets = row.Vector<int>(10);
    prompt.importances = row.Vector<float>(11);
    prompt.pivot = row.Int(12);
    // Readers index one by the other.
    if (prompt.importances.size() != prompt.targets.size() * prompt.tokens.size()) {
      row.FailColumn(11, "does not fit the other columns");
    }
  }
  return prompts;
}

}  // namespace assay::store
