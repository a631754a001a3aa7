// `assay neurons score`: how well graphs predict firing, beside the lookups.
#include <fmt/core.h>

#include <memory>
#include <set>

#include "app/commands.h"
#include "app/loaded_units.h"
#include "app/neurons_run.h"
#include "app/score_table.h"
#include "app/terminal.h"
#include "base/file.h"
#include "data/text_corpus.h"
#include "neurons/graph_score.h"
#include "neurons/score_run.h"

namespace assay::app {
namespace {

using base::ErrorKind;
using base::Fail;

struct ScoreArguments {
  std::string run, model, text, json, device = "cpu", dtype = "float32";
  int sequences = 50;
};

std::vector<std::vector<int32_t>> SampledSequences(const store::RunStore& store, int count) {
  std::vector<std::vector<int32_t>> out;
  const nlohmann::json sequences = RequireManifest(store, "sequences", "assay neurons collect");
  if (!sequences.contains("sampled")) return out;  // given examples: there is no text to draw from
  const auto sampled = sequences.at("sampled").get<std::vector<int64_t>>();
  for (const int64_t id : neurons::SpreadOver(sampled, count))
    out.push_back(store.GetSequence(id).tokens);
  return out;
}

std::vector<std::vector<int32_t>> SecondText(const ScoreArguments& arguments,
                                             const LoadedModel& model, int bos_tokens) {
  data::TextCorpus corpus({arguments.text}, {}, [](const data::CorpusProblem& problem) {
    fmt::print(stderr, "warning: {}\n", ToString(problem));
  });
  const auto bos = data::ResolveBos(bos_tokens > 0 ? "always" : "never",
                                    model.tokenizer->Specials(), model.network.config().bos_id);
  data::TokenSequenceOptions options;
  options.max_tokens = std::min(options.max_tokens, model.network.config().max_positions);
  options.max_sequences = arguments.sequences;
  data::TokenSequences sequences(corpus, *model.tokenizer, bos, options);
  std::vector<std::vector<int32_t>> out;
  while (auto next = sequences.Next()) out.push_back(std::move(next->tokens));
  return out;
}

void RunScore(const ScoreArguments& arguments) {
  store::RunStore::Open(arguments.run, store::RunStore::Mode::kRead);
  store::RunStore store = store::RunStore::Open(arguments.run, store::RunStore::Mode::kWrite);
  neurons::ScoreContext context{.options = RunGraphOptions(store)};
  context.classes = RunTokenClasses(store, context.options);
  context.bos_tokens = RunBosTokens(store);
  context.first_counted = RunFirstCounted(store);
  const std::vector<base::UnitId> units = store.UnitsWithGraph();
  if (units.empty())
    Fail(ErrorKind::kNotFound, "{}: has no graphs to score; make them with `assay neurons graph`",
         arguments.run);
  store.DropScores();
  neurons::ScoreHeldOut(store, units, context, TerminalProgress());
  const auto random = SampledSequences(store, arguments.sequences);
  if (!random.empty() || !arguments.text.empty()) {
    const auto loaded = LoadRunUnits(store, arguments.model, arguments.device, arguments.dtype);
    const LoadedModel& model = loaded->model;
    if (!random.empty())
      neurons::ScoreTexts(store, units, "random_text", random, *loaded->units, context,
                          TerminalProgress());
    if (!arguments.text.empty()) {
      neurons::ScoreTexts(store, units, "second_text",
                          SecondText(arguments, model, context.bos_tokens), *loaded->units, context,
                          TerminalProgress());
    }
  }
  store.PutManifest("score", {{"sequences", arguments.sequences},
                              {"second_text", arguments.text},
                              {"finished_at", TimeNow()}});
  fmt::print("{}", ScoreTables(store));
  if (!arguments.json.empty()) base::WriteFile(arguments.json, ScoreJson(store).dump(1) + "\n");
}

}  // namespace

void AddNeuronsScore(CLI::App& neurons) {
  auto arguments = std::make_shared<ScoreArguments>();
  CLI::App* command = neurons.add_subcommand(
      "score", "Precision, recall and F1 of every graph, beside token and n-gram lookup");
  command->add_option("--run", arguments->run, "run folder")->required();
  command->add_option("--model", arguments->model, "model folder; absent: the one of the run");
  command->add_option("--text", arguments->text, "also score on this second text (file or folder)");
  command
      ->add_option("--sequences", arguments->sequences,
                   "sequences of random text and of the second text")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--json", arguments->json, "write the scores to this file");
  AddDeviceOptions(*command, arguments->device, arguments->dtype);
  command->callback([arguments] { RunScore(*arguments); });
}

}  // namespace assay::app
