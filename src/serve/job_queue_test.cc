#include "serve/job_queue.h"

#include <gtest/gtest.h>

#include <chrono>
#include <future>

namespace assay::serve {
namespace {

// Waits until the job is in one of its final states, and describes it.
Json Finished(const JobQueue& jobs, int64_t id) {
  for (int i = 0; i < 5000; ++i) {
    Json job = jobs.Describe(id);
    if (job["state"] != "queued" && job["state"] != "running") return job;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  ADD_FAILURE() << "the job did not end";
  return {};
}

JobWork Endless() {
  return [](const JobContext& context) -> Json {
    for (int64_t i = 1;; ++i) {
      context.Report({.what = "count", .done = i});
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  };
}

TEST(JobQueueTest, KeepsResultAndProgress) {
  JobQueue jobs;
  const int64_t id = jobs.Start("sum", "1 + 1", [](const JobContext& context) -> Json {
    context.Report({.what = "sum", .unit = "numbers", .done = 2, .total = 2});
    return {{"sum", 2}};
  });
  const Json job = Finished(jobs, id);
  EXPECT_EQ(job["state"], "done");
  EXPECT_EQ(job["result"]["sum"], 2);
  EXPECT_EQ(job["progress"]["done"], 2);
  EXPECT_EQ(jobs.DescribeAll().size(), 1u);
}

TEST(JobQueueTest, FailureKeepsItsMessage) {
  JobQueue jobs;
  const int64_t id = jobs.Start("fail", "", [](const JobContext&) -> Json {
    base::Fail(base::ErrorKind::kBadInput, "tile 7 is cut off");
  });
  const Json job = Finished(jobs, id);
  EXPECT_EQ(job["state"], "failed");
  EXPECT_EQ(job["error"], "tile 7 is cut off");
}

TEST(JobQueueTest, CancelStopsARunningJobAndAQueuedOneNeverStarts) {
  JobQueue jobs;
  const int64_t running = jobs.Start("endless", "", Endless());
  bool started = false;
  const int64_t queued = jobs.Start("next", "", [&](const JobContext&) -> Json {
    started = true;
    return {};
  });
  jobs.Cancel(queued);
  jobs.Cancel(running);
  EXPECT_EQ(Finished(jobs, running)["state"], "cancelled");
  EXPECT_EQ(Finished(jobs, queued)["state"], "cancelled");
  EXPECT_FALSE(started);
  jobs.Cancel(running);  // again: nothing happens
  EXPECT_THROW(jobs.Cancel(99), base::Error);
}

TEST(JobQueueTest, RefusesWhenTooManyWaitAndForgetsTheOldest) {
  JobQueue jobs(1, 1);
  const int64_t running = jobs.Start("endless", "", Endless());
  while (jobs.Describe(running)["state"] != "running") std::this_thread::yield();
  const int64_t waiting = jobs.Start("a", "", [](const JobContext&) -> Json { return 1; });
  EXPECT_THROW(jobs.Start("b", "", [](const JobContext&) -> Json { return 2; }), base::Error);
  jobs.Cancel(running);
  EXPECT_EQ(Finished(jobs, waiting)["result"], 1);
  EXPECT_THROW(jobs.Describe(running), base::Error);
}

TEST(JobQueueTest, EndsWhileAJobRuns) {
  JobQueue jobs;
  jobs.Start("endless", "", Endless());
}

}  // namespace
}  // namespace assay::serve
