// `assay robust nuclei`: our nuclei segmentation on a folder of images, and its score against
// masks.
#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "app/commands.h"
#include "app/option_binding.h"
#include "app/terminal.h"
#include "base/file.h"
#include "data/tile_image.h"
#include "robustness/instance_score.h"
#include "robustness/nuclei_segmentation.h"

namespace assay::app {
namespace {

namespace fs = std::filesystem;
using base::ErrorKind;
using base::Fail;
using robustness::InstanceScore;
using robustness::LabelImage;

struct NucleiArguments {
  std::string images, masks, out;
  robustness::NucleiOptions options;
};

std::vector<fs::path> PngFiles(const fs::path& folder) {
  if (!fs::is_directory(folder)) Fail(ErrorKind::kNotFound, "{}: no such folder", folder.string());
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".png") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  if (files.empty()) Fail(ErrorKind::kNotFound, "{}: no .png images here", folder.string());
  return files;
}

LabelImage ReadMask(const fs::path& file) {
  try {
    const data::LabelMap map = data::DecodeLabelMap(base::ReadFile(file));
    LabelImage image{.height = map.height, .width = map.width};
    image.labels.assign(map.labels.begin(), map.labels.end());
    return image;
  } catch (const data::TileError& error) {
    Fail(ErrorKind::kBadInput, "{}: {}", file.string(), error.what());
  }
}

data::Tile ReadImage(const fs::path& file) {
  try {
    std::vector<data::TileProblem> problems;
    data::Tile tile = data::ConvertTile(data::DecodeImage(base::ReadFile(file)), {}, &problems);
    tile.name = file.string();
    for (const data::TileProblem& problem : problems)
      fmt::print(stderr, "warning: {}: {}\n", file.string(), problem.message);
    return tile;
  } catch (const data::TileError& error) {
    Fail(ErrorKind::kBadInput, "{}: {}", file.string(), error.what());
  }
}

nlohmann::json ScoreJson(const InstanceScore& score) {
  nlohmann::json out = {{"found", score.found}, {"truth", score.truth}, {"matched", score.matched}};
  const auto put = [&](const char* name, std::optional<double> value) {
    out[name] = value ? nlohmann::json(*value) : nlohmann::json(nullptr);
  };
  put("f1", score.f1());
  put("aji", score.aji());
  put("dice", score.dice());
  return out;
}

std::vector<std::string> Row(const std::string& name, const InstanceScore& score) {
  const auto cell = [](std::optional<double> value) {
    return value ? fmt::format("{:.3f}", *value) : std::string("-");
  };
  return {name,
          std::to_string(score.truth),
          std::to_string(score.found),
          cell(score.f1()),
          cell(score.aji()),
          cell(score.dice())};
}

void RunNuclei(const NucleiArguments& arguments) {
  base::ValidateFields(arguments.options);
  // A folder with images/ and labels/, or images with masks of the same names elsewhere.
  fs::path images = arguments.images, masks = arguments.masks;
  if (fs::is_directory(images / "images")) {
    if (masks.empty() && fs::is_directory(images / "labels")) masks = images / "labels";
    images /= "images";
  }
  nlohmann::json rows = nlohmann::json::object();
  std::vector<std::vector<std::string>> table = {{"image", "nuclei", "found", "F1", "AJI", "Dice"}};
  InstanceScore pooled;
  double aji_sum = 0;
  int64_t scored = 0, found = 0;
  for (const fs::path& file : PngFiles(images)) {
    const LabelImage nuclei = robustness::SegmentNuclei(ReadImage(file), arguments.options);
    found += nuclei.count;
    if (!arguments.out.empty()) {
      const std::vector<uint16_t> labels(nuclei.labels.begin(), nuclei.labels.end());
      base::WriteFile(fs::path(arguments.out) / "labels" / file.filename(),
                      data::EncodeLabelMap(labels, nuclei.height, nuclei.width));
    }
    const std::string name = file.stem().string();
    rows[name] = {{"found", nuclei.count}};
    if (masks.empty()) continue;
    const InstanceScore score =
        robustness::ScoreInstances(nuclei, ReadMask(masks / file.filename()));
    pooled += score;
    aji_sum += score.aji().value_or(0);
    ++scored;
    rows[name] = ScoreJson(score);
    table.push_back(Row(name, score));
  }
  nlohmann::json report = {{"options", base::FieldsToJson(arguments.options)}, {"images", rows}};
  if (scored > 0) {
    table.push_back(Row("all, pooled", pooled));
    fmt::print("{}", FormatTable(table));
    fmt::print("mean AJI of {} images: {:.3f}; F1 counts nuclei that overlap by more than half\n",
               scored, aji_sum / static_cast<double>(scored));
    report["pooled"] = ScoreJson(pooled);
    report["mean_aji"] = aji_sum / static_cast<double>(scored);
  } else {
    fmt::print("{} nuclei in {} images\n", found, rows.size());
  }
  if (!arguments.out.empty())
    base::WriteFile(fs::path(arguments.out) / "nuclei.json", report.dump(1) + "\n");
}

}  // namespace

void AddRobustNuclei(CLI::App& robust) {
  auto arguments = std::make_shared<NucleiArguments>();
  CLI::App* command = robust.add_subcommand(
      "nuclei", "Find nuclei by colour and shape, and score that against masks");
  command
      ->add_option("--images", arguments->images,
                   "folder of .png images, or one with images/ and labels/ in it")
      ->required();
  command->add_option("--masks", arguments->masks,
                      "folder of label maps (16-bit PNG, 0 background) with the images' names");
  command->add_option("--out", arguments->out,
                      "folder for label maps of what was found, and nuclei.json");
  BindOptions(*command, arguments->options, "Segmentation");
  command->callback([arguments] { RunNuclei(*arguments); });
}

}  // namespace assay::app
