#include "app/tile_input.h"

#include <fmt/core.h>

#include <map>

#include "app/machine.h"
#include "app/option_binding.h"
#include "base/error.h"
#include "robustness/tile_batch.h"

namespace assay::app {
namespace fs = std::filesystem;

namespace {

fs::path ResolveClassifier(const std::string& name) {
  if (!name.empty() && name != "default") return name;
  // Beside the default language model.
  const auto language_model = DefaultModelFolder();
  const fs::path folder =
      language_model ? language_model->parent_path() / "assay-he" : fs::path("models/assay-he");
  if (!fs::exists(folder)) {
    base::Fail(base::ErrorKind::kNotFound, "{}: the shipped classifier is not there; give --model",
               folder.string());
  }
  return folder;
}

}  // namespace

void AddClassifierOptions(CLI::App& command, TileArguments& arguments) {
  command
      .add_option("--model", arguments.model,
                  "TorchScript .pt or built-in .safetensors with its .json beside it, a folder "
                  "(WSInfer's too), or default")
      ->capture_default_str();
  command.add_option("--device", arguments.device, "cpu, or cuda where libtorch has it")
      ->capture_default_str();
}

void AddTileArguments(CLI::App& command, TileArguments& arguments) {
  AddClassifierOptions(command, arguments);
  command
      .add_option(
          "--tiles", arguments.tiles,
          "folder with manifest.csv or a folder a class, .csv, .npz, .npy, .h5, or a whole slide")
      ->required();
  BindOptions(command, arguments.options, "Tiles");
}

std::unique_ptr<model::ImageClassifier> OpenClassifier(const TileArguments& arguments) {
  auto classifier =
      model::LoadImageClassifier(ResolveClassifier(arguments.model), arguments.device);
  if (classifier->spec().demonstration) {
    fmt::print(stderr,
               "note: {} was trained on generated tiles; it is for demonstration, not for tissue\n",
               classifier->spec().name);
  }
  if (classifier->spec().gives_probabilities) {
    fmt::print(stderr, "note: {} gives probabilities; their logarithms are used as logits\n",
               classifier->spec().name);
  }
  if (const model::ImageSpec& spec = classifier->spec(); spec.sha256 != spec.declared_sha256) {
    fmt::print(stderr,
               "warning: {}: the sidecar declares the sha256 {}; the weights have {}: what it says "
               "may be about another file\n",
               spec.name, spec.declared_sha256, spec.sha256);
  }
  return classifier;
}

fs::path ClassifierPath(const TileArguments& arguments) {
  return ResolveClassifier(arguments.model);
}

data::TileDataset OpenTiles(const TileArguments& arguments, const model::ImageSpec& spec) {
  data::TileOptions options = robustness::OptionsFor(spec);
  options.split = arguments.options.split;
  options.other_size = arguments.options.other_size;
  if (arguments.options.microns_per_pixel > 0)
    options.microns_per_pixel = arguments.options.microns_per_pixel;
  options.slide_microns_per_pixel = arguments.options.slide_microns_per_pixel;
  constexpr int kShownOfAKind = 10;
  return data::TileDataset::Open(
      arguments.tiles, options,
      [shown = std::map<data::TileProblemKind, int>()](const data::TileProblem& problem) mutable {
        const int count = ++shown[problem.kind];
        if (count <= kShownOfAKind) fmt::print(stderr, "warning: {}\n", ToString(problem));
        if (count == kShownOfAKind)
          fmt::print(stderr, "warning: more of that kind are counted, not shown\n");
      });
}

std::vector<int64_t> LabelledTiles(const data::TileDataset& tiles, const std::string& where) {
  std::vector<int64_t> labelled;
  for (int64_t i = 0; i < tiles.size(); ++i) {
    if (tiles.info(i).label >= 0) labelled.push_back(i);
  }
  if (labelled.empty()) {
    base::Fail(
        base::ErrorKind::kBadInput,
        "{}: none of its {} tiles has a label, which this command needs. Predictions without "
        "labels: assay robust check. Labelled tiles of a slide: assay robust tiles --label",
        where, tiles.size());
  }
  return labelled;
}

nlohmann::json ProblemsJson(const data::TileDataset& tiles) {
  nlohmann::json problems = nlohmann::json::object();
  for (const auto& [kind, count] : tiles.counts().problems)
    problems[std::string(data::TileProblemKindName(kind))] = count;
  return {{"left_out", tiles.counts().left_out},
          {"converted", tiles.counts().converted},
          {"problems", problems}};
}

std::string DescribeProblems(const data::TileDataset& tiles) {
  const data::TileCounts& counts = tiles.counts();
  if (counts.problems.empty()) return "problems: none";
  std::vector<std::string> kinds;
  for (const auto& [kind, count] : counts.problems)
    kinds.push_back(fmt::format("{} {}", data::TileProblemKindName(kind), count));
  return fmt::format("problems: left out {}, converted {} ({})", counts.left_out, counts.converted,
                     fmt::join(kinds, ", "));
}

}  // namespace assay::app
