#include "robustness/tile_batch.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "base/error.h"

namespace assay::robustness {

at::Tensor ToImages(std::span<const data::Tile> tiles, double low, double high) {
  ASSAY_CHECK(!tiles.empty());
  const data::Tile& first = tiles.front();
  const auto size = static_cast<int64_t>(first.pixels.size());
  at::Tensor bytes = at::empty(
      {static_cast<int64_t>(tiles.size()), first.height, first.width, first.channels}, at::kByte);
  for (size_t i = 0; i < tiles.size(); ++i) {
    const data::Tile& tile = tiles[i];
    ASSAY_CHECK(tile.height == first.height && tile.width == first.width &&
                tile.channels == first.channels &&
                static_cast<int64_t>(tile.pixels.size()) == size);
    std::copy(tile.pixels.begin(), tile.pixels.end(),
              bytes.data_ptr<uint8_t>() + static_cast<int64_t>(i) * size);
  }
  at::Tensor images = bytes.permute({0, 3, 1, 2}).to(at::kFloat).contiguous().div_(255);
  if (low != 0 || high != 1) images = images * (high - low) + low;
  return images;
}

TileBatch ToBatch(std::span<const data::Tile> tiles, double low, double high) {
  TileBatch batch{.images = ToImages(tiles, low, high)};
  std::vector<int64_t> labels;
  for (const data::Tile& tile : tiles) {
    labels.push_back(tile.label);
    batch.infos.push_back(tile);
  }
  batch.labels = at::tensor(labels, at::kLong);
  return batch;
}

data::Tile ToTile(const at::Tensor& image, double low, double high) {
  ASSAY_CHECK(image.dim() == 3 && (image.size(0) == 1 || image.size(0) == 3));
  const at::Tensor levels =
      ((image.detach().to(at::kCPU, at::kFloat) - low) * (255 / (high - low))).permute({1, 2, 0});
  const auto [least, most] = at::aminmax(levels);
  ASSAY_CHECK(least.item<float>() > -0.1F && most.item<float>() < 255.1F);
  const at::Tensor bytes = levels.round().clamp(0, 255).to(at::kByte).contiguous();
  data::Tile tile;
  tile.channels = static_cast<int>(image.size(0));
  tile.height = static_cast<int>(image.size(1));
  tile.width = static_cast<int>(image.size(2));
  tile.pixels.assign(bytes.data_ptr<uint8_t>(), bytes.data_ptr<uint8_t>() + bytes.numel());
  return tile;
}

std::optional<TileBatch> NextBatch(data::TileDataset& tiles, int64_t& position, int64_t size,
                                   const model::ImageSpec& spec) {
  std::vector<data::Tile> read;
  while (position < tiles.size() && static_cast<int64_t>(read.size()) < size) {
    if (auto tile = tiles.Read(position++)) read.push_back(std::move(*tile));
  }
  if (read.empty()) return std::nullopt;
  return ToBatch(read, spec.low, spec.high);
}

TileBatch ReadAll(data::TileDataset& tiles, const model::ImageSpec& spec) {
  return ToBatch(tiles.ReadAll(), spec.low, spec.high);
}

data::TileOptions OptionsFor(const model::ImageSpec& spec) {
  return {.channels = spec.channels,
          .height = spec.height,
          .width = spec.width,
          .microns_per_pixel = spec.microns_per_pixel.value_or(0),
          .class_names = spec.class_names};
}

}  // namespace assay::robustness
