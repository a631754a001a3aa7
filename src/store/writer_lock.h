// Keeps a second process (or a second RunStore) from writing to a run folder: a lock on the file
// assay.lock in it. The system drops the lock when its process ends, however it ends. Internal to
// store.
#pragma once

#include <filesystem>

namespace assay::store {

class WriterLock {
 public:
  // Throws kIo: someone else holds the lock (with its process id), or the file cannot be created.
  explicit WriterLock(const std::filesystem::path& folder);
  ~WriterLock();
  WriterLock(const WriterLock&) = delete;
  WriterLock& operator=(const WriterLock&) = delete;

 private:
  int descriptor_;
};

}  // namespace assay::store
