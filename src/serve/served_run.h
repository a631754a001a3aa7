// A run folder as the server holds it: a few open connections that requests borrow, and the facts
// that every page needs, read once and again when the run has changed. Thread-safe.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "serve/kept_reading.h"
#include "serve/pair_study.h"
#include "serve/served_report.h"
#include "store/graph_index.h"
#include "store/run_store.h"

namespace assay::serve {

// One neuron of a layer, for maps and walks.
struct UnitRow {
  base::UnitId unit;
  bool has_graph = false;
  std::optional<double> f1, polysemanticity;
  float maximum = 0;     // largest activation in the collected text
  bool context = false;  // its graph has context tokens
};

struct RunFacts {
  Json manifest;  // without the long lists
  std::string model, hook;
  bool images = false;    // units of an image classifier (`assay neurons embed --images`)
  std::string unit_name;  // "neuron", "feature" (of a sparse autoencoder), "unit" (of images)
  std::vector<std::string> token_texts;
  std::vector<UnitRow> units;  // ascending: all with statistics, else all with a graph
  std::vector<size_t> graphs;  // places in `units` of those with a graph
  std::vector<store::UnitMeasures> measures;
  std::map<int, float> layer_maxima;  // of the units of a layer; empty without statistics

  const UnitRow* Find(base::UnitId unit) const;  // null when the run does not have it
  // Whether its largest activation is below a hundredth of its layer's: models have units that
  // training never woke up, whose graphs are clear and say nothing.
  bool IsFaint(const UnitRow& row) const;
};

struct UnitValue {
  base::UnitId unit;
  double value = 0, rank = 0;  // highest rank first
};
// Sorts by rank, highest first, and keeps `count`.
void KeepHighest(std::vector<UnitValue>& rows, size_t count);
inline constexpr size_t kHighlights = 6;

// What follows from the scores of all units.
struct ScoreFacts {
  std::vector<store::ScoreMeans> means;
  // Units whose graphs are clear (F1), those with context first, in the order of how much they are
  // better than a lookup of the token alone.
  std::vector<UnitValue> best;
};

class ServedRun {
 public:
  // A folder with assay.db, report.json of a robustness evaluation, or study.html of a study of
  // pictures, or several of them. Throws kNotFound when it has none, and what RunStore::Open
  // throws.
  ServedRun(std::string name, std::filesystem::path folder);

  const std::string& name() const { return name_; }
  const std::filesystem::path& folder() const { return folder_; }
  bool has_store() const { return has_store_; }
  bool has_robustness() const { return report_.exists(); }
  const ServedReport& report() const { return report_; }
  bool has_pairs() const { return pairs_.exists(); }
  PairStudy& pairs() const { return pairs_; }  // keeps answers; the run itself stays as it is

  // A connection for reading; goes back to the run when the lease ends. Throws kNotFound when the
  // folder has no database.
  class Lease {
   public:
    Lease(const ServedRun& run, std::unique_ptr<store::RunStore> store, uint64_t file);
    Lease(Lease&&) = default;
    ~Lease();
    const store::RunStore& operator*() const { return *store_; }
    const store::RunStore* operator->() const { return store_.get(); }

   private:
    const ServedRun* run_;
    std::unique_ptr<store::RunStore> store_;
    uint64_t file_;  // which one it reads
  };
  Lease Borrow() const;

  // Of the run as it is, or as it was a moment ago. Throw what reading throws.
  std::shared_ptr<const RunFacts> Facts() const;
  std::shared_ptr<const ScoreFacts> Scores() const;

 private:
  FileStamp ReadStamp() const;
  RunFacts ReadFacts() const;
  ScoreFacts ReadScores() const;

  std::string name_;
  std::filesystem::path folder_;
  ServedReport report_;
  mutable PairStudy pairs_;
  bool has_store_;
  mutable std::mutex mutex_;  // of idle_ and idle_file_
  mutable std::vector<std::unique_ptr<store::RunStore>> idle_;
  mutable uint64_t idle_file_ = 0;  // which file the idle connections read
  mutable KeptReading<RunFacts> facts_;
  mutable KeptReading<ScoreFacts> scores_;
};

// Names for the folders, as addresses use them: the last part of the path, with a number where two
// are equal.
std::vector<std::unique_ptr<ServedRun>> OpenRuns(const std::vector<std::filesystem::path>& folders);

}  // namespace assay::serve
