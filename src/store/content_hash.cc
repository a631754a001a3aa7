// One hash over everything a run holds, for tests that two ways of making a run end with the same
// rows.
#include <fmt/format.h>

#include <array>

#include "base/hash.h"
#include "store/database.h"

namespace assay::store {
namespace {

// Every table but the manifest, with the order of its keys.
constexpr std::array kOrderedTables = {
    "SELECT * FROM tokens ORDER BY id",
    "SELECT * FROM sequences ORDER BY id",
    "SELECT * FROM unit_stats ORDER BY layer, unit",
    "SELECT * FROM examples ORDER BY layer, unit, kind, bin, rank",
    "SELECT * FROM prunings ORDER BY layer, unit, example",
    "SELECT * FROM prompts ORDER BY layer, unit, example, ordinal",
    "SELECT * FROM graphs ORDER BY layer, unit",
    "SELECT * FROM scores ORDER BY layer, unit, set_name, method",
    "SELECT * FROM graph_summary ORDER BY layer, unit",
    "SELECT * FROM graph_tokens ORDER BY token, role, f1_order, layer, unit",
    "SELECT * FROM embeddings ORDER BY layer, unit",
    "SELECT * FROM feature_clusters ORDER BY layer, unit, cluster",
    "SELECT * FROM unit_measures ORDER BY layer, unit",
    "SELECT * FROM similar_clusters ORDER BY layer, unit, cluster, rank",
    "SELECT * FROM cluster_graphs ORDER BY layer, unit, cluster",
};

bool EndsWith(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

// When something happened and how long it took differ from run to run.
bool IsTime(std::string_view name) { return EndsWith(name, "_at") || EndsWith(name, "seconds"); }

nlohmann::json WithoutTimes(const nlohmann::json& value) {
  if (value.is_array()) {
    nlohmann::json kept = nlohmann::json::array();
    for (const nlohmann::json& element : value) kept.push_back(WithoutTimes(element));
    return kept;
  }
  if (!value.is_object()) return value;
  nlohmann::json kept = nlohmann::json::object();
  for (const auto& [name, member] : value.items()) {
    if (!IsTime(name)) kept[name] = WithoutTimes(member);
  }
  return kept;
}

// Hashes in pieces: a run does not fit in memory.
class RunningHash {
 public:
  void Add(std::string_view bytes) {
    // The length first: "ab" and "c" must not be "a" and "bc".
    const uint64_t size = bytes.size();
    pending_.append(reinterpret_cast<const char*>(&size), sizeof(size));
    pending_.append(bytes);
    if (pending_.size() > kPieceBytes) Fold();
  }
  void AddNumber(int64_t number) { Add({reinterpret_cast<const char*>(&number), sizeof(number)}); }

  std::string Result() {
    Fold();
    return hash_;
  }

 private:
  static constexpr size_t kPieceBytes = 1 << 20;

  void Fold() {
    hash_ = base::HashText(hash_ + pending_);
    pending_.clear();
  }
  std::string hash_, pending_;
};

}  // namespace

std::string RunStore::ContentHash() const {
  Connection& connection = *database_->connection;
  const Snapshot snapshot(connection);
  RunningHash hash;
  hash.Add(WithoutTimes(WholeManifest()).dump());
  for (const char* table : kOrderedTables) {
    hash.Add(table);
    Query row(connection, table);
    while (row.Next()) {
      for (int column = 0; column < row.Columns(); ++column) {
        // Numbers by value: as text they keep 15 digits only.
        const int type = row.Type(column);
        hash.AddNumber(type);
        if (type == SQLITE_FLOAT) {
          hash.AddNumber(std::bit_cast<int64_t>(row.Real(column)));
        } else if (type == SQLITE_INTEGER) {
          hash.AddNumber(row.Int64(column));
        } else {
          hash.Add(row.Bytes(column));
        }
      }
    }
  }
  return hash.Result();
}

}  // namespace assay::store
