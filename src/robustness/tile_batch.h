// Tiles as tensors and back: where 8-bit pixels meet classifiers. Thread-safe.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "data/tile_dataset.h"
#include "model/image_classifier.h"

namespace assay::robustness {

// images: [B, C, H, W] float32; labels: [B] int64, -1 where a tile has none.
struct TileBatch {
  at::Tensor images, labels;
  std::vector<data::TileInfo> infos;  // [B]
};

// low + (high - low) * pixel / 255: [B, C, H, W]. Tiles of one size, at least one.
at::Tensor ToImages(std::span<const data::Tile> tiles, double low = 0, double high = 1);
TileBatch ToBatch(std::span<const data::Tile> tiles, double low = 0, double high = 1);

// image: [C, H, W] float32 in [low, high], C 1 or 3, any device. Rounded to the nearest grey level,
// as writing a PNG does; values outside the range by more than rounding are a bug of the caller.
data::Tile ToTile(const at::Tensor& image, double low = 0, double high = 1);

// The next usable tiles from `position` on, at most `size`; `position` moves past them. Absent at
// the end.
std::optional<TileBatch> NextBatch(data::TileDataset& tiles, int64_t& position, int64_t size,
                                   const model::ImageSpec& spec);

// All of it, in memory. Throws kBadInput when no tile is usable.
TileBatch ReadAll(data::TileDataset& tiles, const model::ImageSpec& spec);

// What a dataset is asked for so that its tiles fit the classifier: its channels, declared size,
// microns per pixel (of a whole slide's tiles) and class names.
data::TileOptions OptionsFor(const model::ImageSpec& spec);

}  // namespace assay::robustness
