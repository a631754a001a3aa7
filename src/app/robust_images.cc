#include "app/robust_images.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "app/tile_input.h"
#include "base/error.h"
#include "model/safetensors.h"
#include "robustness/tile_batch.h"

namespace assay::app {
namespace {

using base::ErrorKind;
using base::Fail;

LabelledImages ReadTensors(const std::string& path) {
  const auto file = model::SafetensorsFile::Open(path);
  LabelledImages out{.images = file.Read("input"), .labels = file.Read("labels")};
  if (out.images.dim() != 4 || !at::isFloatingType(out.images.scalar_type()))
    Fail(ErrorKind::kBadInput,
         "{}: 'input' has shape [{}] and type {}; expected float [B, C, H, W]", path,
         fmt::join(out.images.sizes().vec(), ", "), c10::toString(out.images.scalar_type()));
  if (out.labels.dim() != 1 || out.labels.size(0) != out.images.size(0) ||
      !at::isIntegralType(out.labels.scalar_type(), false))
    Fail(ErrorKind::kBadInput, "{}: 'labels' has shape [{}] and type {}; expected {} whole numbers",
         path, fmt::join(out.labels.sizes().vec(), ", "), c10::toString(out.labels.scalar_type()),
         out.images.size(0));
  return out;
}

LabelledImages ReadTiles(const ImageArguments& arguments, const model::ImageSpec& spec) {
  TileArguments tiles{.tiles = arguments.tiles};
  tiles.options.split = arguments.split;
  tiles.options.other_size = arguments.other_size;
  data::TileDataset dataset = OpenTiles(tiles, spec);
  // Only what the limit keeps is decoded.
  const std::vector<int64_t> labelled = LabelledTiles(dataset, arguments.tiles);
  const auto all = static_cast<int64_t>(labelled.size());
  const int64_t count = arguments.limit > 0 ? std::min(arguments.limit, all) : all;
  std::vector<data::Tile> kept;
  for (int64_t i = 0; i < count; ++i) {
    if (auto tile = dataset.Read(labelled[static_cast<size_t>(i * all / count)]))
      kept.push_back(std::move(*tile));
  }
  if (kept.empty()) Fail(ErrorKind::kBadInput, "{}: no labelled tile is usable", arguments.tiles);
  const auto batch = robustness::ToBatch(kept, spec.low, spec.high);
  return {batch.images, batch.labels, DescribeProblems(dataset), ProblemsJson(dataset)};
}

LabelledImages Spread(LabelledImages all, int64_t limit) {
  if (limit <= 0 || limit >= all.size()) return all;
  std::vector<int64_t> places;
  for (int64_t i = 0; i < limit; ++i) places.push_back(i * all.size() / limit);
  const at::Tensor rows = at::tensor(places);
  return {.images = all.images.index_select(0, rows), .labels = all.labels.index_select(0, rows)};
}

}  // namespace

void AddImageOptions(CLI::App& command, ImageArguments& arguments, const std::string& prefix) {
  arguments.prefix = prefix;
  const auto name = [&](const char* option) { return fmt::format("--{}{}", prefix, option); };
  command.add_option(name("input"), arguments.input,
                     "safetensors file with `input` [B, C, H, W] in [0, 1] and `labels` [B]");
  command.add_option(name("tiles"), arguments.tiles,
                     "folder with manifest.csv, labels.csv or a folder a class, .npz, .npy or .h5");
  command.add_option(name("split"), arguments.split, "tiles of this split only; empty: all");
  command
      .add_option(name("other-size"), arguments.other_size,
                  "tiles of another size than the model's")
      ->check(CLI::IsMember({"leave-out", "resize"}))
      ->capture_default_str();
  command
      .add_option(name("limit"), arguments.limit, "at most this many images, evenly spread; 0: all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
}

LabelledImages ReadImages(const ImageArguments& arguments, const model::ImageSpec& spec) {
  if (arguments.input.empty() == arguments.tiles.empty())
    Fail(ErrorKind::kUsage, "give either --{0}input or --{0}tiles", arguments.prefix);
  LabelledImages out = arguments.tiles.empty()
                           ? Spread(ReadTensors(arguments.input), arguments.limit)
                           : ReadTiles(arguments, spec);
  if (out.size() == 0) Fail(ErrorKind::kBadInput, "{}: holds no images", arguments.input);
  out.images = out.images.to(at::Device(spec.device), at::kFloat);
  out.labels = out.labels.to(at::Device(spec.device), at::kLong);
  return out;
}

}  // namespace assay::app
