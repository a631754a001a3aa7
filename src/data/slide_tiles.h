// Tiles of a whole slide at a stated resolution, where there is tissue. Opened through OpenSlide.
// Thread-safe once made, as OpenSlide is.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/options.h"
#include "data/tile.h"
#include "data/tile_dataset.h"

namespace assay::data {

struct SlideOptions {
  double microns_per_pixel = 0.5;
  int tile_px = 224;
  int stride_px = 0;
  double min_tissue = 0.5;
  double slide_microns_per_pixel = 0;

  template <typename Visitor>
  void VisitFields(Visitor&& visit) {
    using base::Between;
    visit("microns-per-pixel", microns_per_pixel, "resolution of the tiles", Between(0.05, 100));
    visit("tile-px", tile_px, "side of a tile in pixels", Between(8, 8192));
    visit("stride-px", stride_px, "from tile to tile, in pixels; 0: the side", Between(0, 8192));
    visit("min-tissue", min_tissue, "share of a tile that must be tissue", Between(0, 1));
    visit("slide-microns-per-pixel", slide_microns_per_pixel,
          "resolution of the slide where its file does not say; 0: the file's", Between(0, 100));
  }
};

// Where there is tissue, at about 8 microns per pixel.
struct TissueMask {
  int height = 0, width = 0;
  double microns_per_pixel = 0;
  double threshold = 0;         // saturation, 0..1
  std::vector<uint8_t> tissue;  // [height, width]: 1 tissue, 0 glass
};

// Otsu's threshold on the saturation (HSV) of a blurred thumbnail; a pixel below 0.05 is glass in
// any case, so that an empty slide has no tissue. rgb: 3 channels.
TissueMask FindTissue(const Tile& rgb, double microns_per_pixel);

class Slide {
 public:
  // Throws kNotFound, kBadInput naming the file: not a slide, or no resolution in it and none
  // given.
  static Slide Open(const std::filesystem::path& file, const SlideOptions& options);
  Slide(Slide&&) noexcept;
  ~Slide();

  struct Place {
    int64_t x = 0, y = 0;  // upper left corner, pixels of the full slide
    double tissue = 0;     // share of the tile
  };
  const std::vector<Place>& places() const;  // row by row
  const TissueMask& mask() const;
  double microns_per_pixel() const;  // of the full slide
  int64_t height() const;            // of the full slide, pixels
  int64_t width() const;

  // The tile [tile_px, tile_px, 3] whose corner is at the place. What lies outside the slide or was
  // not scanned is white. Throws TileError.
  Tile Read(const Place& place) const;

 private:
  struct State;
  explicit Slide(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// The tiles of a slide as a dataset without labels; names are FILE@x,y. Throws as Slide::Open, and
// kBadInput when no tile has enough tissue.
TileDataset OpenSlideTiles(const std::filesystem::path& file, const SlideOptions& options,
                           TileReporter report = {});

}  // namespace assay::data
