#include "store/schema.h"

#include <fmt/format.h>

#include "base/error.h"

namespace assay::store {
namespace {

using base::ErrorKind;
using base::Fail;

// Rows stand in the order of their keys (WITHOUT ROWID), so that the rows of a unit lie together.
// Columns without NOT NULL hold numbers that can be NaN, which SQLite keeps as NULL, or that can be
// absent. Token texts are BLOBs: they are any bytes, NUL and broken UTF-8 included.
constexpr const char* kVersion1 = R"sql(
CREATE TABLE manifest (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE tokens (id INTEGER PRIMARY KEY, text BLOB NOT NULL, plain BLOB NOT NULL) STRICT;
CREATE INDEX tokens_by_text ON tokens (text);
CREATE INDEX tokens_by_plain ON tokens (plain);

CREATE TABLE sequences (
  id INTEGER PRIMARY KEY, source TEXT NOT NULL, document INTEGER NOT NULL, begin INTEGER NOT NULL,
  tokens BLOB NOT NULL) STRICT;

CREATE TABLE unit_stats (
  layer INTEGER NOT NULL, unit INTEGER NOT NULL, tokens INTEGER NOT NULL, mean REAL, variance REAL, maximum REAL,
  minimum REAL, firing_rate REAL,
  PRIMARY KEY (layer, unit)) STRICT, WITHOUT ROWID;

CREATE TABLE examples (
  layer INTEGER NOT NULL, unit INTEGER NOT NULL, kind INTEGER NOT NULL, bin INTEGER NOT NULL, rank INTEGER NOT NULL,
  sequence INTEGER NOT NULL, pivot INTEGER NOT NULL, activation REAL, activations BLOB NOT NULL,
  PRIMARY KEY (layer, unit, kind, bin, rank)) STRICT, WITHOUT ROWID;

CREATE TABLE prunings (
  layer INTEGER NOT NULL, unit INTEGER NOT NULL, example INTEGER NOT NULL, outcome INTEGER NOT NULL,
  pivot INTEGER NOT NULL, context INTEGER NOT NULL, full_activation REAL, pruned_activation REAL,
  trajectory BLOB NOT NULL,
  PRIMARY KEY (layer, unit, example)) STRICT, WITHOUT ROWID;

CREATE TABLE prompts (
  layer INTEGER NOT NULL, unit INTEGER NOT NULL, example INTEGER NOT NULL, ordinal INTEGER NOT NULL,
  kept INTEGER NOT NULL, substituted_position INTEGER, original BLOB, substitute BLOB, probability REAL,
  ratio REAL, tokens BLOB NOT NULL, activations BLOB NOT NULL, targets BLOB NOT NULL, importances BLOB NOT NULL,
  pivot INTEGER NOT NULL,
  PRIMARY KEY (layer, unit, example, ordinal)) STRICT, WITHOUT ROWID;

CREATE TABLE graphs (
  layer INTEGER NOT NULL, unit INTEGER NOT NULL, max_activation REAL, train BLOB NOT NULL, test BLOB NOT NULL,
  nodes BLOB NOT NULL,
  PRIMARY KEY (layer, unit)) STRICT, WITHOUT ROWID;

CREATE TABLE scores (
  layer INTEGER NOT NULL, unit INTEGER NOT NULL, set_name TEXT NOT NULL, method TEXT NOT NULL,
  true_positives INTEGER NOT NULL, false_positives INTEGER NOT NULL, false_negatives INTEGER NOT NULL,
  precision REAL, recall REAL, f1 REAL, correlation REAL, excluded TEXT NOT NULL,
  PRIMARY KEY (layer, unit, set_name, method)) STRICT, WITHOUT ROWID;
CREATE INDEX scores_by_set ON scores (set_name);

-- Derived from graphs and scores, for searching. f1_order is minus the held-out F1, or 1 without one: ascending order
-- is best first. token_set: the distinct tokens in each role, strongest first.
CREATE TABLE graph_summary (
  layer INTEGER NOT NULL, unit INTEGER NOT NULL, f1_order REAL NOT NULL, activating_tokens INTEGER NOT NULL,
  context_tokens INTEGER NOT NULL, repeated_tokens INTEGER NOT NULL, repeated_share REAL NOT NULL,
  token_set BLOB NOT NULL,
  PRIMARY KEY (layer, unit)) STRICT, WITHOUT ROWID;
CREATE INDEX graph_summary_by_f1 ON graph_summary (f1_order);
CREATE INDEX graph_summary_by_repeated ON graph_summary (repeated_share DESC, layer, unit, f1_order)
  WHERE repeated_share > 0;

-- Which graphs have a token in a role (0 activating, 1 context), best first. All lists are in one order, so lists are
-- intersected by walking them together and the first rows found are the answer. The counts are those of the graph.
CREATE TABLE graph_tokens (
  token INTEGER NOT NULL, role INTEGER NOT NULL, f1_order REAL NOT NULL, layer INTEGER NOT NULL, unit INTEGER NOT NULL,
  activating_tokens INTEGER NOT NULL, context_tokens INTEGER NOT NULL, repeated_tokens INTEGER NOT NULL,
  PRIMARY KEY (token, role, f1_order, layer, unit)) STRICT, WITHOUT ROWID;
)sql";

// Embeddings and clusters. What a unit has here follows from one row of `embeddings`.
constexpr const char* kVersion2 = R"sql(
CREATE TABLE embeddings (
  layer INTEGER NOT NULL, unit INTEGER NOT NULL, dims INTEGER NOT NULL, kinds BLOB NOT NULL, bins BLOB NOT NULL,
  ranks BLOB NOT NULL, vectors BLOB NOT NULL,
  PRIMARY KEY (layer, unit)) STRICT, WITHOUT ROWID;

CREATE TABLE feature_clusters (
  layer INTEGER NOT NULL, unit INTEGER NOT NULL, cluster INTEGER NOT NULL, members BLOB NOT NULL, cohesion REAL,
  label BLOB NOT NULL, activating BLOB NOT NULL, context BLOB NOT NULL, central_input BLOB NOT NULL,
  mean_input BLOB NOT NULL, central_embedding BLOB NOT NULL,
  PRIMARY KEY (layer, unit, cluster)) STRICT, WITHOUT ROWID;

CREATE TABLE unit_measures (
  layer INTEGER NOT NULL, unit INTEGER NOT NULL, examples INTEGER NOT NULL, clusters INTEGER NOT NULL,
  mean_distance REAL, max_distance REAL, intra REAL, inter REAL, polysemanticity REAL, polysemanticity_low REAL,
  polysemanticity_high REAL, stability REAL, cut REAL, cut_reason TEXT NOT NULL,
  PRIMARY KEY (layer, unit)) STRICT, WITHOUT ROWID;

CREATE TABLE similar_clusters (
  layer INTEGER NOT NULL, unit INTEGER NOT NULL, cluster INTEGER NOT NULL, rank INTEGER NOT NULL,
  other_layer INTEGER NOT NULL, other_unit INTEGER NOT NULL, other_cluster INTEGER NOT NULL, similarity REAL,
  PRIMARY KEY (layer, unit, cluster, rank)) STRICT, WITHOUT ROWID;

CREATE TABLE cluster_graphs (
  layer INTEGER NOT NULL, unit INTEGER NOT NULL, cluster INTEGER NOT NULL, max_activation REAL, train BLOB NOT NULL,
  test BLOB NOT NULL, nodes BLOB NOT NULL,
  PRIMARY KEY (layer, unit, cluster)) STRICT, WITHOUT ROWID;
)sql";

constexpr Migration kMigrations[] = {{1, kVersion1}, {2, kVersion2}};

}  // namespace

std::span<const Migration> Migrations() { return kMigrations; }

int CheckedVersion(Connection& connection, std::span<const Migration> migrations) {
  const std::string file = connection.path().string();
  const int64_t application = connection.Pragma("application_id");
  if (application != kApplicationId) {
    Fail(ErrorKind::kBadInput, "{}: not an Assay run (application id {:#x}, expected {:#x})", file,
         application, kApplicationId);
  }
  const int64_t version = connection.Pragma("user_version");
  const int newest = migrations.back().version;
  if (version < 1) Fail(ErrorKind::kBadInput, "{}: damaged: schema version {}", file, version);
  if (version > newest) {
    Fail(ErrorKind::kBadInput,
         "{}: written by a newer Assay: schema version {}, this program knows up to {}", file,
         version, newest);
  }
  return static_cast<int>(version);
}

void Migrate(Connection& connection, std::span<const Migration> migrations) {
  const bool is_new = connection.Pragma("application_id") == 0 &&
                      connection.Pragma("user_version") == 0 &&
                      connection.Pragma("schema_version") == 0;
  int version = is_new ? 0 : CheckedVersion(connection, migrations);
  for (const Migration& migration : migrations) {
    if (migration.version <= version) continue;
    // The version changes together with the tables.
    connection.Script("BEGIN IMMEDIATE");
    try {
      connection.Script(migration.sql);
      connection.Script(fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {}; COMMIT;",
                                    kApplicationId, migration.version));
    } catch (...) {
      if (connection.InTransaction()) connection.Script("ROLLBACK");
      throw;
    }
    version = migration.version;
  }
}

}  // namespace assay::store
