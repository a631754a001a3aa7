// A run on disk: a folder with assay.db (SQLite, WAL). One writer at a time, any number of readers.
// Everything is written in transactions: a killed process leaves whole transactions only.
// Not thread-safe: each thread opens its own.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "store/records.h"

namespace assay::store {

class RunStore {
 public:
  enum class Mode { kRead, kWrite };

  // kWrite creates folder and database when missing and migrates an older schema; it throws kIo
  // when another RunStore is writing. kRead throws kNotFound when there is no run and kUnsupported
  // when its schema is older; it also works in a folder without write permission, once the writer
  // has ended. Both throw kBadInput naming the file when it is no SQLite database, is damaged or
  // has a newer schema. Damage inside the file shows up when it is read.
  static RunStore Open(const std::filesystem::path& folder, Mode mode);
  RunStore(RunStore&&) noexcept;
  RunStore& operator=(RunStore&&) noexcept;
  ~RunStore();

  // Runs `work` in one transaction: all of it is in the run afterwards, or nothing if it throws.
  // Not within another. Far faster than single Puts; a transaction that grows past some 100 MB
  // slows down. (A power failure, unlike a killed process, can lose the last transactions, whole
  // ones.)
  void Transaction(const std::function<void()>& work);

  // A hash over all rows, equal for runs with equal content whatever the order and number of the
  // Puts. Manifest entries, and members of entries, whose name ends in "_at" or "seconds" (when,
  // how long) do not count.
  std::string ContentHash() const;

  // Manifest: what was run with what (model, text, options, seeds, versions). A key is a stage or a
  // fact. PutManifest throws kBadInput when a text in `value` is not UTF-8.
  void PutManifest(const std::string& key, const nlohmann::json& value);
  std::optional<nlohmann::json> Manifest(const std::string& key) const;
  nlohmann::json WholeManifest() const;

  // How each token of the model's vocabulary reads (any bytes); index is the token id.
  void PutTokenTexts(std::span<const std::string> texts);
  std::vector<std::string> TokenTexts() const;

  // Rows with the same key (unit and what distinguishes rows of a unit) are replaced. Throw
  // kInternal when the run was opened for reading or a row contradicts records.h (a graph that is
  // no trie, NaN for an undefined score).
  void Put(const Sequence& row);
  void Put(const UnitStats& row);
  void Put(const Example& row);
  void Put(const Pruning& row);
  void Put(const Prompt& row);
  void Put(const Graph& row);  // also brings the search index up to date for the unit
  void Put(const Score& row);
  void Put(const Embedding& row);
  void Put(const FeatureCluster& row);
  void Put(const UnitMeasures& row);
  void Put(const SimilarCluster& row);
  void Put(const ClusterGraph& row);

  // Throw kNotFound naming the id where a row must exist (GetSequence); else empty or absent.
  Sequence GetSequence(int64_t id) const;
  std::vector<UnitId> UnitsWithStats() const;  // ascending
  std::vector<UnitId> UnitsWithExamples() const;
  std::vector<UnitId> UnitsWithGraph() const;
  std::optional<UnitStats> GetStats(UnitId unit) const;
  std::vector<Example> GetExamples(
      UnitId unit, std::optional<ExampleKind> kind = {}) const;  // kind, bin, rank order
  std::vector<Pruning> GetPrunings(UnitId unit) const;
  std::vector<Prompt> GetPrompts(UnitId unit) const;  // example, ordinal order
  std::optional<Graph> GetGraph(UnitId unit) const;
  std::vector<Score> GetScores(UnitId unit) const;
  std::vector<Score> GetScores(const std::string& set) const;  // all units, ascending
  std::vector<std::string> ScoreSets() const;

  std::vector<UnitId> UnitsWithMeasures() const;  // ascending
  std::optional<Embedding> GetEmbedding(UnitId unit) const;
  std::vector<FeatureCluster> GetClusters(UnitId unit) const;  // ascending
  std::optional<UnitMeasures> GetMeasures(UnitId unit) const;
  std::vector<UnitMeasures> GetMeasures() const;                      // all units, ascending
  std::vector<SimilarCluster> GetSimilarClusters(UnitId unit) const;  // cluster, rank order
  std::vector<ClusterGraph> GetClusterGraphs(UnitId unit) const;      // ascending

  // Removes graph, prompts, prunings and scores of all units (examples and statistics stay).
  void DropGraphs();
  void DropScores();
  // Removes embeddings, clusters, measures, similar clusters, graphs of clusters, and the examples
  // of kind kAbove, which were collected for embeddings.
  void DropEmbeddings();
  void DropSimilarClusters();
  void DropClusterGraphs();

 private:
  struct Database;
  explicit RunStore(std::unique_ptr<Database> database);
  std::unique_ptr<Database> database_;
  friend class GraphIndex;
};

}  // namespace assay::store
