// For the tests of serve: small served runs built in code, and the API asked without a socket.
#pragma once

#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "serve/service.h"
#include "store/store_testing.h"

namespace assay::serve {

inline constexpr const char* kHostileToken = "<script>alert(1)</script>";

// Units 0:0, 1:1, 2:2, 0:3 ... with graphs, scores and examples (two top, one sampled); unit 0:0
// has two clusters. Token 1 reads as markup.
inline void FillServedRun(const std::filesystem::path& folder, int units = 6) {
  using store::ExampleKind;
  store::RunStore run = store::RunStore::Open(folder, store::RunStore::Mode::kWrite);
  store::FillRun(run, units);
  run.Transaction([&] {
    run.PutManifest("model", {{"folder", "/models/tiny"}, {"hook", "blocks.{}.mlp.hook_post"}});
    std::vector<std::string> texts;
    for (int i = 0; i < 64; ++i) texts.push_back(" token" + std::to_string(i));
    texts[1] = kHostileToken;
    run.PutTokenTexts(texts);
    for (int i = 0; i < units; ++i) {
      run.Put(store::Example{{i % 3, i}, ExampleKind::kTop, 0, 1, i, 2, 9, {NAN, 0.1f, 9, 0.2f}});
    }
    const store::UnitId unit{0, 0};
    run.Put(store::Embedding{
        unit, 2, {{ExampleKind::kTop, 0, 0}, {ExampleKind::kTop, 0, 1}}, {1, 0, 0, 1}});
    for (int cluster = 0; cluster < 2; ++cluster) {
      run.Put(store::FeatureCluster{.unit = unit,
                                    .cluster = cluster,
                                    .members = {cluster},
                                    .cohesion = 1,
                                    .label = cluster == 0 ? "Paris after in" : "<b>bold</b>"});
    }
    run.Put(store::UnitMeasures{
        .unit = unit, .examples = 2, .clusters = 2, .polysemanticity = 0.4, .cut_reason = "test"});
    run.Put(store::SimilarCluster{unit, 0, 0, unit, 1, 0.5});
    store::Graph graph = store::MakeGraph(unit, {5}, {6});
    run.Put(store::ClusterGraph{1, graph});
  });
}

inline void WriteText(const std::filesystem::path& path, const std::string& text) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

inline const std::string kTinyPng = std::string("\x89PNG\r\n\x1a\n", 8) + "picture";

// A report that names one picture; the folder has another one, and secrets.
inline void FillRobustnessRun(const std::filesystem::path& folder) {
  const Json report = {
      {"schema", "assay.robustness"},
      {"items", Json::array({{{"name", "pgd"},
                              {"gallery", Json::array({{{"tile", "<img src=x>"},
                                                        {"pictures",
                                                         {{"original", "gallery/a.png"},
                                                          {"gone", "gallery/gone.png"},
                                                          {"link", "gallery/link.png"},
                                                          {"text", "gallery/text.png"},
                                                          {"up", "../secret.png"}}}}})}}})}};
  WriteText(folder / "report.json", report.dump());
  WriteText(folder / "gallery" / "a.png", kTinyPng);
  WriteText(folder / "gallery" / "unnamed.png", kTinyPng);
  WriteText(folder / "gallery" / "text.png", "no picture");
  WriteText(folder.parent_path() / "secret.png", kTinyPng);
  std::filesystem::create_symlink(folder.parent_path() / "secret.png",
                                  folder / "gallery" / "link.png");
}

// What `assay robust study make` writes: two pairs.
inline void FillPairs(const std::filesystem::path& folder) {
  WriteText(folder / "study.html", "<p>Study study-12ab34cd · 2 pairs</p><script>study-x");
  for (const char* name : {"0001-1.png", "0001-2.png", "0002-1.png", "0002-2.png"})
    WriteText(folder / "pairs" / name, kTinyPng + name);
}

// Served runs "neurons" and "images" in a folder of their own.
struct ServedFolders {
  ServedFolders() {
    FillServedRun(folder.path() / "neurons");
    FillRobustnessRun(folder.path() / "images");
  }
  std::vector<std::unique_ptr<ServedRun>> Open() const {
    return OpenRuns({folder.path() / "neurons", folder.path() / "images"});
  }
  store::TemporaryFolder folder;
};

// The API without a server.
class Api {
 public:
  explicit Api(std::vector<std::unique_ptr<ServedRun>> runs, ModelWork work = {})
      : service(std::move(runs), std::move(work)), router(MakeRouter(service)) {}

  Reply Ask(const std::string& method, const std::string& path,
            std::map<std::string, std::string> query = {}, Json body = nullptr) const {
    return router.Answer(method, path,
                         {.path = {}, .query = std::move(query), .body = std::move(body)});
  }
  // The JSON of an answer; fails the test when the status is another one.
  Json Get(const std::string& path, std::map<std::string, std::string> query = {},
           int status = 200) const {
    return Parsed(Ask("GET", path, std::move(query)), status);
  }
  Json Post(const std::string& path, Json body, int status = 200) const {
    return Parsed(Ask("POST", path, {}, std::move(body)), status);
  }
  static Json Parsed(const Reply& reply, int status) {
    EXPECT_EQ(reply.status, status) << reply.body.substr(0, 300);
    return Json::parse(reply.body, nullptr, false);
  }

  Service service;
  Router router;
};

}  // namespace assay::serve
