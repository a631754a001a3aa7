// Image files to 8-bit tiles and back. What a file really holds (bit depth, alpha, inks, whether it
// is complete) is read from its own header, since decoders hide it. Thread-safe.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "data/tile.h"

namespace assay::data {

// A tile that cannot be used; caught by TileDataset, which reports it.
class TileError : public std::runtime_error {
 public:
  TileError(TileProblemKind problem_kind, const std::string& message)
      : std::runtime_error(message), kind_(problem_kind) {}
  TileProblemKind kind() const { return kind_; }

 private:
  TileProblemKind kind_;
};

// Samples as stored: 8 or 16 bit, 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGB, alpha) channels.
// 16-bit samples span 0..65535.
struct RawTile {
  int height = 0, width = 0, channels = 0, bits = 8;
  bool rounded = false;           // the stored values were no whole numbers of 8 bit
  std::vector<uint16_t> samples;  // [height, width, channels]
};

// PNG, JPEG, TIFF, BMP and what else OpenCV reads. Throws TileError: kUnreadable, kTruncated,
// kCmyk.
RawTile DecodeImage(std::string_view bytes);

// What ConvertTile is asked for.
struct TileShape {
  int height = 0, width = 0;  // 0: any
  int channels = 3;           // 1 or 3
  bool resize = false;        // other sizes are resized (area when shrinking, else bilinear)
};

// The tile in 8 bit with the channels asked for. Rules: 16-bit samples are divided by 257 and
// rounded; alpha is laid over white, the colour of empty glass (an opaque one is dropped); grey is
// repeated; colour becomes grey only when its channels are equal. Each conversion adds a problem
// with left_out = false and an empty tile name. Throws TileError: kWrongSize, kColour.
Tile ConvertTile(const RawTile& raw, const TileShape& shape, std::vector<TileProblem>* problems);

std::string EncodePng(const Tile& tile);                // 8 bit, 1 or 3 channels
std::string EncodeJpeg(const Tile& tile, int quality);  // 1..100, 4:2:0 as most writers do

// A 16-bit grey PNG: label maps. labels: [height, width] row by row.
std::string EncodeLabelMap(const std::vector<uint16_t>& labels, int height, int width);

// The label map of a PNG of one channel, 8 or 16 bit. Throws TileError.
struct LabelMap {
  int height = 0, width = 0;
  std::vector<uint16_t> labels;  // [height, width]; 0: background
};
LabelMap DecodeLabelMap(std::string_view bytes);

}  // namespace assay::data
