// `assay robust evaluate`: every transform and attack on labelled tiles, and the report.
#include <ATen/ATen.h>
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <set>

#include "app/commands.h"
#include "app/fraction.h"
#include "app/machine.h"
#include "app/neurons_run.h"
#include "app/option_binding.h"
#include "app/terminal.h"
#include "app/tile_input.h"
#include "base/file.h"
#include "base/hash.h"
#include "data/tile_image.h"
#include "model/safetensors.h"
#include "robustness/constructs.h"
#include "robustness/evaluation_report.h"
#include "robustness/tile_batch.h"
#include "view/robustness_page.h"

namespace assay::app {
namespace {

namespace fs = std::filesystem;
using base::ErrorKind;
using base::Fail;
using nlohmann::json;
using robustness::EvaluationData;

struct EvaluateArguments {
  TileArguments tiles;
  std::string out, masks = "segment", threshold_split, intended_use, universal;
  int64_t limit = 0;
  robustness::EvaluationOptions options;
  robustness::NucleiOptions nuclei;
};

constexpr const char* kIntendedUse =
    "Measures how little it takes to change the answers of this classifier, to help decide whether "
    "and with which safeguards it may be used. It is a technical test on the tiles named below; it "
    "is no clinical validation and says nothing about other slides, scanners or laboratories.";

// Labelled tiles of a split, at most `limit`, evenly spread (0: all).
std::vector<data::Tile> ReadLabelled(data::TileDataset& dataset, int64_t limit,
                                     const std::string& where) {
  std::vector<int64_t> labelled;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    if (dataset.info(i).label >= 0) labelled.push_back(i);
  }
  const auto all = static_cast<int64_t>(labelled.size());
  const int64_t count = limit > 0 ? std::min(limit, all) : all;
  std::vector<data::Tile> tiles;
  for (int64_t i = 0; i < count; ++i) {
    if (auto tile = dataset.Read(labelled[static_cast<size_t>(i * all / count)]))
      tiles.push_back(std::move(*tile));
  }
  if (tiles.empty()) Fail(ErrorKind::kBadInput, "{}: no labelled tile is usable", where);
  return tiles;
}

std::string HashModel(const fs::path& path) {
  if (fs::is_regular_file(path)) return base::HashFile(path);
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(path)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  std::string all;
  for (const fs::path& file : files) all += file.filename().string() + base::HashFile(file);
  return base::HashText(all);
}

robustness::LabelImage GivenNuclei(const fs::path& folder, const data::Tile& tile) {
  // "FILE[index]" for tiles of an array.
  const fs::path file = folder / (fs::path(tile.name).stem().string() + ".png");
  try {
    const data::LabelMap map = data::DecodeLabelMap(base::ReadFile(file));
    robustness::LabelImage image{.height = map.height, .width = map.width};
    image.labels.assign(map.labels.begin(), map.labels.end());
    image.count =
        static_cast<int>(std::set<int32_t>(image.labels.begin(), image.labels.end()).size() -
                         (std::count(image.labels.begin(), image.labels.end(), 0) > 0 ? 1 : 0));
    return image;
  } catch (const data::TileError& error) {
    Fail(ErrorKind::kBadInput, "{}: {}", file.string(), error.what());
  }
}

void AddNuclei(const EvaluateArguments& arguments, const std::vector<data::Tile>& tiles,
               EvaluationData& data) {
  if (arguments.masks == "none" || tiles.front().channels != 3) return;
  std::vector<at::Tensor> maps;
  for (const data::Tile& tile : tiles) {
    const auto constructs = robustness::FindConstructs(
        tile, arguments.masks == "segment" ? robustness::SegmentNuclei(tile, arguments.nuclei)
                                           : GivenNuclei(arguments.masks, tile));
    maps.push_back(constructs.map);
    data.nuclei_count.push_back(constructs.nuclei);
    data.nuclei_area.push_back(constructs.nuclei_area);
  }
  data.constructs = at::stack(maps).to(data.images.device());
}

// Patients where every tile names one, else tiles.
bool AddClusters(EvaluationData& data) {
  const bool patients =
      std::all_of(data.infos.begin(), data.infos.end(),
                  [](const data::TileInfo& info) { return !info.patient.empty(); });
  for (const data::TileInfo& info : data.infos)
    data.clusters.push_back(patients ? info.patient : info.name);
  return patients;
}

std::string ChooseThreshold(const EvaluateArguments& arguments, const model::ImageClassifier& model,
                            EvaluationData& data) {
  if (arguments.options.threshold >= 0) {
    data.threshold = arguments.options.threshold;
    return "given";
  }
  if (arguments.threshold_split.empty()) {
    data.threshold =
        measure::ChooseThreshold(data.clean, measure::AllOf(data.clean), data.positive);
    return "clean scores of these tiles";
  }
  TileArguments other = arguments.tiles;
  other.options.split = arguments.threshold_split;
  data::TileDataset dataset = OpenTiles(other, model.spec());
  const auto batch = robustness::ToBatch(ReadLabelled(dataset, 0, arguments.tiles.tiles),
                                         model.spec().low, model.spec().high);
  const auto answers = robustness::ToAnswers(
      robustness::LogitsInBatches(model, batch.images, arguments.options.batch), batch.labels);
  data.threshold = measure::ChooseThreshold(answers, measure::AllOf(answers), data.positive);
  return fmt::format("clean scores of split {}", arguments.threshold_split);
}

json DataJson(const EvaluateArguments& arguments, const data::TileDataset& dataset,
              const EvaluationData& data, bool patients) {
  std::vector<int64_t> per_class(static_cast<size_t>(data.clean.classes));
  for (const int64_t label : data.clean.labels) ++per_class[static_cast<size_t>(label)];
  json problems = json::object();
  for (const auto& [kind, count] : dataset.counts().problems)
    problems[std::string(data::TileProblemKindName(kind))] = count;
  const std::set<std::string> clusters(data.clusters.begin(), data.clusters.end());
  json out = {{"name", fs::path(arguments.tiles.tiles).lexically_normal().filename().string()},
              {"hash", robustness::HashOf(data.images, data.labels)},
              {"split", arguments.tiles.options.split},
              {"tiles", data.size()},
              {"per_class", per_class},
              {"clusters", patients ? "patient" : "tile"},
              {"height", data.images.size(2)},
              {"width", data.images.size(3)},
              {"left_out", dataset.counts().left_out},
              {"converted", dataset.counts().converted},
              {"problems", problems}};
  out["patients"] = patients ? json(clusters.size()) : json(nullptr);
  out["nuclei_from"] = !data.constructs.defined() ? ""
                       : arguments.masks == "segment"
                           ? "Nuclei were found by colour and shape (assay robust nuclei)."
                           : "Nuclei are those of the masks given.";
  return out;
}

json ModelJson(const std::string& path, const model::ImageSpec& spec, int64_t positive) {
  json out = {{"name", spec.name},          {"file", fs::path(path).filename().string()},
              {"hash", HashModel(path)},    {"classes", spec.class_names},
              {"positive_class", positive}, {"probabilities", spec.gives_probabilities}};
  out["declared_accuracy"] = spec.clean_accuracy ? json(*spec.clean_accuracy) : json(nullptr);
  return out;
}

std::vector<std::string> GeneralFlags(const model::ImageClassifier& model,
                                      const EvaluationData& data, int64_t limit) {
  std::vector<std::string> flags;
  const double accuracy = measure::Accuracy(data.clean, measure::AllOf(data.clean)).value_or(0);
  const auto declared = model.spec().clean_accuracy;
  if (declared && limit == 0 &&
      std::abs(accuracy - *declared) > 0.0005 + 1.0 / static_cast<double>(data.size())) {
    flags.push_back(fmt::format("clean accuracy is {:.4f}; the sidecar declares {:.4f} ({})",
                                accuracy, *declared, model.spec().clean_data));
  }
  if (model.spec().demonstration)
    flags.push_back("the classifier was trained on generated tiles, for demonstration only");
  if (model.spec().gives_probabilities)
    flags.push_back("the classifier gives probabilities; their logarithms are attacked");
  return flags;
}

robustness::PlannedItem ReadUniversal(const std::string& path) {
  const auto file = model::SafetensorsFile::Open(path);
  const at::Tensor budgets = file.Read("budgets").to(at::kDouble).contiguous();
  const auto norm = file.metadata().find("norm");
  if (norm == file.metadata().end())
    Fail(ErrorKind::kBadInput, "{}: its metadata names no 'norm'", path);
  return robustness::UniversalItem(
      file.Read("perturbations"),
      {budgets.data_ptr<double>(), budgets.data_ptr<double>() + budgets.numel()}, norm->second);
}

void PrintTable(const json& report) {
  std::vector<std::vector<std::string>> table = {
      {"", "accuracy", "95%", "fooling", "8-bit", "AUC", "REET ratio", "RMSE", "seconds"}};
  const auto cell = [](const json& value, int decimals) {
    return value.is_number() ? fmt::format("{:.{}f}", value.get<double>(), decimals)
                             : std::string("-");
  };
  const auto add = [&](const std::string& name, const json& metrics, const json& item) {
    const json& accuracy = metrics.at("accuracy");
    const bool attacked = metrics.contains("fooling_rate");
    table.push_back({name, cell(accuracy.at("value"), 3),
                     accuracy.at("low").is_number()
                         ? cell(accuracy.at("low"), 2) + "-" + cell(accuracy.at("high"), 2)
                         : "-",
                     attacked ? cell(metrics.at("fooling_rate").at("value"), 3) : "-",
                     item.is_null() ? "-" : cell(item.at("stored").at("png"), 3),
                     cell(metrics.at("auc").at("value"), 3),
                     attacked ? cell(metrics.at("reet_ratio"), 3) : "-",
                     item.is_null() ? "-" : cell(item.at("energy").at("rmse_grey").at("mean"), 2),
                     item.is_null() ? "-" : cell(item.at("cost").at("seconds"), 1)});
  };
  add("clean", report.at("clean"), nullptr);
  for (const json& item : report.at("items"))
    add(item.at("title").get<std::string>(), item.at("metrics"), item);
  add("worst case", report.at("worst_case").at("metrics"), nullptr);
  fmt::print("{}", FormatTable(table));
  // The same text of many items on one line.
  std::vector<std::pair<std::string, std::string>> flags;  // text, items
  for (const json& flag : report.at("flags")) {
    const auto text = flag.at("text").get<std::string>(), item = flag.at("item").get<std::string>();
    const auto same = std::find_if(flags.begin(), flags.end(),
                                   [&](const auto& known) { return known.first == text; });
    if (same == flags.end())
      flags.emplace_back(text, item);
    else
      same->second += ", " + item;
  }
  for (const auto& [text, items] : flags) fmt::print("warning: {}: {}\n", items, text);
}

void RunEvaluate(EvaluateArguments arguments) {
  WarnAboutBlas();
  base::ValidateFields(arguments.options);
  const auto model = OpenClassifier(arguments.tiles);
  if (model->spec().low != 0 || model->spec().high != 1) {
    Fail(ErrorKind::kUnsupported,
         "{}: takes values from {} to {}; evaluation is of classifiers of "
         "images in [0, 1]",
         arguments.tiles.model, model->spec().low, model->spec().high);
  }
  if (arguments.options.positive >= model->classes()) {
    Fail(ErrorKind::kUsage, "--positive is {}; the classifier has {} classes",
         arguments.options.positive, model->classes());
  }
  data::TileDataset dataset = OpenTiles(arguments.tiles, model->spec());
  std::vector<data::Tile> tiles = ReadLabelled(dataset, arguments.limit, arguments.tiles.tiles);
  const auto batch = robustness::ToBatch(tiles);
  EvaluationData data{.images = batch.images.to(at::Device(model->spec().device)),
                      .labels = batch.labels.to(at::Device(model->spec().device)),
                      .infos = batch.infos,
                      .positive = arguments.options.positive};
  data.clean_logits = robustness::LogitsInBatches(*model, data.images, arguments.options.batch);
  data.clean = robustness::ToAnswers(data.clean_logits, data.labels);
  const bool patients = AddClusters(data);
  robustness::EvaluationSubject subject;
  subject.threshold_from = ChooseThreshold(arguments, *model, data);
  AddNuclei(arguments, tiles, data);
  subject.model = ModelJson(ClassifierPath(arguments.tiles), model->spec(), data.positive);
  subject.data = DataJson(arguments, dataset, data, patients);
  subject.intended_use = arguments.intended_use.empty() ? kIntendedUse : arguments.intended_use;
  subject.assay_version = ASSAY_VERSION;
  subject.created_at = TimeNow();
  subject.flags = GeneralFlags(*model, data, arguments.limit);
  if (!arguments.universal.empty()) subject.more.push_back(ReadUniversal(arguments.universal));
  const fs::path run = arguments.out;
  const json report = robustness::RunEvaluation(
      *model, data, subject, arguments.options, run,
      [](size_t number, size_t total, const std::string& title, bool kept) {
        fmt::print(stderr, "{}/{} {}{}\n", number + 1, total, title,
                   kept ? " (kept from before)" : "");
      });
  base::WriteFile(run / "report.html",
                  view::WriteRobustnessPage(report, [&](const std::string& picture) {
                    return base::ReadFile(run / picture);
                  }));
  base::WriteFile(run / "report.json", report.dump(1) + "\n");
  PrintTable(report);
  fmt::print("{}\n{}\n", DescribeProblems(dataset), (run / "report.html").string());
}

}  // namespace

void AddRobustEvaluate(CLI::App& robust) {
  auto arguments = std::make_shared<EvaluateArguments>();
  CLI::App* command = robust.add_subcommand(
      "evaluate",
      "Every transform and attack on labelled tiles; writes report.json and report.html");
  AddTileArguments(*command, arguments->tiles);
  command->add_option("--out", arguments->out, "run folder; finished items in it are kept")
      ->required();
  command->add_option("--limit", arguments->limit, "at most this many tiles, evenly spread; 0: all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command
      ->add_option("--masks", arguments->masks,
                   "nuclei: a folder of label maps named as the tiles, segment (by colour and "
                   "shape), or none")
      ->capture_default_str();
  command->add_option("--threshold-split", arguments->threshold_split,
                      "choose the locked threshold on this split; absent: on the clean tiles");
  command->add_option("--universal", arguments->universal,
                      "also evaluate the perturbations of `assay robust universal --out`");
  command->add_option("--intended-use", arguments->intended_use, "first paragraph of the report");
  BindOptions(*command, arguments->options, "Evaluation");
  AcceptFraction(*command, "--epsilon");
  AcceptFraction(*command, "--rmse");
  BindOptions(*command, arguments->nuclei, "Segmentation of nuclei");
  command->callback([arguments, command] {
    // The package's own evaluation went through batches of 8.
    if (arguments->options.compat == "reet" && command->get_option("--batch")->count() == 0)
      arguments->options.batch = 8;
    RunEvaluate(*arguments);
  });
}

}  // namespace assay::app
