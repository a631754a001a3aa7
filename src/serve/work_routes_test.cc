// Jobs and trying through the routes, and how a served run follows its folder.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "serve/serve_testing.h"

namespace assay::serve {
namespace {

using ::testing::HasSubstr;

ModelWork FakeWork() {
  ModelWork work;
  work.try_text = [](const ServedRun& run, const Json& request) -> Json {
    if (request["text"] == "break") throw std::runtime_error("secret detail");
    return {{"run", run.name()}, {"text", request["text"]}};
  };
  work.jobs["count"] = {
      .offered = [](const ServedRun& run) { return run.has_store(); },
      .check =
          [](const ServedRun&, const Json& parameters) {
            if (!parameters.contains("to") || !parameters["to"].is_number_integer())
              base::Fail(base::ErrorKind::kUsage, "'to' is no whole number");
          },
      .work = [](const ServedRun& run, const Json& parameters, const JobContext& job) -> Json {
        const auto to = parameters["to"].get<int64_t>();
        for (int64_t i = 1; i <= to; ++i) {
          job.Report({.what = "count", .unit = "numbers", .done = i, .total = to});
          std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        return {{"counted", to}, {"run", run.name()}};
      }};
  return work;
}

class WorkRoutesTest : public ::testing::Test {
 protected:
  ServedFolders folders_;
  Api api_{folders_.Open(), FakeWork()};

  Json Started(Json body) { return api_.Post("/api/jobs", std::move(body), 202); }
  Json Ended(const Json& id) {
    const std::string path = "/api/jobs/" + id.dump();
    for (int i = 0; i < 2000; ++i) {
      const Json job = api_.Get(path);
      if (job["state"] != "queued" && job["state"] != "running") return job;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    ADD_FAILURE() << "the job did not end";
    return {};
  }
};

TEST_F(WorkRoutesTest, JobRunsToItsResult) {
  const Json started =
      Started({{"kind", "count"}, {"run", "neurons"}, {"parameters", {{"to", 3}}}});
  EXPECT_EQ(started["title"], "count");
  const Json job = Ended(started["id"]);
  EXPECT_EQ(job["state"], "done");
  EXPECT_EQ(job["result"], Json::parse(R"({"counted": 3, "run": "neurons"})"));
  EXPECT_EQ(job["progress"]["done"], 3);
  const Json all = api_.Get("/api/jobs")["jobs"];
  ASSERT_EQ(all.size(), 1u);
  EXPECT_FALSE(all[0].contains("result"));
  EXPECT_EQ(api_.Get("/api/runs")["runs"][0]["jobs"], Json::parse(R"(["count"])"));
  EXPECT_EQ(api_.Get("/api/runs")["runs"][1]["jobs"], Json::array());
}

TEST_F(WorkRoutesTest, JobIsCancelled) {
  const Json started =
      Started({{"kind", "count"}, {"run", "neurons"}, {"parameters", {{"to", 1'000'000}}}});
  EXPECT_EQ(Api::Parsed(api_.Ask("DELETE", "/api/jobs/" + started["id"].dump()), 200)["id"],
            started["id"]);
  const Json job = Ended(started["id"]);
  EXPECT_EQ(job["state"], "cancelled");
  EXPECT_EQ(job["result"], nullptr);
}

TEST_F(WorkRoutesTest, JobsThatCannotBeAreRefusedAtOnce) {
  const auto refused = [&](Json body, int status, const char* part) {
    EXPECT_THAT(api_.Post("/api/jobs", body, status).dump(), HasSubstr(part)) << body.dump();
  };
  refused({{"kind", "other"}, {"run", "neurons"}}, 400, "other");
  refused({{"kind", "count"}, {"run", "nowhere"}}, 404, "nowhere");
  refused({{"kind", "count"}, {"run", "images"}, {"parameters", {{"to", 1}}}}, 400, "images");
  refused({{"kind", "count"}, {"run", "neurons"}}, 400, "to");
  refused({{"kind", "count"}, {"run", "neurons"}, {"parameters", 7}}, 400, "number");
  refused({{"kind", 7}, {"run", "neurons"}}, 400, "kind");
  refused({{"kind", "count"}}, 400, "run");
  refused({{"kind", "count"}, {"run", "neurons"}, {"title", std::string(300, 'x')}}, 400, "title");
  refused(Json::array(), 400, "object");
  api_.Get("/api/jobs/77", {}, 404);
  api_.Get("/api/jobs/x", {}, 400);
  EXPECT_EQ(api_.Ask("DELETE", "/api/jobs/77").status, 404);
}

TEST_F(WorkRoutesTest, TooManyJobsAreRefusedAndCancelledOnesForgotten) {
  const Json body = {{"kind", "count"}, {"run", "neurons"}, {"parameters", {{"to", 1'000'000}}}};
  Started(body);
  int accepted = 0;
  while (accepted < 50 && api_.Ask("POST", "/api/jobs", {}, body).status == 202) ++accepted;
  EXPECT_GE(accepted, 15);
  EXPECT_LE(accepted, 17);
  // A client that starts and cancels forever fills no memory.
  for (int i = 0; i < 300; ++i) {
    const Json jobs = api_.Get("/api/jobs")["jobs"];
    for (const Json& job : jobs) {
      if (job["state"] == "queued") api_.Ask("DELETE", "/api/jobs/" + job["id"].dump());
      if (job["state"] == "queued") break;
    }
    api_.Ask("POST", "/api/jobs", {}, body);
  }
  EXPECT_LE(api_.Get("/api/jobs")["jobs"].size(), 120u);
}

TEST_F(WorkRoutesTest, TryGivesTheTextToTheModel) {
  const std::string path = "/api/runs/neurons/try";
  EXPECT_EQ(api_.Post(path, {{"text", "Once"}})["text"], "Once");
  api_.Post(path, {{"text", std::string(8001, 'x')}}, 400);
  api_.Post(path, {{"text", 5}}, 400);
  api_.Post(path, {{"text", "a"}, {"unit", 5}}, 400);
  api_.Post(path, Json::object(), 400);
  api_.Post(path, nullptr, 400);
  const Reply broken = api_.Ask("POST", path, {}, {{"text", "break"}});
  EXPECT_EQ(broken.status, 500);
  EXPECT_EQ(broken.body.find("secret"), std::string::npos);
  Api without(folders_.Open());
  without.Post(path, {{"text", "Once"}}, 501);
}

// Facts are read again a second after the last time, at most.
template <typename Done>
bool Soon(Done done) {
  for (int i = 0; i < 400; ++i) {
    if (done()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

TEST_F(WorkRoutesTest, ServedRunFollowsItsWriter) {
  const auto runs = folders_.Open();
  const ServedRun& run = *runs[0];
  const auto before = run.Facts();
  EXPECT_EQ(before, run.Facts());  // kept
  EXPECT_EQ(before->graphs.size(), 6u);
  {
    store::RunStore writer = store::RunStore::Open(run.folder(), store::RunStore::Mode::kWrite);
    writer.Transaction([&] { store::PutAll(writer, store::MakeRows(6)); });
    EXPECT_TRUE(Soon([&] { return run.Facts()->graphs.size() == 7; }));
  }
  EXPECT_EQ(before->graphs.size(), 6u);  // who holds the old ones keeps them
}

TEST_F(WorkRoutesTest, RunMadeAnewIsSeenAtOnce) {
  const auto runs = folders_.Open();
  const ServedRun& run = *runs[0];
  EXPECT_EQ(run.Facts()->units.size(), 6u);
  EXPECT_FALSE(run.Borrow()->GetExamples({2, 5}).empty());
  std::filesystem::remove_all(run.folder());
  FillServedRun(run.folder(), 3);
  EXPECT_EQ(run.Facts()->units.size(), 3u);
  EXPECT_TRUE(run.Borrow()->GetExamples({2, 5}).empty());
}

TEST_F(WorkRoutesTest, FolderWithoutARunIsRefused) {
  std::filesystem::create_directories(folders_.folder.path() / "empty");
  EXPECT_THROW(OpenRuns({folders_.folder.path() / "empty"}), base::Error);
  EXPECT_THROW(OpenRuns({folders_.folder.path() / "absent"}), base::Error);
}

TEST_F(WorkRoutesTest, NamesOfRunsAreDistinctAndPlain) {
  FillServedRun(folders_.folder.path() / "other" / "neurons", 1);
  FillServedRun(folders_.folder.path() / "a b?#", 1);
  const auto runs = OpenRuns({folders_.folder.path() / "neurons",
                              folders_.folder.path() / "other" / "neurons" / "",
                              folders_.folder.path() / "a b?#"});
  EXPECT_EQ(runs[0]->name(), "neurons");
  EXPECT_EQ(runs[1]->name(), "neurons-2");
  EXPECT_EQ(runs[2]->name(), "a-b--");
}

TEST(KeptReadingTest, OthersGetTheOldOneWhileOneReads) {
  KeptReading<int> kept;
  std::atomic<int> file = 1, reads = 0;
  std::atomic<bool> hold = false;
  const auto stamp = [&] { return FileStamp{.file = 1, .written = file}; };
  const auto read = [&] {
    ++reads;
    while (hold) std::this_thread::yield();
    return file.load();
  };
  EXPECT_EQ(*kept.Get(stamp, read), 1);
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));
  file = 2;
  hold = true;
  std::thread slow([&] { kept.Get(stamp, read); });
  while (reads < 2) std::this_thread::yield();
  EXPECT_EQ(*kept.Get(stamp, read), 1);
  hold = false;
  slow.join();
  EXPECT_EQ(*kept.Get(stamp, read), 2);
  EXPECT_EQ(reads, 2);
}

}  // namespace
}  // namespace assay::serve
