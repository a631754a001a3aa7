// Long work in the background: one worker, progress that can be asked for, cancelling. Finished
// jobs are kept for a while, so that a page that comes back can read their result. Thread-safe.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/progress.h"
#include "serve/http.h"

namespace assay::serve {

enum class JobState { kQueued, kRunning, kDone, kFailed, kCancelled };

// What the work of a job sees.
class JobContext {
 public:
  // Reports progress. Throws CancelledJob once the job is cancelled, so work that reports often
  // stops soon.
  void Report(const base::ProgressState& state) const;
  void StopIfCancelled() const;
  base::Progress::Reporter Reporter() const;

 private:
  friend class JobQueue;
  struct Shared;
  explicit JobContext(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}
  std::shared_ptr<Shared> shared_;
};

struct CancelledJob {};

using JobWork = std::function<Json(const JobContext&)>;

class JobQueue {
 public:
  // Beyond `waiting` queued jobs new ones are refused; the last `kept` finished ones stay readable.
  explicit JobQueue(size_t waiting = 16, size_t kept = 100);
  ~JobQueue();  // cancels what runs and waits for it

  // The job's id. Throws kUsage when too many wait.
  int64_t Start(const std::string& kind, const std::string& title, JobWork work);
  // {"id", "kind", "title", "state", "progress", "result", "error"}. Throws kNotFound.
  Json Describe(int64_t id) const;
  Json DescribeAll() const;  // newest first, without results
  // A queued job never starts; a running one stops at its next report. Finished jobs stay as they
  // are. Throws kNotFound.
  void Cancel(int64_t id);

 private:
  struct Job;
  std::shared_ptr<Job> Find(int64_t id) const;  // with the mutex held
  void Work();
  void Run(Job& job);
  void DropOld();  // with the mutex held

  const size_t waiting_, kept_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool ending_ = false;
  int64_t next_id_ = 1;
  std::map<int64_t, std::shared_ptr<Job>> jobs_;
  std::deque<int64_t> queue_;
  std::thread worker_;
};

}  // namespace assay::serve
