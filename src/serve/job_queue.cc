#include "serve/job_queue.h"

#include <utility>

namespace assay::serve {

struct JobContext::Shared {
  std::atomic<bool> cancelled = false;
  mutable std::mutex mutex;  // of `progress`
  base::ProgressState progress;
};

struct JobQueue::Job {
  int64_t id = 0;
  std::string kind, title;
  JobWork work;
  JobState state = JobState::kQueued;
  std::shared_ptr<JobContext::Shared> shared = std::make_shared<JobContext::Shared>();
  Json result, error;  // null until there is one

  Json Describe(bool with_result) const {
    constexpr const char* kStates[] = {"queued", "running", "done", "failed", "cancelled"};
    Json out = {
        {"id", id}, {"kind", kind}, {"title", title}, {"state", kStates[static_cast<int>(state)]}};
    {
      const std::lock_guard lock(shared->mutex);
      const base::ProgressState& progress = shared->progress;
      out["progress"] = {{"what", progress.what},
                         {"unit", progress.unit},
                         {"done", progress.done},
                         {"total", progress.total},
                         {"seconds_left", progress.seconds_left}};
    }
    out["error"] = error;
    if (with_result) out["result"] = result;
    return out;
  }
  bool finished() const { return state != JobState::kQueued && state != JobState::kRunning; }
};

void JobContext::StopIfCancelled() const {
  if (shared_->cancelled) throw CancelledJob{};
}

void JobContext::Report(const base::ProgressState& state) const {
  StopIfCancelled();
  const std::lock_guard lock(shared_->mutex);
  shared_->progress = state;
}

base::Progress::Reporter JobContext::Reporter() const {
  return [context = *this](const base::ProgressState& state) { context.Report(state); };
}

JobQueue::JobQueue(size_t waiting, size_t kept)
    : waiting_(waiting), kept_(kept), worker_([this] { Work(); }) {}

JobQueue::~JobQueue() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    for (const auto& [id, job] : jobs_) job->shared->cancelled = true;
  }
  changed_.notify_all();
  worker_.join();
}

int64_t JobQueue::Start(const std::string& kind, const std::string& title, JobWork work) {
  const std::lock_guard lock(mutex_);
  if (queue_.size() >= waiting_) {
    base::Fail(base::ErrorKind::kUsage, "{} jobs wait already; try again when one has ended",
               queue_.size());
  }
  auto job = std::make_shared<Job>();
  job->id = next_id_++;
  job->kind = kind;
  job->title = title;
  job->work = std::move(work);
  jobs_[job->id] = job;
  queue_.push_back(job->id);
  changed_.notify_one();
  return job->id;
}

std::shared_ptr<JobQueue::Job> JobQueue::Find(int64_t id) const {
  const auto found = jobs_.find(id);
  if (found == jobs_.end()) base::Fail(base::ErrorKind::kNotFound, "there is no job {}", id);
  return found->second;
}

Json JobQueue::Describe(int64_t id) const {
  const std::lock_guard lock(mutex_);
  return Find(id)->Describe(true);
}

Json JobQueue::DescribeAll() const {
  const std::lock_guard lock(mutex_);
  Json out = Json::array();
  for (auto job = jobs_.rbegin(); job != jobs_.rend(); ++job)
    out.push_back(job->second->Describe(false));
  return out;
}

void JobQueue::Cancel(int64_t id) {
  const std::lock_guard lock(mutex_);
  const std::shared_ptr<Job> found = Find(id);  // DropOld may let go of it
  Job& job = *found;
  if (job.finished()) return;
  job.shared->cancelled = true;
  if (job.state == JobState::kQueued) {
    job.state = JobState::kCancelled;
    job.work = nullptr;
    std::erase(queue_, id);
    DropOld();
  }
}

// Highest ids are kept: they ended last, or nearly so.
void JobQueue::DropOld() {
  size_t finished = 0;
  for (const auto& [id, job] : jobs_) finished += job->finished() ? 1 : 0;
  for (auto at = jobs_.begin(); at != jobs_.end() && finished > kept_;) {
    if (!at->second->finished()) {
      ++at;
      continue;
    }
    at = jobs_.erase(at);
    --finished;
  }
}

void JobQueue::Run(Job& job) {
  JobState state = JobState::kDone;
  Json result, error;
  try {
    result = job.work(JobContext(job.shared));
  } catch (const CancelledJob&) {
    state = JobState::kCancelled;
  } catch (const base::Error& failure) {
    state = JobState::kFailed;
    error = failure.what();
  } catch (const std::exception&) {
    state = JobState::kFailed;
    error = "unexpected failure";
  }
  const std::lock_guard lock(mutex_);
  job.state = state;
  job.result = std::move(result);
  job.error = std::move(error);
  job.work = nullptr;  // lets go of what it holds
  DropOld();
}

void JobQueue::Work() {
  while (true) {
    std::shared_ptr<Job> job;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return ending_ || !queue_.empty(); });
      if (ending_) return;
      job = jobs_.at(queue_.front());
      queue_.pop_front();
      job->state = JobState::kRunning;
    }
    Run(*job);
  }
}

}  // namespace assay::serve
