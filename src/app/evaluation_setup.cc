#include "app/evaluation_setup.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "app/neurons_run.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/sha256.h"
#include "data/tile_image.h"
#include "model/safetensors.h"
#include "robustness/clean_check.h"
#include "robustness/constructs.h"
#include "robustness/tile_batch.h"

namespace assay::app {
namespace {

namespace fs = std::filesystem;
using base::ErrorKind;
using base::Fail;
using nlohmann::json;
using robustness::EvaluationData;

constexpr const char* kIntendedUse =
    "Measures how little it takes to change the answers of this classifier, to help decide whether "
    "and with which safeguards it may be used. It is a technical test on the tiles named below; it "
    "is no clinical validation and says nothing about other slides, scanners or laboratories.";

constexpr const char* kHashAlgorithm = "XXH3-128";

// The last name of a path, without its folders: the report may be passed on. Empty for none.
std::string LastName(const std::string& path) {
  return path.empty() ? path : fs::absolute(fs::path(path) / ".").parent_path().filename().string();
}

// Labelled tiles of a split, at most `limit`, evenly spread (0: all).
std::vector<data::Tile> ReadLabelled(data::TileDataset& dataset, int64_t limit,
                                     const std::string& where) {
  const std::vector<int64_t> labelled = LabelledTiles(dataset, where);
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

void AddNuclei(const EvaluationArguments& arguments, const std::vector<data::Tile>& tiles,
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
  data.nuclei_segmented = arguments.masks == "segment";
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

std::string ChooseThreshold(const EvaluationArguments& arguments,
                            const model::ImageClassifier& model, EvaluationData& data) {
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

json DataJson(const EvaluationArguments& arguments, const data::TileDataset& dataset,
              const EvaluationData& data, bool patients) {
  std::vector<int64_t> per_class(static_cast<size_t>(data.clean.classes));
  for (const int64_t label : data.clean.labels) ++per_class[static_cast<size_t>(label)];
  const std::set<std::string> clusters(data.clusters.begin(), data.clusters.end());
  json out = {{"name", LastName(arguments.tiles.tiles)},
              {"hash", robustness::HashOf(data.images, data.labels)},
              {"hash_algorithm", kHashAlgorithm},
              {"split", arguments.tiles.options.split},
              {"tiles", data.size()},
              {"per_class", per_class},
              {"clusters", patients ? "patient" : "tile"},
              {"height", data.images.size(2)},
              {"width", data.images.size(3)}};
  out.update(ProblemsJson(dataset));
  out["patients"] = patients ? json(clusters.size()) : json(nullptr);
  out["nuclei_from"] = !data.constructs.defined() ? ""
                       : arguments.masks == "segment"
                           ? "Nuclei were found by colour and shape (assay robust nuclei)."
                           : "Nuclei are those of the masks given.";
  return out;
}

json ModelJson(const std::string& path, const model::ImageSpec& spec, int64_t positive) {
  json out = {{"name", spec.name},
              {"file", fs::path(path).filename().string()},
              {"hash", HashModel(path)},
              {"hash_algorithm", kHashAlgorithm},
              {"classes", spec.class_names},
              {"positive_class", positive},
              {"probabilities", spec.gives_probabilities}};
  if (fs::is_regular_file(path))
    out["sha256"] = spec.sha256.empty() ? base::Sha256OfFile(path) : spec.sha256;
  out["declared_accuracy"] = spec.clean_accuracy ? json(*spec.clean_accuracy) : json(nullptr);
  return out;
}

// What was taken, and how, beside the options of the evaluation itself.
json SelectionJson(const EvaluationArguments& arguments) {
  const bool folder = arguments.masks != "segment" && arguments.masks != "none";
  json out = {{"limit", arguments.limit},
              {"masks", folder ? LastName(arguments.masks) : arguments.masks},
              {"threshold-split", arguments.threshold_split},
              {"universal", LastName(arguments.universal)},
              {"device", arguments.tiles.device}};
  out.update(base::FieldsToJson(arguments.tiles.options));
  if (arguments.masks == "segment") out.update(base::FieldsToJson(arguments.nuclei));
  return out;
}

// On the tiles that are attacked: chosen knowing their labels.
bool ThresholdOnTested(const EvaluationArguments& arguments) {
  if (arguments.options.threshold >= 0) return false;
  const std::string& tested = arguments.tiles.options.split;
  return arguments.threshold_split.empty() || tested.empty() || tested == arguments.threshold_split;
}

std::vector<std::string> GeneralFlags(const model::ImageClassifier& model,
                                      const EvaluationData& data,
                                      const EvaluationArguments& arguments) {
  std::vector<std::string> flags;
  const model::ImageSpec& spec = model.spec();
  if (spec.sha256 != spec.declared_sha256) {
    flags.push_back(fmt::format("the sidecar declares weights with the sha256 {}; these have {}",
                                spec.declared_sha256.substr(0, 16), spec.sha256.substr(0, 16)));
  }
  if (ThresholdOnTested(arguments)) {
    flags.push_back(
        "the threshold was chosen on the tested tiles, so sensitivity and specificity before the "
        "attack are flattering; --threshold-split chooses it on others, --threshold gives it");
  }
  const auto right = static_cast<int64_t>(
      std::llround(measure::Accuracy(data.clean, measure::AllOf(data.clean)).value_or(0) *
                   static_cast<double>(data.size())));
  if (const auto off = robustness::ContradictionOf(model.spec(), right, data.size()))
    flags.push_back(*off);
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

fs::path NoteOf(const fs::path& run) { return run / "evaluation.json"; }

// A member of a document that this program wrote.
template <typename T>
T Member(const json& object, const char* name, const fs::path& file) {
  try {
    return object.at(name).get<T>();
  } catch (const json::exception&) {
    Fail(ErrorKind::kBadInput, "{}: '{}' is missing or of another type", file.string(), name);
  }
}

}  // namespace

PreparedEvaluation PrepareEvaluation(const EvaluationArguments& arguments) {
  base::ValidateFields(arguments.options);
  PreparedEvaluation out{.model = OpenClassifier(arguments.tiles)};
  const model::ImageClassifier& model = *out.model;
  if (model.spec().low != 0 || model.spec().high != 1) {
    Fail(ErrorKind::kUnsupported,
         "{}: takes values from {} to {}; evaluation is of classifiers of "
         "images in [0, 1]",
         arguments.tiles.model, model.spec().low, model.spec().high);
  }
  if (arguments.options.positive >= model.classes()) {
    Fail(ErrorKind::kUsage, "--positive is {}; the classifier has {} classes",
         arguments.options.positive, model.classes());
  }
  data::TileDataset dataset = OpenTiles(arguments.tiles, model.spec());
  const std::vector<data::Tile> tiles =
      ReadLabelled(dataset, arguments.limit, arguments.tiles.tiles);
  const auto batch = robustness::ToBatch(tiles);
  EvaluationData& data = out.data;
  data = {.images = batch.images.to(at::Device(model.spec().device)),
          .labels = batch.labels.to(at::Device(model.spec().device)),
          .infos = batch.infos,
          .positive = arguments.options.positive};
  data.clean_logits = robustness::LogitsInBatches(model, data.images, arguments.options.batch);
  data.clean = robustness::ToAnswers(data.clean_logits, data.labels);
  const bool patients = data.clusters_are_patients = AddClusters(data);
  out.subject.threshold_from = ChooseThreshold(arguments, model, data);
  AddNuclei(arguments, tiles, data);
  out.subject.model = ModelJson(ClassifierPath(arguments.tiles), model.spec(), data.positive);
  out.subject.data = DataJson(arguments, dataset, data, patients);
  out.subject.intended_use = arguments.intended_use.empty() ? kIntendedUse : arguments.intended_use;
  out.subject.assay_version = ASSAY_VERSION;
  out.subject.created_at = TimeNow();
  out.subject.selection = SelectionJson(arguments);
  out.subject.flags = GeneralFlags(model, data, arguments);
  if (!arguments.universal.empty()) out.subject.more.push_back(ReadUniversal(arguments.universal));
  out.problems = DescribeProblems(dataset);
  return out;
}

void NoteEvaluation(const EvaluationArguments& arguments, int64_t channels) {
  const auto where = [](const fs::path& path) { return fs::absolute(path).string(); };
  const bool folder = arguments.masks != "segment" && arguments.masks != "none";
  const json note = {{"model", where(ClassifierPath(arguments.tiles))},
                     {"tiles", where(arguments.tiles.tiles)},
                     {"tile_options", base::FieldsToJson(arguments.tiles.options)},
                     {"limit", arguments.limit},
                     {"masks", folder ? where(arguments.masks) : arguments.masks},
                     {"nuclei", base::FieldsToJson(arguments.nuclei)},
                     {"channels", channels}};
  base::WriteFile(NoteOf(arguments.out), note.dump(1) + "\n");
}

bool HasNote(const fs::path& run) {
  std::error_code failed;
  return fs::exists(NoteOf(run), failed);
}

EvaluationNote ReadNote(const fs::path& run) {
  const fs::path file = NoteOf(run), report_file = run / "report.json";
  const json note = base::ReadJson(file), report = base::ReadJson(report_file);
  EvaluationNote out;
  EvaluationArguments& arguments = out.arguments;
  arguments.out = run.string();
  arguments.tiles.model = Member<std::string>(note, "model", file);
  arguments.tiles.tiles = Member<std::string>(note, "tiles", file);
  base::FieldsFromJson(Member<json>(note, "tile_options", file), arguments.tiles.options);
  arguments.limit = Member<int64_t>(note, "limit", file);
  arguments.masks = Member<std::string>(note, "masks", file);
  base::FieldsFromJson(Member<json>(note, "nuclei", file), arguments.nuclei);
  out.channels = Member<int64_t>(note, "channels", file);
  base::FieldsFromJson(Member<json>(report, "options", report_file), arguments.options);
  const json model = Member<json>(report, "model", report_file);
  arguments.options.gradients = model.value("differentiable", true);
  arguments.options.threshold =
      Member<double>(Member<json>(report, "threshold", report_file), "value", report_file);
  const json data = Member<json>(report, "data", report_file);
  out.height = Member<int64_t>(data, "height", report_file);
  out.width = Member<int64_t>(data, "width", report_file);
  out.data_hash = Member<std::string>(data, "hash", report_file);
  out.model_hash = Member<std::string>(model, "hash", report_file);
  return out;
}

}  // namespace assay::app
