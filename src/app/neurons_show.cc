// `assay neurons show`, `predict` and `export`: one neuron to look at.
#include <fmt/core.h>
#include <unistd.h>

#include <filesystem>
#include <memory>

#include "app/cluster_records.h"
#include "app/commands.h"
#include "app/image_run.h"
#include "app/loaded_units.h"
#include "app/neurons_run.h"
#include "app/terminal.h"
#include "base/file.h"
#include "measure/probe_scheduler.h"
#include "neurons/graph_run.h"
#include "neurons/token_trie.h"
#include "view/dot.h"
#include "view/neuron_json.h"
#include "view/neuron_page.h"
#include "view/svg.h"
#include "view/terminal_summary.h"
#include "view/token_text.h"

namespace assay::app {
namespace {

using base::ErrorKind;
using base::Fail;

struct ShowArguments {
  std::string run, unit, svg, dot, html, png;
  PatchOptions patches;
};

void RunShow(const ShowArguments& arguments) {
  if (IsImageRun(arguments.run)) {
    if (!arguments.svg.empty() || !arguments.dot.empty())
      Fail(ErrorKind::kUsage, "units of image classifiers have no graphs; use --html or --png");
    return ShowImageUnit({arguments.run, neurons::ParseUnit(arguments.unit), arguments.html,
                          arguments.png, arguments.patches});
  }
  if (!arguments.png.empty())
    Fail(ErrorKind::kUsage, "--png is for runs of image classifiers; use --svg or --html");
  const store::RunStore store = store::RunStore::Open(arguments.run, store::RunStore::Mode::kRead);
  const view::NeuronRecords records = ReadNeuron(store, neurons::ParseUnit(arguments.unit));
  const std::vector<std::string> texts = store.TokenTexts();
  const nlohmann::json model = RequireManifest(store, "model", "assay neurons collect");
  const std::string name =
      std::filesystem::path(model.at("folder").get<std::string>()).filename().string();
  const bool pictures = !arguments.svg.empty() || !arguments.dot.empty() || !arguments.html.empty();
  const bool clusters_only =  // a page can do without the graph
      arguments.svg.empty() && arguments.dot.empty() && store.GetMeasures(records.unit).has_value();
  if (pictures && !records.graph && !clusters_only)
    Fail(ErrorKind::kNotFound,
         "neuron {} has no graph yet; make it with `assay neurons graph --units {}`",
         arguments.unit, arguments.unit);
  if (!pictures) {
    fmt::print("{}", view::WriteTerminalSummary({.records = records,
                                                 .token_texts = texts,
                                                 .model = name,
                                                 .colour = ::isatty(STDOUT_FILENO) == 1}));
    if (const std::string clusters = ClusterSummary(store, records.unit, "examples", "fires on");
        !clusters.empty())
      fmt::print("\nWhat makes it fire\n{}", clusters);
    return;
  }
  const std::string title = fmt::format("{}  neuron {}", name, arguments.unit);
  if (!arguments.svg.empty())
    base::WriteFile(arguments.svg,
                    view::WriteSvg(view::DrawGraph(*records.graph, texts), {.title = title}));
  if (!arguments.dot.empty())
    base::WriteFile(arguments.dot, view::WriteDot(view::DrawGraph(*records.graph, texts), title));
  if (!arguments.html.empty()) {
    // Other neurons are linked where their pages lie in the same folder.
    const auto href = [&](base::UnitId other) {
      const std::string file = fmt::format("{}_{}.html", other.layer, other.index);
      const auto folder = std::filesystem::path(arguments.html).parent_path();
      return std::filesystem::exists(folder / file) ? file + "#clusters" : std::string();
    };
    base::WriteFile(
        arguments.html,
        view::WriteNeuronPage({.records = records,
                               .token_texts = texts,
                               .model = name,
                               .hook = HookOf(model, records.unit),
                               .clusters_html = ClusterTabsHtml(store, records, texts, href)}));
  }
  for (const std::string& path : {arguments.svg, arguments.dot, arguments.html}) {
    if (!path.empty()) fmt::print("wrote {}\n", path);
  }
}

struct PredictArguments {
  std::string run, unit, text, model, json, device = "cpu", dtype = "float32";
};

void RunPredict(const PredictArguments& arguments) {
  const store::RunStore store = store::RunStore::Open(arguments.run, store::RunStore::Mode::kRead);
  const base::UnitId unit = neurons::ParseUnit(arguments.unit);
  const auto graph = store.GetGraph(unit);
  if (!graph || !(graph->max_activation > 0))
    Fail(ErrorKind::kNotFound, "neuron {} has no graph in {}", arguments.unit, arguments.run);
  const neurons::GraphOptions options = RunGraphOptions(store);
  const neurons::TokenClasses classes = RunTokenClasses(store, options);
  const neurons::TokenTrie trie(graph->nodes, options, classes);
  const auto loaded = LoadRunUnits(store, arguments.model, arguments.device, arguments.dtype);
  const LoadedModel& model = loaded->model;
  std::vector<int32_t> tokens =
      model.tokenizer->Encode(arguments.text, tokenizer::SpecialTokens::kNone).ids;
  const int bos_tokens = RunBosTokens(store);
  if (bos_tokens > 0) {
    tokens.insert(tokens.begin(), *data::ResolveBos("always", model.tokenizer->Specials(),
                                                    model.network.config().bos_id));
  }
  if (tokens.size() <= static_cast<size_t>(bos_tokens)) Fail(ErrorKind::kUsage, "--text is empty");
  measure::ProbeScheduler prober(*loaded->units);
  const std::vector<measure::Probe> probes = {{tokens, unit}};
  const std::vector<float> activations = prober.Activations(probes)[0];
  const std::vector<std::string> texts = store.TokenTexts();
  std::vector<std::vector<std::string>> rows = {
      {"token", "activation", "normalised", "predicted", ""}};
  nlohmann::json json = {
      {"layer", unit.layer}, {"neuron", unit.index}, {"tokens", nlohmann::json::array()}};
  for (size_t t = static_cast<size_t>(bos_tokens); t < tokens.size(); ++t) {
    const double truth = activations[t] / graph->max_activation,
                 predicted = trie.Predict(tokens, t, static_cast<size_t>(bos_tokens));
    const char* verdict = truth >= 0.5 && predicted >= 0.5 ? "hit"
                          : truth >= 0.5                   ? "missed"
                          : predicted >= 0.5               ? "false alarm"
                                                           : "";
    rows.push_back({view::ShowToken(texts.at(static_cast<size_t>(tokens[t]))),
                    fmt::format("{:.3f}", activations[t]), fmt::format("{:.2f}", truth),
                    fmt::format("{:.2f}", predicted), verdict});
    json["tokens"].push_back({{"token", rows.back()[0]},
                              {"token_id", tokens[t]},
                              {"activation", activations[t]},
                              {"normalised", truth},
                              {"predicted", predicted}});
  }
  fmt::print(
      "{}normalised by {:.3f}, the neuron's largest activation in the collected text; it fires "
      "from 0.5 on\n",
      FormatTable(rows), graph->max_activation);
  if (!arguments.json.empty()) base::WriteFile(arguments.json, json.dump(1) + "\n");
}

struct ExportArguments {
  std::string run, out, format = "both";
  neurons::UnitSelection selection;
};

void RunExport(const ExportArguments& arguments) {
  const store::RunStore store = store::RunStore::Open(arguments.run, store::RunStore::Mode::kRead);
  const std::vector<base::UnitId> units =
      neurons::SelectUnits(arguments.selection, store.UnitsWithExamples());
  const std::vector<std::string> texts = store.TokenTexts();
  const std::string name =
      std::filesystem::path(
          RequireManifest(store, "model", "assay neurons collect").at("folder").get<std::string>())
          .filename()
          .string();
  base::Progress progress("export", "neurons", static_cast<int64_t>(units.size()),
                          TerminalProgress());
  for (const base::UnitId unit : units) {
    const view::NeuronRecords records = ReadNeuron(store, unit);
    const std::filesystem::path stem =
        std::filesystem::path(arguments.out) / fmt::format("{}_{}", unit.layer, unit.index);
    if (arguments.format != "dot")
      base::WriteFile(stem.string() + ".json", view::WriteNeuronJson(records, texts, name) + "\n");
    if (arguments.format != "json" && records.graph) {
      base::WriteFile(stem.string() + ".dot",
                      view::WriteDot(view::DrawGraph(*records.graph, texts),
                                     fmt::format("{} {}", name, base::ToString(unit))));
    }
    progress.Add(1);
  }
  progress.Finish();
  fmt::print("{} neurons in {} (schema: docs/neuron-json.md)\n", units.size(), arguments.out);
}

}  // namespace

void AddNeuronsShow(CLI::App& neurons) {
  auto show = std::make_shared<ShowArguments>();
  CLI::App* command = neurons.add_subcommand(
      "show",
      "One neuron: on the terminal, or as SVG, DOT or a self-contained page; of image "
      "classifiers, the patches of its clusters");
  command->add_option("UNIT", show->unit, "LAYER:NEURON, for example 2:15")->required();
  command->add_option("--run", show->run, "run folder")->required();
  command->add_option("--svg", show->svg, "write the graph's picture to this file");
  command->add_option("--dot", show->dot, "write the graph as Graphviz DOT");
  command->add_option("--html", show->html,
                      "write a page: graph, scores, examples, substitutes, clusters");
  command
      ->add_option("--png", show->png,
                   "image runs: write the patches of each cluster as a contact sheet")
      ->group("Image classifiers");
  command->add_option("--patch-px", show->patches.edge_px, "edge of a patch as shown, in pixels")
      ->check(CLI::Range(16, 1024))
      ->capture_default_str()
      ->group("Image classifiers");
  command->add_option("--patches", show->patches.most, "patches of a cluster, at most")
      ->check(CLI::Range(1, 5000))
      ->capture_default_str()
      ->group("Image classifiers");
  command->callback([show] { RunShow(*show); });

  auto predict = std::make_shared<PredictArguments>();
  command = neurons.add_subcommand(
      "predict", "True and predicted activation of a neuron on your text, side by side");
  command->add_option("UNIT", predict->unit, "LAYER:NEURON, for example 2:15")->required();
  command->add_option("--run", predict->run, "run folder")->required();
  command->add_option("--text", predict->text, "the text")->required();
  command->add_option("--json", predict->json, "write the table to this file too");
  command->add_option("--model", predict->model, "model folder; absent: the one of the run");
  AddDeviceOptions(*command, predict->device, predict->dtype);
  command->callback([predict] { RunPredict(*predict); });

  auto exported = std::make_shared<ExportArguments>();
  command = neurons.add_subcommand(
      "export", "Everything about neurons as JSON, and their graphs as DOT, one file each");
  command->add_option("--run", exported->run, "run folder")->required();
  command->add_option("--out", exported->out, "folder to write")->required();
  command->add_option("--format", exported->format, "json, dot or both")
      ->check(CLI::IsMember({"json", "dot", "both"}))
      ->capture_default_str();
  command->add_option("--layers", exported->selection.layers, "layers, for example 0,2-3");
  command->add_option("--units", exported->selection.units, "neurons, for example 2:15,3:0-99");
  command->callback([exported] { RunExport(*exported); });
}

}  // namespace assay::app
