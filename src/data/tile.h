// An image tile with its label and origin, and what is said about tiles that cannot be used as they
// are. Plain values.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace assay::data {

// Where a tile comes from and what it shows; known without decoding it.
struct TileInfo {
  std::string name;                   // path, or FILE[index]: unique in its dataset
  int64_t label = -1;                 // class index, from 0; -1: not labelled
  std::string patient, slide, split;  // empty: not said
  int64_t x = -1, y = -1;  // its corner in the whole slide it was cut from, pixels; -1: none
};

struct Tile : TileInfo {
  int height = 0, width = 0, channels = 3;  // 3: RGB, 1: grey
  std::vector<uint8_t> pixels;              // [height, width, channels]
};

enum class TileProblemKind {
  kUnreadable,  // missing, or no image format that is known: left out
  kTruncated,   // the file ends early or is damaged: left out
  kWrongSize,   // not the size of the dataset: left out, or resized where options say so
  kDeepColour,  // 16-bit or floating-point samples: converted to 8 bit
  kAlpha,       // has an alpha channel: laid over white
  kGrey,        // grey, where RGB is expected: repeated to three channels
  kColour,      // coloured, where grey is expected: left out
  kCmyk,        // CMYK or another ink space: left out, its colours depend on a profile
  kBadLabel,    // the label is no class of the dataset: left out
};
std::string_view TileProblemKindName(TileProblemKind kind);  // "truncated", "16 bit", ...

struct TileProblem {
  std::string tile;  // its name
  TileProblemKind kind = TileProblemKind::kUnreadable;
  bool left_out = true;  // false: converted
  std::string message;   // what was seen and what was done
};
std::string ToString(const TileProblem& problem);  // "a/b.png: alpha: laid over white"
using TileReporter = std::function<void(const TileProblem&)>;

}  // namespace assay::data
