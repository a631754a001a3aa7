// Embeddings, clusters and measures for the units of an image classifier: examples are tiles, the
// input is the receptive patch at the location where the unit is strongest. Rows are those of text
// runs: a Sequence is a tile (source: its name, document: its class, no tokens), an Example's pivot
// a location (row by row) and its activation the pre-activation there. Not thread-safe.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/tile.h"
#include "model/image_units.h"
#include "neurons/embedding_run.h"

namespace assay::neurons {

struct ImageEmbedContext {
  const model::ImageUnits& model;
  int64_t tiles = 0;
  // The tile at 0 <= index < tiles, or nothing when it cannot be used. All of one size.
  std::function<std::optional<data::Tile>(int64_t index)> read;
  std::vector<std::string> class_names;  // for labels of clusters
  double low = 0, high = 1;              // what pixels 0 and 255 become
  int64_t memory_bytes = 512 << 20;      // of input vectors and of activations, about, each
};

// As EmbedUnits: what the store has measures for is kept, the rest is stored block by block. Every
// block is two passes over the tiles: maxima first, then the examples. `options`: examples "top"
// are the tiles with the largest positive activations, "above" a uniform sample of those that
// exceed the share of the unit's maximum; quantiles come from a uniform sample of 200 tiles, two
// from each of ten bins. gated_input and centred mean nothing here. Throws kBadInput when no tile
// can be used.
EmbedTimes EmbedImageUnits(store::RunStore& store, std::span<const UnitId> units,
                           const EmbedOptions& options, const ClusterOptions& clusters,
                           const ImageEmbedContext& context,
                           const base::Progress::Reporter& report);

// Rows and columns of a layer's locations on tiles of that size; {1, 1} or {tokens, 1} for linear
// layers. image: [1, C, H, W]
std::map<int, std::array<int64_t, 2>> LocationsOf(const model::ImageUnits& model,
                                                  std::span<const int> layers,
                                                  const at::Tensor& image);

// [C, H, W] float32: pixel 0 is `low`, 255 is `high`.
at::Tensor PixelsOf(const data::Tile& tile, double low, double high);

// "idc 12 / non_idc 3": the classes of tiles, commonest first, at most three; empty for tiles
// without classes.
std::string ClassLabel(std::span<const int64_t> classes, std::span<const std::string> names);

}  // namespace assay::neurons
