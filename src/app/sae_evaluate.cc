// `assay sae evaluate`: autoencoders beside each other and beside the neurons of their layer.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <memory>

#include "app/commands.h"
#include "app/loaded_model.h"
#include "app/machine.h"
#include "app/option_binding.h"
#include "app/terminal.h"
#include "base/file.h"
#include "data/text_corpus.h"
#include "neurons/sae_evaluation.h"
#include "store/run_store.h"
#include "view/scatter_chart.h"

namespace assay::app {
namespace {

namespace fs = std::filesystem;

struct EvaluateArguments {
  std::vector<std::string> saes, text;
  std::string model = "default", json, svg, run, device = "cpu", dtype = "float32";
  bool centred = false;
  data::TokenSequenceOptions sequences = {.max_tokens_total = 50000};
  neurons::PolysemanticityOptions polysemanticity;
  neurons::ClusterOptions clusters;
};

struct Row {
  std::string name, kind, series;  // series: the kind, and of the embedding loss its weight
  std::optional<neurons::SaeQuality> quality;  // none: neurons
  neurons::PolysemanticitySummary units;
};

std::string Number(const std::optional<double>& value, const char* format = "{:.3f}") {
  return value ? fmt::format(fmt::runtime(format), *value) : "-";
}

// How the SAE was trained, by its cfg.json: "standard", "topk", "embedding".
std::string KindOf(const fs::path& folder, const model::SaeConfig& config) {
  const nlohmann::json json = base::ReadJson(folder / "cfg.json");
  if (json.contains("metadata") && json.at("metadata").is_object() &&
      json.at("metadata").contains("kind") && json.at("metadata").at("kind").is_string())
    return json.at("metadata").at("kind").get<std::string>();
  return config.architecture == model::SaeArchitecture::kTopK       ? "topk"
         : config.architecture == model::SaeArchitecture::kGated    ? "gated"
         : config.architecture == model::SaeArchitecture::kJumpRelu ? "jumprelu"
                                                                    : "standard";
}

std::string SeriesOf(const fs::path& folder, const std::string& kind) {
  const nlohmann::json json = base::ReadJson(folder / "cfg.json");
  const auto weight = nlohmann::json::json_pointer("/metadata/training/embedding-weight");
  if (!kind.ends_with("embedding") || !json.contains(weight) || !json.at(weight).is_number())
    return kind;
  return fmt::format("{} {}", kind == "embedding" ? kind : "centred",
                     json.at(weight).get<double>());
}

std::string Table(const std::vector<Row>& rows) {
  std::vector<std::vector<std::string>> cells = {
      {"units of", "kind", "L0", "unexpl.", "loss rec.", "dead", "measured", "clusters",
       "one cluster", "mean dist.", "max dist.", "intra", "inter", "polysem."}};
  for (const Row& row : rows) {
    const neurons::PolysemanticitySummary& units = row.units;
    cells.push_back(
        {row.name, row.kind, fmt::format("{:.1f}", row.quality ? row.quality->l0 : units.l0),
         row.quality ? fmt::format("{:.4f}", row.quality->unexplained) : "-",
         row.quality ? Number(row.quality->loss_recovered) : "-",
         row.quality ? fmt::format("{}", row.quality->dead)
                     : fmt::format("{}", units.units - units.alive),
         fmt::format("{}/{}", units.measured, units.drawn), fmt::format("{:.2f}", units.clusters),
         fmt::format("{}", units.single), fmt::format("{:.3f}", units.mean_distance),
         fmt::format("{:.3f}", units.max_distance), Number(units.intra), Number(units.inter),
         fmt::format("{:.3f}", units.polysemanticity)});
  }
  return FormatTable(cells, {1});
}

// (x, y) of the SAEs of a kind, ascending by x, for interpolation.
template <typename X, typename Y>
std::vector<std::pair<double, double>> Curve(const std::vector<Row>& rows, const std::string& kind,
                                             X x, Y y) {
  std::map<double, double> points;
  for (const Row& row : rows) {
    if (row.quality && row.kind == kind) points.emplace(x(row), y(row));
  }
  return {points.begin(), points.end()};
}

// Every SAE against the other kinds where their curves have the same L0, and the same error.
std::string Matched(const std::vector<Row>& rows) {
  const auto l0 = [](const Row& row) { return std::log(row.quality->l0); };
  const auto unexplained = [](const Row& row) { return row.quality->unexplained; };
  const auto distance = [](const Row& row) { return row.units.mean_distance; };
  const auto plain_l0 = [](const Row& row) { return row.quality->l0; };
  std::vector<std::string> kinds;
  for (const Row& row : rows) {
    if (row.quality && std::find(kinds.begin(), kinds.end(), row.kind) == kinds.end())
      kinds.push_back(row.kind);
  }
  std::vector<std::vector<std::string>> cells = {{"SAE", "against", "matched on", "at", "unexpl.",
                                                  "theirs", "L0", "theirs", "mean dist.",
                                                  "theirs"}};
  for (const Row& row : rows) {
    if (!row.quality || !row.kind.ends_with("embedding")) continue;
    for (const std::string& kind : kinds) {
      if (kind.ends_with("embedding")) continue;
      const auto error_at = neurons::Interpolate(Curve(rows, kind, l0, unexplained), l0(row));
      const auto distance_at = neurons::Interpolate(Curve(rows, kind, l0, distance), l0(row));
      if (error_at) {
        cells.push_back({row.name, kind, "L0", fmt::format("{:.1f}", row.quality->l0),
                         fmt::format("{:.4f}", row.quality->unexplained),
                         Number(error_at, "{:.4f}"), "", "",
                         fmt::format("{:.3f}", row.units.mean_distance), Number(distance_at)});
      }
      const auto l0_at =
          neurons::Interpolate(Curve(rows, kind, unexplained, plain_l0), row.quality->unexplained);
      const auto distance_by_error =
          neurons::Interpolate(Curve(rows, kind, unexplained, distance), row.quality->unexplained);
      if (l0_at) {
        cells.push_back(
            {row.name, kind, "unexplained", fmt::format("{:.4f}", row.quality->unexplained), "", "",
             fmt::format("{:.1f}", row.quality->l0), Number(l0_at, "{:.1f}"),
             fmt::format("{:.3f}", row.units.mean_distance), Number(distance_by_error)});
      }
    }
  }
  if (cells.size() == 1) return "";
  return "\nat matched L0 or unexplained variance (between neighbours on the other kind's "
         "curve):\n" +
         FormatTable(cells, {1, 2});
}

nlohmann::json OrNull(const std::optional<double>& value) {
  return value ? nlohmann::json(*value) : nlohmann::json();
}

nlohmann::json Describe(const std::vector<Row>& rows) {
  nlohmann::json out = nlohmann::json::array();
  for (const Row& row : rows) {
    nlohmann::json entry = {{"name", row.name},
                            {"kind", row.kind},
                            {"units", row.units.units},
                            {"alive", row.units.alive},
                            {"drawn", row.units.drawn},
                            {"measured", row.units.measured},
                            {"single_cluster", row.units.single},
                            {"examples", row.units.examples},
                            {"clusters", row.units.clusters},
                            {"mean_distance", row.units.mean_distance},
                            {"max_distance", row.units.max_distance},
                            {"intra", OrNull(row.units.intra)},
                            {"inter", OrNull(row.units.inter)},
                            {"polysemanticity", row.units.polysemanticity}};
    if (row.quality) {
      entry.update({{"tokens", row.quality->tokens},
                    {"l0", row.quality->l0},
                    {"unexplained", row.quality->unexplained},
                    {"dead", row.quality->dead},
                    {"loss", row.quality->loss},
                    {"spliced_loss", row.quality->spliced},
                    {"ablated_loss", row.quality->ablated},
                    {"loss_recovered", OrNull(row.quality->loss_recovered)}});
    }
    out.push_back(std::move(entry));
  }
  return out;
}

std::string Curves(const std::vector<Row>& rows, bool centred) {
  std::map<std::string, std::vector<std::pair<double, view::ScatterPoint>>> series;
  for (const Row& row : rows) {
    if (!row.quality) continue;
    series[row.series].push_back(
        {row.quality->l0,
         {row.quality->unexplained, row.units.mean_distance,
          fmt::format("{}: L0 {:.1f}, unexplained {:.4f}, mean distance {:.3f}", row.name,
                      row.quality->l0, row.quality->unexplained, row.units.mean_distance)}});
  }
  view::ScatterChart chart{.title = centred
                                        ? "Polysemanticity against reconstruction, inputs centred"
                                        : "Polysemanticity against reconstruction",
                           .x_label = "variance unexplained",
                           .y_label = "mean distance between a feature's embeddings"};
  for (auto& [name, points] : series) {
    std::sort(points.begin(), points.end(),
              [](const auto& a, const auto& b) { return a.first < b.first; });
    view::ScatterSeries line{.name = name, .joined = true};
    for (auto& [l0, point] : points) line.points.push_back(std::move(point));
    chart.series.push_back(std::move(line));
  }
  return view::WriteScatterChart(chart);
}

std::vector<std::vector<int32_t>> ReadText(const EvaluateArguments& arguments,
                                           const LoadedModel& model, std::optional<int32_t> bos) {
  const std::vector<fs::path> inputs(arguments.text.begin(), arguments.text.end());
  data::TextCorpus corpus(inputs, {}, [](const data::CorpusProblem& problem) {
    fmt::print(stderr, "warning: {}\n", ToString(problem));
  });
  data::TokenSequenceOptions options = arguments.sequences;
  options.max_tokens = std::min(options.max_tokens, model.network.config().max_positions);
  data::TokenSequences sequences(corpus, *model.tokenizer, bos, options);
  std::vector<std::vector<int32_t>> out;
  while (auto next = sequences.Next()) out.push_back(std::move(next->tokens));
  return out;
}

void RunEvaluate(const EvaluateArguments& arguments) {
  WarnAboutBlas();
  base::ValidateFields(arguments.clusters);
  std::optional<store::RunStore> run;  // opened first: a wrong folder is told before the work
  if (!arguments.run.empty())
    run.emplace(store::RunStore::Open(arguments.run, store::RunStore::Mode::kWrite));
  const LoadedModel model =
      LoadModel(ResolveModel(arguments.model), arguments.device, arguments.dtype);
  const auto bos = data::ResolveBos(arguments.sequences.bos, model.tokenizer->Specials(),
                                    model.network.config().bos_id);
  const auto sequences = ReadText(arguments, model, bos);
  const int64_t first = bos ? 1 : 0;
  std::vector<Row> rows;
  std::map<int, bool> layers;
  base::Progress progress("evaluate", "SAEs", static_cast<int64_t>(arguments.saes.size()),
                          TerminalProgress());
  for (const std::string& folder : arguments.saes) {
    const auto sae = model::SparseAutoencoder::Load(folder);
    const model::SaeFeatures features(model.network, sae, arguments.centred);
    const int layer = features.Layers().front();
    const auto measure = [&](const model::TokenUnits& units) {
      return neurons::MeasurePolysemanticity(units, layer, sequences, first,
                                             arguments.polysemanticity, arguments.clusters);
    };
    if (!layers[layer]) {
      layers[layer] = true;
      rows.push_back({fmt::format("MLP layer {}", layer),
                      "neurons",
                      "neurons",
                      {},
                      measure(model::TransformerNeurons(model.network))});
    }
    const std::string kind = KindOf(folder, sae.config());
    rows.push_back({fs::path(folder).filename().string(), kind, SeriesOf(folder, kind),
                    neurons::EvaluateSae(model.network, sae, sequences, first), measure(features)});
    progress.Add(1);
  }
  progress.Finish();
  const neurons::SaeQuality& any = *rows.back().quality;
  fmt::print("{} tokens; loss {:.3f} nats a token, {:.3f} with the last SAE's hook zeroed\n{}{}",
             any.tokens, any.loss, any.ablated, Table(rows), Matched(rows));
  if (!arguments.json.empty()) base::WriteFile(arguments.json, Describe(rows).dump(1) + "\n");
  if (!arguments.svg.empty()) base::WriteFile(arguments.svg, Curves(rows, arguments.centred));
  if (run) {
    run->PutManifest("sae_evaluation", {{"rows", Describe(rows)},
                                        {"saes", arguments.saes},
                                        {"text", arguments.text},
                                        {"centred", arguments.centred},
                                        {"clusters", base::FieldsToJson(arguments.clusters)},
                                        {"sequences", base::FieldsToJson(arguments.sequences)}});
  }
}

}  // namespace

void AddSaeEvaluate(CLI::App& sae) {
  auto arguments = std::make_shared<EvaluateArguments>();
  CLI::App* command = sae.add_subcommand(
      "evaluate",
      "Sparsity, reconstruction, loss recovered and polysemanticity of SAEs, beside the neurons of "
      "their layer; several SAEs also at matched sparsity and error");
  command->add_option("DIR", arguments->saes, "SAELens folders")->required();
  command->add_option("--model", arguments->model, "model folder, or default")
      ->capture_default_str();
  command->add_option("--text", arguments->text, "text that they were not trained on")->required();
  command->add_option("--json", arguments->json, "write the figures to this file");
  command->add_option("--svg", arguments->svg,
                      "draw polysemanticity against error, a curve a kind");
  command->add_option("--run", arguments->run,
                      "keep the figures in this run, where `assay serve` shows them");
  command
      ->add_option("--units", arguments->polysemanticity.units,
                   "units measured of each layer and SAE, drawn from those that fire")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command
      ->add_option("--share", arguments->polysemanticity.share,
                   "examples exceed this share of a unit's maximum")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command->add_option("--cap", arguments->polysemanticity.cap, "examples of a unit, at most")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_flag("--centred", arguments->centred,
                    "embed features without the decoder bias: a constant part of the input that "
                    "all examples share makes no cosine larger");
  AddDeviceOptions(*command, arguments->device, arguments->dtype);
  BindOptions(*command, arguments->clusters, "Clusters");
  BindOptions(*command, arguments->sequences, "Sequences");
  command->callback([arguments] { RunEvaluate(*arguments); });
}

}  // namespace assay::app
