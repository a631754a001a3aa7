// Numbers of an array to samples of a tile, by one rule for the whole array. Thread-safe.
#pragma once

#include <cstdint>
#include <vector>

#include "data/tile_image.h"

namespace assay::data {

// What the numbers span. Decided once for an array, since a dark tile alone does not tell.
enum class NumberSpan {
  kBytes,  // 0..255
  kUnit,   // 0..1: multiplied by 255
  kWords,  // 0..65535
};

// From the largest value of a sample of tiles: floating-point numbers up to 1 span 0..1, two-byte
// integers above 255 span 0..65535, everything else 0..255.
NumberSpan SpanOf(double largest, bool is_float, int64_t item_bytes);

// The sizes of one tile in an array [n, H, W], [n, H, W, C] or [n, C, H, W].
struct ArrayLayout {
  int height = 0, width = 0, channels = 1;
  bool channels_first = false;
};
// C is 1, 3 or 4; throws kBadInput naming `name` and the shape for anything else.
ArrayLayout LayoutOf(const std::vector<int64_t>& shape, const std::string& name);

// numbers: one tile, as `layout` says. Throws TileError for a number that is not finite or outside
// the span.
RawTile ToRawTile(const std::vector<double>& numbers, const ArrayLayout& layout, NumberSpan span);

}  // namespace assay::data
