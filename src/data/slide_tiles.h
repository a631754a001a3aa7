// Tiles of a whole slide at a stated resolution, where there is tissue. Opened through OpenSlide.
// Thread-safe once made, as OpenSlide is.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/options.h"
#include "data/tile.h"

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
    visit("mpp", microns_per_pixel, "microns per pixel of the tiles", Between(0.05, 100));
    visit("size", tile_px, "side of a tile in pixels", Between(8, 8192));
    visit("stride", stride_px, "from tile to tile, in pixels; 0: the side", Between(0, 8192));
    visit("min-tissue", min_tissue, "share of a tile that must be tissue", Between(0, 1));
    visit("slide-mpp", slide_microns_per_pixel,
          "microns per pixel of the slide where its file does not say", Between(0, 100));
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

// Whether OpenSlide knows the format of the file. False for files that are not there.
bool IsSlide(const std::filesystem::path& file);

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
  std::string name() const;  // of the file, without extension

  // The tile [tile_px, tile_px, 3] whose corner is at the place. What lies outside the slide or was
  // not scanned is white. Throws TileError.
  Tile Read(const Place& place) const;

 private:
  struct State;
  explicit Slide(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// The tiles as a dataset of image files: FOLDER/tiles/X_Y.png and FOLDER/manifest.csv with path,
// slide, patient (empty), x, y, and a label where one is given, the same for all. At most `limit`,
// evenly spread over the places (0: all). done(tiles so far) is called after each. Returns how many
// were written. Throws kBadInput where the slide cannot be read, kIo where files cannot be written.
int64_t WriteSlideTiles(const Slide& slide, const std::filesystem::path& folder, int64_t limit,
                        const std::string& label, const std::function<void(int64_t)>& done = {});

class TileSource;

// The tiles of a slide without labels; names are FILE@x,y. Throws as Slide::Open, and kBadInput
// when no tile has enough tissue.
std::unique_ptr<TileSource> OpenSlideTiles(const std::filesystem::path& file,
                                           const SlideOptions& options);

}  // namespace assay::data
