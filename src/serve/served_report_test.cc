// Reports with the items that were tried since.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "serve/serve_testing.h"

namespace assay::serve {
namespace {

using ::testing::ElementsAre;

class ServedReportTest : public ::testing::Test {
 protected:
  ServedReportTest() : report_(folder_.path()) {
    WriteReport("m1");
    WriteText(folder_.path() / "gallery" / "b.png", kTinyPng);
  }
  void WriteReport(const std::string& model) {
    const Json report = {{"model", {{"hash", model}}},
                         {"data", {{"hash", "d1"}}},
                         {"items", Json::array({{{"name", "pgd"}}})}};
    WriteText(folder_.path() / "report.json", report.dump());
  }
  static Json Tried(const std::string& name, const std::string& when,
                    const std::string& picture = "") {
    return {{"model", "m1"},
            {"data", "d1"},
            {"created_at", when},
            {"item", {{"name", name}, {"picture", picture}}}};
  }
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    const Json report = Json::parse(report_.Read()->json);
    for (const Json& item : report.value("tried", Json::array())) names.push_back(item["name"]);
    return names;
  }

  store::TemporaryFolder folder_;
  ServedReport report_;
};

TEST_F(ServedReportTest, TriedItemsFollowAtOnceOldestFirst) {
  EXPECT_FALSE(Json::parse(report_.Read()->json).contains("tried"));
  report_.AddTried(Tried("stain-at-0.1", "2026-01-02T00:00:00Z", "gallery/b.png"));
  EXPECT_THAT(Names(), ElementsAre("stain-at-0.1"));
  report_.AddTried(Tried("pgd-at-1", "2026-01-01T00:00:00Z"));
  EXPECT_THAT(Names(), ElementsAre("pgd-at-1", "stain-at-0.1"));
  report_.AddTried(Tried("pgd-at-1", "2026-01-03T00:00:00Z"));  // again: in its place
  EXPECT_THAT(Names(), ElementsAre("stain-at-0.1", "pgd-at-1"));
  const Json report = Json::parse(report_.Read()->json);
  EXPECT_EQ(report["tried"][1]["created_at"], "2026-01-03T00:00:00Z");
  EXPECT_EQ(report["items"].size(), 1u);  // the report itself stays
  EXPECT_EQ(report_.Picture("gallery", "b.png"), kTinyPng);
}

TEST_F(ServedReportTest, ItemsOfAnotherEvaluationAndRubbishAreLeftOut) {
  report_.AddTried(Tried("pgd-at-1", "2026-01-01T00:00:00Z", "gallery/b.png"));
  Json other = Tried("pgd-at-2", "2026-01-01T00:00:00Z");
  other["data"] = "d2";
  report_.AddTried(other);
  WriteText(folder_.path() / "tried" / "a.json", "{");
  WriteText(folder_.path() / "tried" / "b.json", "[1]");
  WriteText(folder_.path() / "tried" / "c.json", R"({"model": "m1", "data": "d1", "item": 7})");
  EXPECT_THAT(Names(), ElementsAre("pgd-at-1"));
  WriteReport("m2");
  const ServedReport later(folder_.path());
  EXPECT_FALSE(Json::parse(later.Read()->json).contains("tried"));
  EXPECT_THROW(later.Picture("gallery", "b.png"), base::Error);
}

TEST(EvaluationsRouteTest, AsksWhatTheProgramOffers) {
  const ServedFolders folders;
  Api without(folders.Open());
  without.Get("/api/runs/images/evaluations", {}, 501);
  ModelWork work;
  work.evaluations = [](const ServedRun& run) -> Json { return {{"choices", {run.name()}}}; };
  work.jobs["evaluate"] = {.offered = [](const ServedRun& run) { return run.has_robustness(); },
                           .check = {},
                           .work = {}};
  Api api(folders.Open(), work);
  EXPECT_EQ(api.Get("/api/runs/images/evaluations")["choices"], Json::array({"images"}));
  api.Get("/api/runs/neurons/evaluations", {}, 404);
  api.Get("/api/runs/nowhere/evaluations", {}, 404);
}

TEST(KeptReadingTest, ExpiredIsReadAgainAtOnceEvenWhileOneReads) {
  KeptReading<int> kept;
  std::atomic<int> value = 1, reads = 0;
  std::atomic<bool> hold = false;
  const auto stamp = [] { return FileStamp{.file = 1, .written = 1}; };
  const auto read = [&] {
    const int now = value;
    ++reads;
    while (hold) std::this_thread::yield();
    return now;
  };
  EXPECT_EQ(*kept.Get(stamp, read), 1);
  value = 2;
  EXPECT_EQ(*kept.Get(stamp, read), 1);  // the file did not change
  hold = true;
  kept.Expire();
  std::thread slow([&] { EXPECT_EQ(*kept.Get(stamp, read), 2); });
  while (reads < 2) std::this_thread::yield();
  value = 3;  // after the slow one has looked
  kept.Expire();
  hold = false;
  EXPECT_EQ(*kept.Get(stamp, read), 3);
  slow.join();
}

}  // namespace
}  // namespace assay::serve
