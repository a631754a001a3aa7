// Embeddings, the clusters of a unit's examples, and what follows from them.
#include <fmt/format.h>

#include "store/database.h"
#include "store/graph_codec.h"

namespace assay::store {

using base::ErrorKind;
using base::Fail;

void RunStore::Put(const Embedding& row) {
  if (row.vectors.size() != row.examples.size() * static_cast<size_t>(row.dims)) {
    Fail(ErrorKind::kInternal, "embedding of unit {} has {} numbers; expected {} examples x {}",
         ToString(row.unit), row.vectors.size(), row.examples.size(), row.dims);
  }
  std::vector<int> kinds, bins, ranks;
  for (const ExampleKey& example : row.examples) {
    kinds.push_back(static_cast<int>(example.kind));
    bins.push_back(example.bin);
    ranks.push_back(example.rank);
  }
  database_->ForWriting().Run(
      "INSERT OR REPLACE INTO embeddings (layer, unit, dims, kinds, bins, ranks, vectors) VALUES "
      "(?, ?, ?, ?, ?, ?, ?)",
      row.unit.layer, row.unit.index, row.dims, AsBlob(kinds), AsBlob(bins), AsBlob(ranks),
      AsBlob(row.vectors));
}

std::optional<Embedding> RunStore::GetEmbedding(UnitId unit) const {
  Query row(*database_->connection,
            "SELECT dims, kinds, bins, ranks, vectors FROM embeddings WHERE layer = ? AND unit = ?",
            unit.layer, unit.index);
  if (!row.Next()) return std::nullopt;
  Embedding out{.unit = unit, .dims = row.Int(0)};
  const std::vector<int> kinds = row.Vector<int>(1), bins = row.Vector<int>(2),
                         ranks = row.Vector<int>(3);
  if (bins.size() != kinds.size() || ranks.size() != kinds.size())
    row.FailColumn(2, "does not fit the other columns");
  for (size_t i = 0; i < kinds.size(); ++i) {
    if (kinds[i] < 0 || kinds[i] > static_cast<int>(ExampleKind::kAbove))
      row.FailColumn(1, "is out of range");
    out.examples.push_back({static_cast<ExampleKind>(kinds[i]), bins[i], ranks[i]});
  }
  out.vectors = row.Vector<float>(4);
  if (out.dims < 0 || out.vectors.size() != kinds.size() * static_cast<size_t>(out.dims))
    row.FailColumn(4, "does not fit the other columns");
  return out;
}

void RunStore::Put(const FeatureCluster& row) {
  if (row.members.empty())
    Fail(ErrorKind::kInternal, "cluster {} of unit {} is empty", row.cluster, ToString(row.unit));
  database_->ForWriting().Run(
      "INSERT OR REPLACE INTO feature_clusters (layer, unit, cluster, members, cohesion, label, "
      "activating, context, central_input, mean_input, central_embedding) VALUES (?, ?, ?, ?, ?, "
      "?, ?, ?, ?, ?, ?)",
      row.unit.layer, row.unit.index, row.cluster, AsBlob(row.members), row.cohesion,
      Blob{row.label}, AsBlob(row.activating), AsBlob(row.context), AsBlob(row.central_input),
      AsBlob(row.mean_input), AsBlob(row.central_embedding));
}

std::vector<FeatureCluster> RunStore::GetClusters(UnitId unit) const {
  std::vector<FeatureCluster> clusters;
  Query row(*database_->connection,
            "SELECT cluster, members, cohesion, label, activating, context, central_input, "
            "mean_input, central_embedding FROM feature_clusters WHERE layer = ? AND unit = ? "
            "ORDER BY cluster",
            unit.layer, unit.index);
  while (row.Next()) {
    clusters.push_back({.unit = unit,
                        .cluster = row.Int(0),
                        .members = row.Vector<int>(1),
                        .cohesion = row.Real(2),
                        .label = row.String(3),
                        .activating = row.Vector<TokenId>(4),
                        .context = row.Vector<TokenId>(5),
                        .central_input = row.Vector<float>(6),
                        .mean_input = row.Vector<float>(7),
                        .central_embedding = row.Vector<float>(8)});
    if (clusters.back().members.empty()) row.FailColumn(1, "is empty");  // readers take the first
  }
  return clusters;
}

void RunStore::Put(const UnitMeasures& row) {
  database_->ForWriting().Run(
      "INSERT OR REPLACE INTO unit_measures (layer, unit, examples, clusters, mean_distance, "
      "max_distance, intra, inter, polysemanticity, polysemanticity_low, polysemanticity_high, "
      "stability, cut, cut_reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      row.unit.layer, row.unit.index, row.examples, row.clusters, row.mean_distance,
      row.max_distance, row.intra, row.inter, row.polysemanticity, row.polysemanticity_low,
      row.polysemanticity_high, row.stability, row.cut, row.cut_reason);
}

namespace {

constexpr const char* kMeasureColumns =
    "layer, unit, examples, clusters, mean_distance, max_distance, intra, inter, polysemanticity, "
    "polysemanticity_low, polysemanticity_high, stability, cut, cut_reason";

std::vector<UnitMeasures> ReadMeasures(Query& row) {
  std::vector<UnitMeasures> out;
  while (row.Next()) {
    out.push_back({.unit = {row.Int(0), row.Int(1)},
                   .examples = row.Int(2),
                   .clusters = row.Int(3),
                   .mean_distance = row.OptionalReal(4),
                   .max_distance = row.OptionalReal(5),
                   .intra = row.OptionalReal(6),
                   .inter = row.OptionalReal(7),
                   .polysemanticity = row.OptionalReal(8),
                   .polysemanticity_low = row.OptionalReal(9),
                   .polysemanticity_high = row.OptionalReal(10),
                   .stability = row.OptionalReal(11),
                   .cut = row.Real(12),
                   .cut_reason = row.String(13)});
  }
  return out;
}

}  // namespace

std::optional<UnitMeasures> RunStore::GetMeasures(UnitId unit) const {
  static const std::string sql =
      fmt::format("SELECT {} FROM unit_measures WHERE layer = ? AND unit = ?", kMeasureColumns);
  Query row(*database_->connection, sql, unit.layer, unit.index);
  std::vector<UnitMeasures> found = ReadMeasures(row);
  return found.empty() ? std::nullopt : std::optional(std::move(found.front()));
}

std::vector<UnitMeasures> RunStore::GetMeasures() const {
  static const std::string sql =
      fmt::format("SELECT {} FROM unit_measures ORDER BY layer, unit", kMeasureColumns);
  Query row(*database_->connection, sql);
  return ReadMeasures(row);
}

std::vector<UnitId> RunStore::UnitsWithMeasures() const {
  std::vector<UnitId> units;
  Query row(*database_->connection, "SELECT layer, unit FROM unit_measures ORDER BY layer, unit");
  while (row.Next()) units.push_back({row.Int(0), row.Int(1)});
  return units;
}

void RunStore::Put(const SimilarCluster& row) {
  database_->ForWriting().Run(
      "INSERT OR REPLACE INTO similar_clusters (layer, unit, cluster, rank, other_layer, "
      "other_unit, other_cluster, similarity) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
      row.unit.layer, row.unit.index, row.cluster, row.rank, row.other.layer, row.other.index,
      row.other_cluster, row.similarity);
}

std::vector<SimilarCluster> RunStore::GetSimilarClusters(UnitId unit) const {
  std::vector<SimilarCluster> out;
  Query row(*database_->connection,
            "SELECT cluster, rank, other_layer, other_unit, other_cluster, similarity FROM "
            "similar_clusters WHERE layer = ? AND unit = ? ORDER BY cluster, rank",
            unit.layer, unit.index);
  while (row.Next()) {
    out.push_back(
        {unit, row.Int(0), row.Int(1), {row.Int(2), row.Int(3)}, row.Int(4), row.Real(5)});
  }
  return out;
}

void RunStore::Put(const ClusterGraph& row) {
  const Graph& graph = row.graph;
  if (const auto fault = TrieFault(graph.nodes)) {
    Fail(ErrorKind::kInternal, "graph of cluster {} of unit {} is no trie: {}", row.cluster,
         ToString(graph.unit), *fault);
  }
  const std::string nodes = EncodeTrie(graph.nodes);
  database_->ForWriting().Run(
      "INSERT OR REPLACE INTO cluster_graphs (layer, unit, cluster, max_activation, train, test, "
      "nodes) VALUES (?, ?, ?, ?, ?, ?, ?)",
      graph.unit.layer, graph.unit.index, row.cluster, graph.max_activation, AsBlob(graph.train),
      AsBlob(graph.test), Blob{nodes});
}

std::vector<ClusterGraph> RunStore::GetClusterGraphs(UnitId unit) const {
  std::vector<ClusterGraph> out;
  Query row(*database_->connection,
            "SELECT cluster, max_activation, train, test, nodes FROM cluster_graphs WHERE layer = "
            "? AND unit = ? ORDER BY cluster",
            unit.layer, unit.index);
  while (row.Next()) {
    auto nodes = DecodeTrie(row.Bytes(4));
    if (!nodes) row.FailColumn(4, "is damaged");
    out.push_back({row.Int(0), Graph{unit, row.Real(1), row.Vector<int>(2), row.Vector<int>(3),
                                     std::move(*nodes)}});
  }
  return out;
}

void RunStore::DropEmbeddings() {
  database_->Atomically([](Connection& connection) {
    connection.Run("DELETE FROM embeddings");
    connection.Run("DELETE FROM feature_clusters");
    connection.Run("DELETE FROM unit_measures");
    connection.Run("DELETE FROM similar_clusters");
    connection.Run("DELETE FROM cluster_graphs");
    connection.Run("DELETE FROM examples WHERE kind = ?", ExampleKind::kAbove);
  });
}

void RunStore::DropSimilarClusters() {
  database_->ForWriting().Run("DELETE FROM similar_clusters");
}

void RunStore::DropClusterGraphs() { database_->ForWriting().Run("DELETE FROM cluster_graphs"); }

}  // namespace assay::store
