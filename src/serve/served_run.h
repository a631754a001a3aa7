// A run folder as the server holds it: a few open connections that requests borrow, and the facts
// that every page needs, read once and again when the run has changed. Thread-safe.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "serve/http.h"
#include "store/run_store.h"

namespace assay::serve {

// One neuron of a layer, for maps and walks.
struct UnitRow {
  base::UnitId unit;
  bool has_graph = false;
  std::optional<double> f1, polysemanticity;
};

struct RunFacts {
  Json manifest;  // without the long lists
  std::string model, hook;
  std::vector<std::string> token_texts;
  std::vector<UnitRow> units;        // ascending: all with statistics, else all with a graph
  std::vector<size_t> graphs;        // places in `units` of those with a graph
  std::vector<store::Score> scores;  // of every set, ascending by unit
  std::vector<store::UnitMeasures> measures;

  const UnitRow* Find(base::UnitId unit) const;  // null when the run does not have it
};

class ServedRun {
 public:
  // A folder with assay.db, with report.json of a robustness evaluation, or both. Throws kNotFound
  // when it has neither, and what RunStore::Open throws.
  ServedRun(std::string name, std::filesystem::path folder);

  const std::string& name() const { return name_; }
  const std::filesystem::path& folder() const { return folder_; }
  bool has_store() const { return has_store_; }
  bool has_robustness() const;

  // A connection for reading; goes back to the run when the lease ends. Throws kNotFound when the
  // folder has no database.
  class Lease {
   public:
    Lease(const ServedRun& run, std::unique_ptr<store::RunStore> store);
    Lease(Lease&&) = default;
    ~Lease();
    const store::RunStore& operator*() const { return *store_; }
    const store::RunStore* operator->() const { return store_.get(); }

   private:
    const ServedRun* run_;
    std::unique_ptr<store::RunStore> store_;
  };
  Lease Borrow() const;

  // Of the run as it is, or as it was a moment ago: while another process writes, they are read
  // again at most every second, and for at most a twentieth of the time.
  std::shared_ptr<const RunFacts> Facts() const;

 private:
  struct Stamp {
    std::filesystem::file_time_type database{}, log{};
    auto operator<=>(const Stamp&) const = default;
  };
  Stamp ReadStamp() const;
  std::shared_ptr<const RunFacts> ReadFacts() const;

  std::string name_;
  std::filesystem::path folder_;
  bool has_store_;
  mutable std::mutex mutex_;  // of idle_
  mutable std::vector<std::unique_ptr<store::RunStore>> idle_;
  mutable std::mutex facts_mutex_;
  mutable std::shared_ptr<const RunFacts> facts_;
  mutable Stamp stamp_;
  mutable std::chrono::steady_clock::time_point next_read_;
};

// Names for the folders, as addresses use them: the last part of the path, with a number where two
// are equal.
std::vector<std::unique_ptr<ServedRun>> OpenRuns(const std::vector<std::filesystem::path>& folders);

}  // namespace assay::serve
