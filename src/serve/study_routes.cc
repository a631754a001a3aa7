// The two-alternative forced-choice task over neurons: given a unit's graph, which of two texts
// makes it fire more? How often people are right says how much a graph tells them. Trials follow
// from a seed; answers are appended to study.jsonl in the run folder.
#include <fstream>

#include "base/rng.h"
#include "serve/neuron_json.h"
#include "serve/service.h"

namespace assay::serve {
namespace {

using base::ErrorKind;
using base::Fail;
using store::ExampleKind;

struct Trial {
  base::UnitId unit;
  store::Example stronger, weaker;
  bool stronger_first = false;
};

// A held-out example against a sampled one of less than half its activation. Units that have no
// such pair are passed over, faint ones as long as there may be others.
Trial MakeTrial(const ServedRun& run, uint64_t seed, uint64_t number) {
  const auto facts = run.Facts();
  const auto store = run.Borrow();
  base::Rng rng(seed, "study", number);
  constexpr int kAttempts = 400, kNotFaint = 350;
  for (int attempt = 0; attempt < kAttempts && !facts->graphs.empty(); ++attempt) {
    const UnitRow& row = facts->units[facts->graphs[rng.Below(facts->graphs.size())]];
    if (attempt < kNotFaint && facts->IsFaint(row)) continue;
    Trial trial{.unit = row.unit};
    const auto graph = store->GetGraph(trial.unit);
    const auto top = store->GetExamples(trial.unit, ExampleKind::kTop);
    const auto sample = store->GetExamples(trial.unit, ExampleKind::kQuantile);
    if (!graph || graph->nodes.size() < 2 || graph->test.empty() || sample.empty()) continue;
    const int rank = graph->test[rng.Below(graph->test.size())];
    for (const store::Example& example : top) {
      if (example.rank == rank) trial.stronger = example;
    }
    trial.weaker = sample[rng.Below(sample.size())];
    trial.stronger_first = rng.Below(2) == 0;
    if (!trial.stronger.activations.empty() &&
        trial.weaker.activation < 0.5f * trial.stronger.activation) {
      return trial;
    }
  }
  Fail(ErrorKind::kNotFound, "{}: has too few graphs with held-out examples for a study",
       run.name());
}

uint64_t SeedOf(const Request& request) {
  return static_cast<uint64_t>(request.Integer("seed", 0, 1'000'000'000, 1));
}

Json TextOf(const ServedRun& run, base::UnitId unit, const store::Example& example) {
  ExampleQuery query{.kind = example.kind == ExampleKind::kTop ? "top" : "quantile", .limit = 50};
  query.ranks = {example.rank};
  const Json found = NeuronExamples(run, unit, query);
  for (const Json& row : found["examples"]) {
    if (row["bin"] == example.bin && row["rank"] == example.rank)
      return {{"tokens", row["tokens"]}, {"pivot", row["pivot"]}};
  }
  Fail(ErrorKind::kNotFound, "{}: example {} is gone", run.name(), example.rank);
}

Reply ShowTrial(const Service& service, const Request& request) {
  const ServedRun& run = service.Run(request.Text("run"));
  const auto number = static_cast<uint64_t>(request.Integer("trial", 0, 1'000'000));
  const Trial trial = MakeTrial(run, SeedOf(request), number);
  Json texts =
      Json::array({TextOf(run, trial.unit, trial.stronger), TextOf(run, trial.unit, trial.weaker)});
  if (!trial.stronger_first) std::swap(texts[0], texts[1]);
  return JsonReply({{"trial", number},
                    {"layer", trial.unit.layer},
                    {"index", trial.unit.index},
                    {"question", "Which text makes this unit fire more?"},
                    {"texts", texts}});
}

Reply TakeAnswer(Service& service, const Request& request) {
  const ServedRun& run = service.Run(request.Text("run"));
  const auto seed = static_cast<uint64_t>(request.BodyInteger("seed", 0, 1'000'000'000));
  const auto number = static_cast<uint64_t>(request.BodyInteger("trial", 0, 1'000'000));
  const int64_t choice = request.BodyInteger("choice", 0, 1);
  const int64_t milliseconds = request.BodyInteger("milliseconds", 0, 86'400'000);
  const std::string person = request.OptionalBodyText("person", 80).value_or("");
  const Trial trial = MakeTrial(run, seed, number);
  for (const auto& [name, value] :
       {std::pair("layer", trial.unit.layer), std::pair("index", trial.unit.index)}) {
    if (request.body.contains(name) && request.BodyInteger(name, 0, 1'000'000'000) != value)
      Fail(ErrorKind::kUsage, "the run has changed since trial {} was shown; ask for it again",
           number);
  }
  const bool correct = (choice == 0) == trial.stronger_first;
  const Json answer = {{"seed", seed},
                       {"trial", number},
                       {"layer", trial.unit.layer},
                       {"index", trial.unit.index},
                       {"choice", choice},
                       {"correct", correct},
                       {"milliseconds", milliseconds},
                       {"person", person}};
  const std::lock_guard lock(service.answers_mutex());
  std::ofstream file(run.folder() / "study.jsonl", std::ios::app);
  file << answer.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n' << std::flush;
  if (!file) Fail(ErrorKind::kIo, "{}: the answer could not be saved", run.name());
  return JsonReply(
      {{"correct", correct},
       {"stronger", trial.stronger_first ? 0 : 1},
       {"activations", trial.stronger_first
                           ? Json::array({trial.stronger.activation, trial.weaker.activation})
                           : Json::array({trial.weaker.activation, trial.stronger.activation})}});
}

Reply Summary(Service& service, const Request& request) {
  const ServedRun& run = service.Run(request.Text("run"));
  const std::lock_guard lock(service.answers_mutex());
  std::ifstream file(run.folder() / "study.jsonl");
  int answers = 0, correct = 0;
  for (std::string line; std::getline(file, line);) {
    const auto row = nlohmann::json::parse(line, nullptr, false);
    if (!row.is_object() || !row.contains("correct")) continue;
    ++answers;
    correct += row["correct"] == true ? 1 : 0;
  }
  return JsonReply({{"answers", answers}, {"correct", correct}});
}

}  // namespace

void AddStudyRoutes(Router& router, Service& service) {
  router.Add("GET", "/api/runs/{run}/study",
             [&service](const Request& request) { return Summary(service, request); });
  router.Add("POST", "/api/runs/{run}/study",
             [&service](const Request& request) { return TakeAnswer(service, request); });
  router.Add("GET", "/api/runs/{run}/study/{trial}",
             [&service](const Request& request) { return ShowTrial(service, request); });
}

}  // namespace assay::serve
