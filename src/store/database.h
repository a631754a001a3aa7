// What is behind a RunStore: the connection, the writer's lock and the rules of writing. Internal
// to store.
#pragma once

#include <memory>
#include <utility>

#include "base/error.h"
#include "store/run_store.h"
#include "store/sqlite.h"
#include "store/writer_lock.h"

namespace assay::store {

struct RunStore::Database {
  std::unique_ptr<WriterLock> lock;  // null when opened for reading
  std::unique_ptr<Connection> connection;
  bool in_transaction = false;  // within RunStore::Transaction

  // The connection, for a change. Throws kInternal when the run was opened for reading.
  Connection& ForWriting() {
    if (!lock) {
      base::Fail(base::ErrorKind::kInternal, "{}: opened for reading, cannot be changed",
                 connection->path().string());
    }
    // After some failures (full disk) SQLite rolls back on its own; what followed would be half a
    // transaction.
    if (in_transaction && !connection->InTransaction()) {
      base::Fail(base::ErrorKind::kIo, "{}: the transaction was undone by an earlier failure",
                 connection->path().string());
    }
    return *connection;
  }

  // Runs `work`, which makes several changes: all of them happen, or none if it throws.
  template <typename Work>
  void Atomically(Work&& work) {
    Connection& changed = ForWriting();
    const bool nested = changed.InTransaction();
    changed.Run(nested ? "SAVEPOINT change" : "BEGIN IMMEDIATE");
    try {
      std::forward<Work>(work)(changed);
      changed.Run(nested ? "RELEASE change" : "COMMIT");
    } catch (...) {
      if (changed.InTransaction()) {
        changed.Script(nested ? "ROLLBACK TO change; RELEASE change" : "ROLLBACK");
      }
      throw;
    }
  }
};

// Several reads that see the same state of a run which another process may be writing.
class Snapshot {
 public:
  explicit Snapshot(Connection& connection)
      : connection_(connection), begun_(!connection.InTransaction()) {
    if (begun_) connection_.Run("BEGIN");
  }
  ~Snapshot() {
    try {
      if (begun_ && connection_.InTransaction()) connection_.Run("COMMIT");
    } catch (const base::Error&) {
      // Ending a transaction that only read cannot lose anything.
    }
  }
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;

 private:
  Connection& connection_;
  bool begun_;
};

}  // namespace assay::store
