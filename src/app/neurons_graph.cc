// `assay neurons graph`: a graph for each neuron of a run.
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>

#include "app/cluster_graph_report.h"
#include "app/commands.h"
#include "app/given_examples.h"
#include "app/loaded_units.h"
#include "app/machine.h"
#include "app/neurons_run.h"
#include "app/option_binding.h"
#include "app/terminal.h"
#include "base/hash.h"
#include "measure/probe_scheduler.h"
#include "neurons/graph_run.h"

namespace assay::app {
namespace {

using base::ErrorKind;
using base::Fail;

struct GraphArguments {
  std::string model, run, examples, by = "neuron", preset = "paper", substitutes = "default",
                                    device = "cpu", dtype = "float32";
  bool restart = false, block_given = false;
  neurons::UnitSelection selection;
  neurons::GraphOptions options;
  neurons::GraphRunOptions graph_run;
  neurons::ClusterGraphOptions clusters;
};

// The masked language model that proposes words, with what it borrows. Stays where it is made.
struct SubstitutesModel {
  explicit SubstitutesModel(LoadedModel loaded)
      : model(std::move(loaded)), source(model.network, *model.tokenizer) {}
  LoadedModel model;
  neurons::MaskedLmSubstitutes source;
};

std::unique_ptr<SubstitutesModel> LoadSubstitutes(const std::string& name,
                                                  const std::string& device) {
  if (name == "none") return nullptr;
  if (name != "default")
    return std::make_unique<SubstitutesModel>(LoadModel(ResolveModel(name), device, "float32"));
  const auto shipped = DefaultSubstitutesFolder();
  if (!shipped)
    Fail(ErrorKind::kNotFound,
         "the shipped substitutes model is not installed; give --substitutes DIR or none");
  return std::make_unique<SubstitutesModel>(LoadModel(*shipped, device, "float32"));
}

// Opens the run; with --examples makes it from the file. Returns the units to do.
std::vector<base::UnitId> PrepareUnits(const GraphArguments& arguments, const LoadedModel& model,
                                       measure::Prober& prober, store::RunStore& store) {
  if (!arguments.examples.empty()) {
    const std::string hash = base::HashFile(arguments.examples);
    const auto text = store.Manifest("text");
    if (text && text->value("hash", "") != hash) {
      Fail(ErrorKind::kUsage,
           "{}: holds examples of another text; give another --run, or --restart to replace it",
           arguments.run);
    }
    store.PutManifest("model", DescribeModel(model, arguments.device, arguments.dtype));
    store.PutTokenTexts(TokenTexts(model));
    if (!text) StoreGivenExamples(arguments.examples, model, prober, store);
  }
  return neurons::SelectUnits(arguments.selection, store.UnitsWithExamples());
}

void RunGraph(const GraphArguments& arguments) {
  WarnAboutBlas();
  base::ValidateFields(arguments.options);
  base::ValidateFields(arguments.graph_run);
  if (!arguments.examples.empty() && arguments.model.empty())
    Fail(ErrorKind::kUsage, "--examples needs --model");
  if (arguments.restart && !arguments.examples.empty()) std::filesystem::remove_all(arguments.run);
  if (arguments.examples.empty())
    store::RunStore::Open(arguments.run, store::RunStore::Mode::kRead);  // it must exist
  store::RunStore store = store::RunStore::Open(arguments.run, store::RunStore::Mode::kWrite);
  const auto loaded =
      arguments.examples.empty()
          ? LoadRunUnits(store, arguments.model, arguments.device, arguments.dtype)
          : LoadUnits(ResolveModel(arguments.model), "", arguments.device, arguments.dtype);
  const LoadedModel& model = loaded->model;
  const int block =
      arguments.block_given ? arguments.graph_run.block : neurons::BlockFor(model.network.config());
  const auto start = std::chrono::steady_clock::now();
  measure::ProbeScheduler prober(*loaded->units);
  const std::vector<base::UnitId> units = PrepareUnits(arguments, model, prober, store);
  const auto substitutes = LoadSubstitutes(arguments.substitutes, arguments.device);

  neurons::GraphContext context{.tokenizer = *model.tokenizer, .token_texts = store.TokenTexts()};
  context.classes = arguments.options.normalize_tokens
                        ? neurons::TokenClasses::Normalized(context.token_texts)
                        : neurons::TokenClasses();
  context.mask = neurons::ResolveMaskToken(
      arguments.options.mask_token, model.tokenizer->Specials(), model.network.config().vocab);
  context.bos_tokens = RunBosTokens(store);
  context.substitutes = substitutes ? &substitutes->source : nullptr;

  if (arguments.by == "cluster") {
    BuildAndReportClusterGraphs(store, units, arguments.options, arguments.clusters, context,
                                prober);
    return;
  }
  nlohmann::json manifest = {
      {"options", base::FieldsToJson(arguments.options)},
      {"preset", arguments.preset},
      {"mask_id", context.mask},
      {"split_seed", arguments.graph_run.seed},
      {"block", block},
      {"dtype", arguments.dtype},
      {"substitutes", substitutes ? nlohmann::json{{"folder", substitutes->model.folder.string()},
                                                   {"hash", substitutes->model.hash}}
                                  : nlohmann::json("none")},
      {"assay", ASSAY_VERSION}};
  if (const auto earlier = store.Manifest("graph"); earlier && *earlier != manifest) {
    if (!arguments.restart) {
      Fail(ErrorKind::kUsage,
           "{}: its graphs were made with other options; give the same ones to go on, or --restart "
           "to throw the graphs away. They were: {}",
           arguments.run, earlier->dump());
    }
  }
  if (arguments.restart) store.DropGraphs();
  store.PutManifest("graph", manifest);
  neurons::BuildMissingGraphs(store, units, arguments.options,
                              {.block = block, .seed = arguments.graph_run.seed}, context, prober,
                              TerminalProgress());
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const measure::ProbeStats& stats = prober.stats();
  fmt::print("{} graphs in {}\n", units.size(), arguments.run);
  if (stats.requests > 0) {
    fmt::print(
        "{:.1f} s, {:.0f}% in the model: {} prompts asked for, {} run, {} forwards, {} tokens\n",
        seconds, 100 * stats.model_seconds / seconds, stats.requests, stats.prompts, stats.forwards,
        stats.tokens);
  }
}

}  // namespace

void AddNeuronsGraph(CLI::App& neurons) {
  auto arguments = std::make_shared<GraphArguments>();
  CLI::App* command = neurons.add_subcommand(
      "graph",
      "Build neurons' graphs from their examples; goes on where an interrupted run stopped");
  command->add_option("--run", arguments->run, "run folder")->required();
  command->add_option("--model", arguments->model,
                      "model folder; absent: the one the run was collected with");
  command->add_option("--examples", arguments->examples,
                      "take examples and their halves from this JSON file instead of a collection");
  command
      ->add_option("--by", arguments->by,
                   "neuron: a graph each; cluster: a graph for each cluster of `assay neurons "
                   "embed`, and whether that predicts better")
      ->check(CLI::IsMember({"neuron", "cluster"}))
      ->capture_default_str();
  command->add_option("--layers", arguments->selection.layers, "layers, for example 0,2-3");
  command->add_option("--units", arguments->selection.units, "neurons, for example 2:15,3:0-99");
  command
      ->add_option("--sample", arguments->selection.sample,
                   "this many neurons of each layer, at random")
      ->check(CLI::PositiveNumber);
  command->add_option("--seed", arguments->selection.seed, "of --sample")->capture_default_str();
  command
      ->add_option("--substitutes", arguments->substitutes,
                   "masked LM that proposes words: DIR, default or none")
      ->capture_default_str();
  command->add_flag("--restart", arguments->restart, "throw away the graphs that the run has");
  AddDeviceOptions(*command, arguments->device, arguments->dtype);
  // The preset sets what the options below leave out, so it is applied before they are read.
  command
      ->add_option(
          "--preset", arguments->preset,
          fmt::format("definitions to use: {}", fmt::join(neurons::GraphPresetNames(), ", ")))
      ->capture_default_str();
  BindOptions(*command, arguments->options, "Method (defaults: --preset paper)");
  BindOptions(*command, arguments->graph_run, "Run");
  BindOptions(*command, arguments->clusters, "With --by cluster");
  command->callback([arguments, command] {
    neurons::GraphOptions options = neurons::GraphPreset(arguments->preset);
    nlohmann::json given = nlohmann::json::object();
    arguments->options.VisitFields(
        [&](const char* name, auto& value, const char*, const base::Accepts& = {}) {
          if (command->count(fmt::format("--{}", name)) > 0) given[name] = value;
        });
    base::FieldsFromJson(given, options);
    arguments->options = options;
    arguments->block_given = command->count("--block") > 0;
    RunGraph(*arguments);
  });
}

}  // namespace assay::app
