// The routes of units, asked without a socket.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "serve/neuron_json.h"
#include "serve/serve_testing.h"

namespace assay::serve {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class RoutesTest : public ::testing::Test {
 protected:
  ServedFolders folders_;
  Api api_{folders_.Open()};
  const std::string run_ = "/api/runs/neurons", neuron_ = run_ + "/neurons/0/0";

  std::string ErrorAt(const std::string& path, std::map<std::string, std::string> query,
                      int status) {
    const Json answer = api_.Get(path, std::move(query), status);
    return answer["error"]["message"].get<std::string>();
  }
};

TEST_F(RoutesTest, RunsSayWhatTheyHave) {
  const Json runs = api_.Get("/api/runs")["runs"];
  ASSERT_EQ(runs.size(), 2u);
  EXPECT_EQ(runs[0]["name"], "neurons");
  EXPECT_EQ(runs[0]["model"], "tiny");
  EXPECT_EQ(runs[0]["units"], 6);
  EXPECT_EQ(runs[0]["graphs"], 6);
  EXPECT_TRUE(runs[0]["clusters"].get<bool>());
  EXPECT_FALSE(runs[0]["try"].get<bool>());
  EXPECT_FALSE(runs[0]["images"].get<bool>());
  EXPECT_EQ(runs[0]["unit_name"], "neuron");
  EXPECT_FALSE(runs[0]["robustness"].get<bool>());
  EXPECT_TRUE(runs[1]["robustness"].get<bool>());
  EXPECT_FALSE(runs[1]["neurons"].get<bool>());
}

TEST_F(RoutesTest, UnknownAddressesAndMethodsAreErrors) {
  EXPECT_THAT(ErrorAt("/api/runs/none", {}, 404), HasSubstr("none"));
  api_.Get("/api/nothing", {}, 404);
  api_.Get("/api/runs/neurons/neurons/0", {}, 404);
  const Reply wrong = api_.Ask("DELETE", "/api/jobs");
  EXPECT_EQ(wrong.status, 405);
  EXPECT_EQ(wrong.allow, "GET, POST");
  EXPECT_THAT(ErrorAt("/api/runs/images/neurons/0/0", {}, 404), HasSubstr("no neurons"));
}

TEST_F(RoutesTest, OverviewHasMeansOfTheScores) {
  const Json overview = api_.Get(run_);
  EXPECT_EQ(overview["layers"].size(), 3u);
  EXPECT_EQ(overview["layers"][0]["units"], 2);
  EXPECT_EQ(overview["highlights"]["polysemantic"].size(), 0u);  // 2 examples say too little
  EXPECT_EQ(overview["highlights"]["best"].size(), 4u);
  EXPECT_EQ(overview["highlights"]["best"][0],
            Json::parse(R"({"layer": 2, "index": 5, "value": 0.5})"));
  EXPECT_EQ(overview["polysemanticity"][0]["clusters"], 2);
  bool found = false;
  for (const Json& row : overview["scores"]) {
    if (row["set"] != "held_out" || row["layer"] != 0) continue;
    found = true;
    EXPECT_DOUBLE_EQ(row["f1"].get<double>(), 0.15);  // 0 for the undefined one of 0:0, 0.3 of 0:3
    EXPECT_EQ(row["units"], 2);
  }
  EXPECT_TRUE(found);
}

TEST_F(RoutesTest, LabelsHideNothing) {
  {
    store::RunStore run =
        store::RunStore::Open(folders_.folder.path() / "neurons", store::RunStore::Mode::kWrite);
    store::FeatureCluster cluster = run.GetClusters({0, 0}).front();
    cluster.label = "As (after: \x0c)";
    run.Put(cluster);
  }
  Api api(folders_.Open());
  EXPECT_EQ(api.Get(neuron_)["clusters"][0]["label"], "As (after: \\x0C)");
  EXPECT_EQ(api.Get(run_ + "/search", {{"label", "as"}})["hits"][0]["label"], "As (after: \\x0C)");
}

TEST_F(RoutesTest, FaintUnitsAreNotRecommended) {
  {
    store::RunStore run =
        store::RunStore::Open(folders_.folder.path() / "neurons", store::RunStore::Mode::kWrite);
    for (const base::UnitId unit : {base::UnitId{0, 0}, base::UnitId{2, 5}}) {
      store::UnitStats stats = *run.GetStats(unit);
      stats.maximum = 1e-9;
      run.Put(stats);
    }
  }
  Api api(folders_.Open());
  EXPECT_TRUE(api.Get(run_ + "/neurons/2/5")["faint"].get<bool>());
  EXPECT_FALSE(api.Get(run_ + "/neurons/2/2")["faint"].get<bool>());
  const Json best = api.Get(run_)["highlights"]["best"];
  EXPECT_EQ(best.size(), 3u);
  for (const Json& unit : best) EXPECT_NE(unit["index"], 5);
  for (int seed = 0; seed < 20; ++seed) {
    const Json unit = api.Get(run_ + "/random", {{"seed", std::to_string(seed)}});
    EXPECT_NE(unit["index"], 0);
    EXPECT_NE(unit["index"], 5);
  }
}

TEST_F(RoutesTest, LayerMapHasColumnsOfOneLength) {
  const Json map = api_.Get(run_ + "/layers/0");
  EXPECT_EQ(map["index"], Json::parse("[0, 3]"));
  EXPECT_EQ(map["f1"], Json::parse("[null, 0.3]"));
  EXPECT_EQ(map["polysemanticity"], Json::parse("[0.4, null]"));
  EXPECT_EQ(map["firing_rate"], Json::parse("[0.125, 0.125]"));
  EXPECT_EQ(map["has_graph"], Json::parse("[true, true]"));
  ErrorAt(run_ + "/layers/9", {}, 404);
  for (const char* layer : {"x", "-1", "1e3", "99999999999999999999", ""}) {
    const int status = api_.Ask("GET", run_ + "/layers/" + layer).status;
    EXPECT_TRUE(status == 400 || status == 404) << layer;
  }
}

TEST_F(RoutesTest, RandomFollowsFromTheSeed) {
  const Json one = api_.Get(run_ + "/random", {{"seed", "7"}});
  EXPECT_EQ(one, api_.Get(run_ + "/random", {{"seed", "7"}}));
  std::set<std::string> all;
  for (int seed = 0; seed < 50; ++seed)
    all.insert(api_.Get(run_ + "/random", {{"seed", std::to_string(seed)}}).dump());
  EXPECT_EQ(all.size(), 6u);
  ErrorAt(run_ + "/random", {}, 400);
}

TEST_F(RoutesTest, NeuronHasStatisticsScoresClustersAndNeighbours) {
  const Json neuron = api_.Get(neuron_);
  EXPECT_EQ(neuron["hook"], "blocks.0.mlp.hook_post");
  EXPECT_EQ(neuron["stats"]["tokens"], 1000);
  EXPECT_EQ(neuron["examples"], Json::parse(R"({"quantile": 1, "top": 2})"));
  EXPECT_EQ(neuron["scores"].size(), 2u);
  EXPECT_EQ(neuron["clusters"].size(), 2u);
  EXPECT_EQ(neuron["clusters"][1]["label"], "<b>bold</b>");
  EXPECT_TRUE(neuron["clusters"][1]["has_graph"].get<bool>());
  EXPECT_EQ(neuron["clusters"][0]["similar"][0]["label"], "<b>bold</b>");
  EXPECT_EQ(neuron["previous"], nullptr);
  EXPECT_EQ(neuron["next"], Json::parse(R"({"layer": 0, "index": 3})"));
  int counted = 0;
  for (const Json& count : neuron["histogram"]["counts"]) counted += count.get<int>();
  EXPECT_EQ(counted, 3);  // the sampled example without its BOS
  ErrorAt(run_ + "/neurons/9/9", {}, 404);
  ErrorAt(run_ + "/neurons/0/1", {}, 404);
  ErrorAt(run_ + "/neurons/zero/1", {}, 400);
}

TEST_F(RoutesTest, ExamplesComeByThePage) {
  const std::string path = neuron_ + "/examples";
  const Json top = api_.Get(path);
  EXPECT_EQ(top["total"], 2);
  EXPECT_EQ(top["examples"][0]["activation"], 9.5);
  EXPECT_EQ(top["examples"][0]["activations"][0], nullptr);  // BOS
  EXPECT_EQ(top["examples"][0]["tokens"][0], kHostileToken);
  EXPECT_EQ(top["examples"][0]["half"], "train");
  EXPECT_EQ(top["examples"][1]["half"], "test");
  const Json second = api_.Get(path, {{"offset", "1"}, {"limit", "1"}});
  EXPECT_EQ(second["examples"].size(), 1u);
  EXPECT_EQ(second["examples"][0]["rank"], 1);
  EXPECT_EQ(api_.Get(path, {{"ranks", "1"}})["examples"][0]["rank"], 1);
  EXPECT_EQ(api_.Get(path, {{"offset", "1000"}})["examples"].size(), 0u);
  EXPECT_EQ(api_.Get(path, {{"kind", "quantile"}})["examples"][0]["bin"], 3);
  const Json cluster = api_.Get(path, {{"cluster", "1"}});
  EXPECT_EQ(cluster["total"], 1);
  EXPECT_EQ(cluster["examples"][0]["rank"], 1);
  EXPECT_THAT(ErrorAt(path, {{"kind", "best"}}, 400), HasSubstr("best"));
  ErrorAt(path, {{"limit", "51"}}, 400);
  ErrorAt(path, {{"limit", "0"}}, 400);
  ErrorAt(path, {{"offset", "-1"}}, 400);
  ErrorAt(path, {{"ranks", "1,x"}}, 400);
  std::string many = "0";
  for (int i = 0; i < 1000; ++i) many += ",0";
  ErrorAt(path, {{"ranks", many}}, 400);
}

TEST_F(RoutesTest, PromptsShowPruningAndVariations) {
  const Json prompts = api_.Get(neuron_ + "/prompts/0");
  EXPECT_EQ(prompts["pruning"]["outcome"], "context_limit");
  EXPECT_EQ(prompts["pruning"]["trajectory"], Json::parse("[1.0, 4.0]"));
  ASSERT_EQ(prompts["prompts"].size(), 2u);
  EXPECT_EQ(prompts["prompts"][0]["substitution"], nullptr);
  EXPECT_EQ(prompts["prompts"][1]["substitution"]["substitute"], "dog");
  EXPECT_FALSE(prompts["prompts"][1]["kept"].get<bool>());
  ErrorAt(neuron_ + "/prompts/5", {}, 404);
  ErrorAt(neuron_ + "/prompts/x", {}, 400);
}

TEST_F(RoutesTest, GraphIsDrawnWithTokensAsText) {
  store::RunStore::Open(folders_.folder.path() / "neurons", store::RunStore::Mode::kWrite)
      .Put(store::MakeGraph({0, 0}, {1, 2}, {3}));
  const Json picture = api_.Get(neuron_ + "/graph");
  const auto svg = picture["svg"].get<std::string>();
  EXPECT_THAT(svg, Not(HasSubstr("<script")));
  EXPECT_THAT(svg, HasSubstr("&lt;script"));
  EXPECT_EQ(picture["nodes"].size(), 3u);
  EXPECT_TRUE(picture["nodes"][0]["activating"].get<bool>());
  EXPECT_EQ(picture["nodes"][0]["text"], kHostileToken);
  EXPECT_EQ(api_.Get(neuron_ + "/graph", {{"nodes", "1"}})["nodes"].size(), 1u);
  EXPECT_EQ(api_.Get(neuron_ + "/graph", {{"cluster", "1"}})["nodes"].size(), 2u);
  ErrorAt(neuron_ + "/graph", {{"cluster", "0"}}, 404);
  ErrorAt(neuron_ + "/graph", {{"nodes", "401"}}, 400);
  ErrorAt(run_ + "/neurons/0/1/graph", {}, 404);
}

TEST_F(RoutesTest, SheetNeedsAServerThatDrawsTiles) {
  api_.Get(neuron_ + "/sheet", {}, 501);
  ModelWork work;
  work.sheet = [](const ServedRun& run, base::UnitId unit, std::optional<int> cluster) {
    return run.name() + ToString(unit) + (cluster ? std::to_string(*cluster) : "");
  };
  Api drawing(folders_.Open(), std::move(work));
  const Reply sheet = drawing.Ask("GET", run_ + "/neurons/1/4/sheet", {{"cluster", "2"}});
  EXPECT_EQ(sheet.type, "image/png");
  EXPECT_EQ(sheet.body, "neurons1:42");
}

TEST_F(RoutesTest, SimilarNeedsAGraph) {
  EXPECT_TRUE(api_.Get(neuron_ + "/similar")["similar"].is_array());
  ErrorAt(run_ + "/neurons/0/1/similar", {}, 404);
}

TEST_F(RoutesTest, SearchFindsTokensAndLabels) {
  const std::string path = run_ + "/search";
  const Json hits = api_.Get(path, {{"activating", " token0"}})["hits"];
  ASSERT_GE(hits.size(), 1u);
  for (const Json& hit : hits) EXPECT_THAT(hit["activating"].dump(), HasSubstr("token0"));
  EXPECT_EQ(api_.Get(path, {{"layer", "1"}})["hits"].size(), 2u);
  EXPECT_EQ(api_.Get(path, {{"limit", "1"}})["hits"].size(), 1u);
  EXPECT_EQ(api_.Get(path, {{"min_f1", "0.4"}})["hits"].size(), 1u);  // 2:5 with 0.5; 1:4 has none
  const Json labels = api_.Get(path, {{"label", "PARIS"}})["hits"];
  ASSERT_EQ(labels.size(), 1u);
  EXPECT_EQ(labels[0]["cluster"], 0);
  EXPECT_TRUE(labels[0]["has_graph"].is_boolean());
  EXPECT_EQ(labels[0]["label"], "Paris after in");
  ErrorAt(path, {{"layer", "x"}}, 400);
  ErrorAt(path, {{"min_f1", "nan"}}, 400);
  ErrorAt(path, {{"min_f1", "1.5"}}, 400);
  ErrorAt(path, {{"exact", "maybe"}}, 400);
  ErrorAt(path, {{"limit", "101"}}, 400);
  std::string many;
  for (int i = 0; i < 17; ++i) many += "a\n";
  ErrorAt(path, {{"context", many}}, 400);
}

TEST_F(RoutesTest, StudyJudgesAndKeepsAnswers) {
  const std::string path = run_ + "/study";
  EXPECT_EQ(api_.Get(path), Json::parse(R"({"answers": 0, "correct": 0})"));
  const Json trial = api_.Get(path + "/3", {{"seed", "11"}});
  EXPECT_EQ(trial, api_.Get(path + "/3", {{"seed", "11"}}));
  EXPECT_EQ(trial["texts"].size(), 2u);
  Json body = {
      {"seed", 11}, {"trial", 3}, {"choice", 0}, {"milliseconds", 900}, {"person", "A \n B"}};
  const Json first = api_.Post(path, body);
  body["choice"] = 1;
  const Json second = api_.Post(path, body);
  EXPECT_NE(first["correct"], second["correct"]);
  EXPECT_EQ(first["stronger"], first["correct"].get<bool>() ? 0 : 1);
  const int stronger = first["stronger"].get<int>();
  EXPECT_GT(first["activations"][stronger].get<double>(),
            first["activations"][1 - stronger].get<double>());
  EXPECT_EQ(api_.Get(path), Json::parse(R"({"answers": 2, "correct": 1})"));
  // Both orders of the texts occur.
  std::set<int> sides;
  for (int number = 0; number < 30; ++number) {
    body["trial"] = number;
    sides.insert(api_.Post(path, body)["stronger"].get<int>());
  }
  EXPECT_EQ(sides.size(), 2u);
}

TEST_F(RoutesTest, StudyRefusesWhatIsNoAnswer) {
  const std::string path = run_ + "/study";
  const Json good = {{"seed", 1}, {"trial", 0}, {"choice", 0}, {"milliseconds", 1}};
  for (const auto& [name, value] :
       std::vector<std::pair<std::string, Json>>{{"choice", 2},
                                                 {"choice", "0"},
                                                 {"choice", 0.5},
                                                 {"choice", nullptr},
                                                 {"seed", -1},
                                                 {"trial", 1e30},
                                                 {"milliseconds", Json::array()},
                                                 {"person", 7},
                                                 {"person", std::string(81, 'x')},
                                                 {"layer", 77},
                                                 {"trial", 18446744073709551615u}}) {
    Json bad = good;
    bad[name] = value;
    api_.Post(path, bad, 400);
  }
  api_.Post(path, nullptr, 400);
  api_.Post(path, Json::array(), 400);
  EXPECT_EQ(api_.Get(path)["answers"], 0);
}

TEST_F(RoutesTest, StyleSheetIsThatOfThePictures) {
  const Reply reply = api_.Ask("GET", "/api/style.css");
  EXPECT_THAT(reply.type, HasSubstr("text/css"));
  EXPECT_GT(reply.body.size(), 500u);
}

TEST_F(RoutesTest, ReportAndThePicturesItNamesAreGiven) {
  const std::string run = "/api/runs/images";
  EXPECT_EQ(api_.Get(run + "/robustness")["items"][0]["gallery"][0]["tile"], "<img src=x>");
  api_.Get(run_ + "/robustness", {}, 404);
  const Reply picture = api_.Ask("GET", run + "/pictures/gallery/a.png");
  EXPECT_EQ(picture.status, 200);
  EXPECT_EQ(picture.type, "image/png");
  EXPECT_EQ(picture.body, kTinyPng);
  for (const char* path :
       {"gallery/unnamed.png", "gallery/gone.png", "gallery/link.png", "../secret.png",
        "gallery/..", "./report.json", "gallery/a.png%00", "gallery/../report.json"}) {
    EXPECT_EQ(api_.Ask("GET", run + "/pictures/" + path).status, 404) << path;
  }
  EXPECT_EQ(api_.Ask("GET", run + "/pictures/gallery/text.png").status, 422);
  EXPECT_EQ(api_.Ask("GET", run_ + "/pictures/gallery/a.png").status, 404);
}

TEST_F(RoutesTest, BrokenReportIsNamed) {
  WriteText(folders_.folder.path() / "broken" / "report.json", "[1]");
  Api api(OpenRuns({folders_.folder.path() / "broken"}));
  EXPECT_THAT(api.Get("/api/runs/broken/robustness", {}, 422).dump(), HasSubstr("report.json"));
  WriteText(folders_.folder.path() / "broken" / "report.json", "{");
  EXPECT_EQ(api.Ask("GET", "/api/runs/broken/robustness").status, 422);
}

TEST(ExamplesOfNodesTest, FollowsKeptPromptsOnly) {
  const store::Graph graph = store::MakeGraph({0, 0}, {5, 6}, {7, 8});
  store::Prompt prompt{.example = 4, .tokens = {8, 7, 5}, .targets = {2}};
  store::Prompt lost = prompt;
  lost.example = 9;
  lost.kept = false;
  store::Prompt shorter{.example = 2, .tokens = {3, 5}, .targets = {1}};
  const auto found = ExamplesOfNodes(graph.nodes, {prompt, lost, shorter});
  using Ranks = std::vector<int>;
  EXPECT_EQ(found[1], (Ranks{2, 4}));  // 5
  EXPECT_EQ(found[2], (Ranks{4}));     // 7 before it
  EXPECT_EQ(found[3], (Ranks{4}));     // 8 before that
  EXPECT_EQ(found[5], Ranks{});        // 6
}

}  // namespace
}  // namespace assay::serve
