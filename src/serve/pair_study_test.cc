#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "serve/serve_testing.h"

namespace assay::serve {
namespace {

using ::testing::HasSubstr;

class PairStudyTest : public ::testing::Test {
 protected:
  PairStudyTest() { FillPairs(folder_.path() / "faces"); }
  Api MakeApi() const { return Api(OpenRuns({folder_.path() / "faces"})); }
  static Json Answer(int pair, int choice, const std::string& session = "session1") {
    return {{"session", session}, {"pair", pair}, {"choice", choice}, {"milliseconds", 900}};
  }

  store::TemporaryFolder folder_;
  const std::string path_ = "/api/runs/faces/pairs";
};

TEST_F(PairStudyTest, ShowsPairsWithoutTheKey) {
  const Api api = MakeApi();
  EXPECT_TRUE(api.Get("/api/runs")["runs"][0]["pairs"].get<bool>());
  EXPECT_EQ(api.Get(path_),
            Json::parse(R"({"study": "study-12ab34cd", "pairs": 2, "answered": []})"));
  EXPECT_EQ(api.Ask("GET", path_ + "/2/1").body, kTinyPng + "0002-1.png");
  EXPECT_EQ(api.Ask("GET", path_ + "/2/1").type, "image/png");
  api.Get(path_ + "/3/1", {}, 404);
  api.Get(path_ + "/0/1", {}, 400);
  api.Get(path_ + "/1/3", {}, 400);
  api.Get(path_ + "/../1", {}, 400);
}

TEST_F(PairStudyTest, KeepsAnswersAsTheScorerReadsThem) {
  const Api api = MakeApi();
  Json named = Answer(2, 1);
  named["person"] = "Jürgen";
  EXPECT_EQ(api.Post(path_, named), Json::parse(R"({"answered": [2]})"));
  EXPECT_EQ(api.Post(path_, Answer(1, 2)), Json::parse(R"({"answered": [2, 1]})"));
  EXPECT_THAT(api.Post(path_, Answer(1, 1), 400).dump(), HasSubstr("before"));
  EXPECT_EQ(api.Post(path_, Answer(1, 1, "session2")), Json::parse(R"({"answered": [1]})"));
  EXPECT_EQ(api.Get(path_, {{"session", "session1"}})["answered"], Json::parse("[2, 1]"));
  EXPECT_EQ(base::ReadFile(folder_.path() / "faces" / "answers" / "study-12ab34cd-session1.csv"),
            "study,trial,choice,milliseconds,person\n"
            "study-12ab34cd,2,1,900,Jürgen\n"
            "study-12ab34cd,1,2,900,\n");
}

TEST_F(PairStudyTest, RefusesWhatIsNoAnswer) {
  const Api api = MakeApi();
  for (const auto& [name, value] :
       std::vector<std::pair<std::string, Json>>{{"session", "../../etc"},
                                                 {"session", "short"},
                                                 {"session", 7},
                                                 {"pair", 3},
                                                 {"pair", 0},
                                                 {"choice", 0},
                                                 {"choice", 3},
                                                 {"milliseconds", -1},
                                                 {"person", "a,b"},
                                                 {"person", "a\nb"},
                                                 {"person", 5}}) {
    Json bad = Answer(1, 1);
    bad[name] = value;
    api.Post(path_, bad, 400);
  }
  api.Get(path_, {{"session", "../.."}}, 400);
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "faces" / "answers"));
}

TEST_F(PairStudyTest, PageWithoutANameIsRefused) {
  WriteText(folder_.path() / "faces" / "study.html", "<p>study-of pictures");
  EXPECT_THAT(MakeApi().Get(path_, {}, 422).dump(), HasSubstr("study.html"));
}

}  // namespace
}  // namespace assay::serve
