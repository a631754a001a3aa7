// Reads over all units for overviews and maps, each in one pass and without the rows' long columns.
#include <tuple>

#include "store/database.h"
#include "store/graph_index.h"
#include "store/graph_rows.h"

namespace assay::store {

std::vector<UnitF1> GraphIndex::GraphF1s() const {
  std::vector<UnitF1> out;
  Query row(*store_.database_->connection,
            "SELECT layer, unit, f1_order, context_tokens FROM graph_summary ORDER BY layer, unit");
  while (row.Next()) out.push_back({{row.Int(0), row.Int(1)}, F1At(row.Real(2)), row.Int(3)});
  return out;
}

std::vector<UnitF1> GraphIndex::F1s(const std::string& set, const std::string& method) const {
  std::vector<UnitF1> out;
  Query row(*store_.database_->connection,
            "SELECT layer, unit, f1 FROM scores NOT INDEXED WHERE set_name = ? AND method = ? AND "
            "excluded = '' ORDER BY layer, unit",
            set, method);
  while (row.Next()) out.push_back({{row.Int(0), row.Int(1)}, row.OptionalReal(2), 0});
  return out;
}

std::map<UnitId, double> GraphIndex::FiringRates(int layer) const {
  std::map<UnitId, double> out;
  Query row(*store_.database_->connection,
            "SELECT unit, firing_rate FROM unit_stats WHERE layer = ? ORDER BY unit", layer);
  while (row.Next()) out.emplace_hint(out.end(), UnitId{layer, row.Int(0)}, row.Real(1));
  return out;
}

std::vector<UnitMaximum> GraphIndex::Maxima() const {
  std::vector<UnitMaximum> out;
  Query row(*store_.database_->connection,
            "SELECT layer, unit, maximum FROM unit_stats ORDER BY layer, unit");
  while (row.Next()) out.push_back({{row.Int(0), row.Int(1)}, row.Real(2)});
  return out;
}

std::vector<ScoreMeans> GraphIndex::MeanScores() const {
  std::map<std::tuple<std::string, int, std::string>, ScoreMeans> means;
  Query row(*store_.database_->connection,
            "SELECT layer, set_name, method, precision, recall, f1, excluded <> '' FROM scores");
  ScoreMeans* last = nullptr;
  while (row.Next()) {
    const std::string_view set = row.Bytes(1), method = row.Bytes(2);
    // Rows lie in the order of units, so neighbours differ in method first.
    if (!last || last->layer != row.Int(0) || last->method != method || last->set != set) {
      last = &means[{std::string(set), row.Int(0), std::string(method)}];
      if (last->set.empty())
        *last = {.set = std::string(set), .layer = row.Int(0), .method = std::string(method)};
    }
    last->Add(row.OptionalReal(3), row.OptionalReal(4), row.OptionalReal(5), row.Int(6) != 0);
  }
  std::vector<ScoreMeans> out;
  for (auto& [key, value] : means) out.push_back(std::move(value));
  return out;
}

std::vector<LabelledCluster> GraphIndex::FindClusters(const std::string& text,
                                                      std::optional<int> layer, int limit) const {
  std::vector<LabelledCluster> out;
  // Labels are bytes; lower() and instr() take them as text and fold ASCII only.
  Query row(*store_.database_->connection,
            "SELECT layer, unit, cluster, label FROM feature_clusters WHERE (?1 IS NULL OR layer = "
            "?1) AND instr(lower(CAST(label AS TEXT)), lower(?2)) > 0 ORDER BY layer, unit, "
            "cluster LIMIT ?3",
            layer, text, limit);
  while (row.Next()) out.push_back({{row.Int(0), row.Int(1)}, row.Int(2), row.String(3)});
  return out;
}

}  // namespace assay::store
