#include <fmt/core.h>

#include <filesystem>

#include "app/image_run.h"
#include "app/measure_table.h"
#include "app/neurons_run.h"
#include "app/terminal.h"
#include "app/tile_input.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "model/image_classifier.h"

namespace assay::app {

namespace fs = std::filesystem;
using base::ErrorKind;
using base::Fail;

namespace {

nlohmann::json DescribeReach(const model::PixelReach& reach) {
  if (reach.whole) return "whole";
  return {{"step", reach.step}, {"low", reach.low}, {"high", reach.high}};
}

model::PixelReach ReadReach(const nlohmann::json& json) {
  if (json.is_string()) return {.whole = true};
  return {.step = json.at("step").get<int64_t>(),
          .low = json.at("low").get<int64_t>(),
          .high = json.at("high").get<int64_t>()};
}

// What is given, or what the run was made with.
ImageEmbedArguments Completed(ImageEmbedArguments arguments) {
  const bool exists = IsImageRun(arguments.run);
  if (!exists && fs::exists(fs::path(arguments.run) / "assay.db") &&
      store::RunStore::Open(arguments.run, store::RunStore::Mode::kWrite).Manifest("model")) {
    Fail(ErrorKind::kUsage, "{}: holds a run about a language model; give another --run",
         arguments.run);
  }
  if (exists) {
    const auto store = store::RunStore::Open(arguments.run, store::RunStore::Mode::kRead);
    const nlohmann::json model = *store.Manifest("model");
    const nlohmann::json tiles = RequireManifest(store, "tiles", "assay neurons embed --images");
    if (arguments.classifier.empty()) arguments.classifier = model.at("folder").get<std::string>();
    if (arguments.tiles.empty()) {
      arguments.tiles = tiles.at("path").get<std::string>();
      arguments.tile_options.split = tiles.at("split").get<std::string>();
      arguments.tile_options.other_size = tiles.at("other_size").get<std::string>();
      arguments.tile_options.microns_per_pixel = tiles.value("mpp", 0.0);
      arguments.tile_options.slide_microns_per_pixel = tiles.value("slide_mpp", 0.0);
    }
  }
  if (arguments.tiles.empty()) Fail(ErrorKind::kUsage, "--images needs --tiles");
  return arguments;
}

// WSInfer keeps resizing and normalisation outside of the module.
void RefuseWsinfer(const fs::path& file) {
  if (file.filename() == "torchscript_model.pt" && fs::exists(file.parent_path() / "config.json")) {
    Fail(ErrorKind::kUnsupported,
         "{}: the transforms in its config.json are no part of the module; units of such "
         "classifiers are not supported",
         file.string());
  }
}

std::vector<base::UnitId> AllUnits(const model::ImageUnits& units) {
  std::vector<base::UnitId> out;
  for (const int layer : units.Layers()) {
    for (int unit = 0; unit < units.Units(layer); ++unit) out.push_back({layer, unit});
  }
  return out;
}

at::Tensor FirstImage(data::TileDataset& tiles, const model::ImageSpec& spec,
                      const std::string& path) {
  for (int64_t i = 0; i < tiles.size(); ++i) {
    if (const auto tile = tiles.Read(i))
      return neurons::PixelsOf(*tile, spec.low, spec.high).unsqueeze(0);
  }
  Fail(ErrorKind::kBadInput, "{}: none of the {} tiles can be used", path, tiles.size());
}

// Notes what the run is about, or checks that it is about this.
void PutIdentity(store::RunStore& store, const ImageEmbedArguments& arguments,
                 const nlohmann::json& model, const nlohmann::json& tiles) {
  const nlohmann::json identity = {{"classifier", model.at("hash")}, {"tiles", tiles.at("hash")}};
  if (const auto earlier = store.Manifest("identity")) {
    if (*earlier != identity) {
      Fail(ErrorKind::kUsage,
           "{}: was made with another classifier or other tiles; give another --run, or --restart "
           "to replace it",
           arguments.run);
    }
    return;
  }
  store.Transaction([&] {
    store.PutManifest("identity", identity);
    store.PutManifest("model", model);
    store.PutManifest("tiles", tiles);
  });
}

}  // namespace

bool IsImageRun(const std::string& run) {
  if (!fs::exists(fs::path(run) / "assay.db")) return false;
  try {
    const auto store = store::RunStore::Open(run, store::RunStore::Mode::kRead);
    const auto model = store.Manifest("model");
    return model && model->value("type", "") == "image classifier";
  } catch (const base::Error& error) {
    if (error.kind() == ErrorKind::kUnsupported) return false;  // from before there were any
    throw;
  }
}

nlohmann::json DescribeLayer(const RecordedLayer& layer) {
  const model::ImageLayer& about = layer.about;
  return {{"name", about.name},
          {"convolution", about.convolution},
          {"units", about.units},
          {"kernel", about.kernel},
          {"stride", about.stride},
          {"padding", about.padding},
          {"dilation", about.dilation},
          {"groups", about.groups},
          {"rows", DescribeReach(about.rows)},
          {"columns", DescribeReach(about.columns)},
          {"locations", layer.locations}};
}

RecordedLayer ReadLayer(const nlohmann::json& json) {
  using Pair = std::array<int64_t, 2>;
  return {.about = {.name = json.at("name").get<std::string>(),
                    .convolution = json.at("convolution").get<bool>(),
                    .units = json.at("units").get<int64_t>(),
                    .kernel = json.at("kernel").get<Pair>(),
                    .stride = json.at("stride").get<Pair>(),
                    .padding = json.at("padding").get<Pair>(),
                    .dilation = json.at("dilation").get<Pair>(),
                    .groups = json.at("groups").get<int64_t>(),
                    .rows = ReadReach(json.at("rows")),
                    .columns = ReadReach(json.at("columns"))},
          .locations = json.at("locations").get<Pair>()};
}

std::string LayerTitle(const model::ImageLayer& layer) {
  if (!layer.convolution) return fmt::format("{}: linear", layer.name);
  return fmt::format("{}: {} x {} convolution{}", layer.name, layer.kernel[0], layer.kernel[1],
                     layer.stride[0] > 1 ? fmt::format(", stride {}", layer.stride[0]) : "");
}

void EmbedImages(const ImageEmbedArguments& given) {
  const ImageEmbedArguments arguments = Completed(given);
  RefuseWsinfer(arguments.classifier);
  const model::ImageUnits units = model::ImageUnits::Load(arguments.classifier, arguments.device);
  const model::ImageSpec spec = model::LoadImageClassifier(arguments.classifier)->spec();
  data::TileDataset tiles = OpenTiles({.model = arguments.classifier,
                                       .tiles = arguments.tiles,
                                       .device = arguments.device,
                                       .options = arguments.tile_options},
                                      spec);
  const at::Tensor first = FirstImage(tiles, spec, arguments.tiles);  // [1, C, H, W]
  const auto wanted = neurons::SelectUnits(arguments.selection, AllUnits(units));
  const auto locations = neurons::LocationsOf(units, units.Layers(), first);
  nlohmann::json layers = nlohmann::json::array();
  std::vector<std::string> names;
  for (const int layer : units.Layers()) {
    layers.push_back(DescribeLayer({units.At(layer), locations.at(layer)}));
    names.push_back(units.At(layer).name);
  }
  const nlohmann::json model = {
      {"type", "image classifier"},
      {"folder", fs::absolute(arguments.classifier).lexically_normal().string()},
      {"hash", base::HashFile(arguments.classifier)},
      {"device", arguments.device},
      {"hook", "pre-activation"},
      {"layers", layers}};
  const nlohmann::json about_tiles = {
      {"path", fs::absolute(arguments.tiles).lexically_normal().string()},
      {"split", arguments.tile_options.split},
      {"other_size", arguments.tile_options.other_size},
      {"mpp", arguments.tile_options.microns_per_pixel > 0
                  ? arguments.tile_options.microns_per_pixel
                  : spec.microns_per_pixel.value_or(0)},
      {"slide_mpp", arguments.tile_options.slide_microns_per_pixel},
      {"hash", tiles.ContentHash()},
      {"class_names", tiles.class_names()},
      {"tiles", tiles.size()},
      {"channels", first.size(1)},
      {"height", first.size(2)},
      {"width", first.size(3)}};
  // Everything in such a run comes from embedding.
  if (arguments.restart && IsImageRun(arguments.run)) fs::remove_all(arguments.run);
  store::RunStore store = store::RunStore::Open(arguments.run, store::RunStore::Mode::kWrite);
  PutIdentity(store, arguments, model, about_tiles);
  const nlohmann::json manifest = {{"options", base::FieldsToJson(arguments.embed)},
                                   {"clusters", base::FieldsToJson(arguments.clusters)},
                                   {"units", "units"}};
  if (const auto earlier = store.Manifest("embed"); earlier && *earlier != manifest) {
    Fail(ErrorKind::kUsage,
         "{}: its embeddings were made with other options; give the same ones to go on, or "
         "--restart to throw them away. They were: {}",
         arguments.run, earlier->dump());
  }
  store.PutManifest("embed", manifest);
  const neurons::EmbedTimes times =
      neurons::EmbedImageUnits(store, wanted, arguments.embed, arguments.clusters,
                               {.model = units,
                                .tiles = tiles.size(),
                                .read = [&tiles](int64_t index) { return tiles.Read(index); },
                                .class_names = tiles.class_names(),
                                .low = spec.low,
                                .high = spec.high},
                               TerminalProgress());
  const std::vector<store::UnitMeasures> measures = store.GetMeasures();
  fmt::print("{}", MeasureTable(measures, "units", names));
  if (times.units > 0) {
    fmt::print(
        "{} units with {} examples out of {} tiles in {:.1f} s: {:.0f} a second, {:.0f}% of the "
        "time in tiles and model\n{}\n",
        times.units, times.examples, tiles.counts().read, times.seconds,
        static_cast<double>(times.units) / times.seconds, 100 * times.model_seconds / times.seconds,
        DescribeProblems(tiles));
  }
  if (!arguments.json.empty()) {
    base::WriteFile(arguments.json, MeasureJson(store, measures).dump(1) + "\n");
    fmt::print("wrote {}\n", arguments.json);
  }
}

}  // namespace assay::app
