// Nuclei in an H&E tile without a trained model: haematoxylin by colour deconvolution, a threshold,
// and a watershed of the distance to the edge. Good enough to say where the energy of an attack
// lies; its own score against hand-made masks is what `assay robust nuclei` reports.
// Thread-safe: pure functions.
#pragma once

#include <cstdint>
#include <vector>

#include "base/options.h"
#include "data/tile.h"

namespace assay::robustness {

// One number a pixel: 0 background, 1 .. count one nucleus each.
struct LabelImage {
  int height = 0, width = 0, count = 0;
  std::vector<int32_t> labels;  // [height, width]

  int32_t At(int y, int x) const {
    return labels[static_cast<size_t>(y) * static_cast<size_t>(width) + static_cast<size_t>(x)];
  }
};

// Tuned on 60 stained images of nuclei about 10 to 40 px across (docs/decisions.md). Sizes follow
// the tile: its nuclear radius is estimated from the stained area.
struct NucleiOptions {
  double blur_px = 0.5;       // sigma of the smoothing of the stain, in pixels
  double local_weight = 0.5;  // of the mean of the neighbourhood in the threshold, against Otsu's
  int local_px = 40;          // radius of that neighbourhood
  double strictness = 1.0;    // factor of the threshold
  double least_stain = 0.15;  // optical density of haematoxylin below which there is no nucleus
  double core_radii = 1.25;   // nuclei are told apart by comparing with this neighbourhood
  double core_strictness = 0.95;  // factor of its mean
  double least_area = 0.15;  // smaller pieces are dropped; share of a disc of the nuclear radius
  double neck = 0.9;  // pieces are cut where the neck is below this share of the narrower lobe

  template <typename Visitor>
  void VisitFields(Visitor&& visit) {
    visit("blur-px", blur_px, "smoothing of the stain, sigma in pixels", base::Between(0, 20));
    visit("local-weight", local_weight, "share of the local mean in the threshold",
          base::Between(0, 1));
    visit("local-px", local_px, "radius of the neighbourhood of the threshold",
          base::Between(1, 1000));
    visit("strictness", strictness, "factor of the threshold", base::Between(0.1, 10));
    visit("least-stain", least_stain, "least optical density of a nucleus", base::Between(0, 5));
    visit("core-radii", core_radii, "neighbourhood that cores are compared with, in nuclear radii",
          base::Between(0.5, 20));
    visit("core-strictness", core_strictness, "factor of the threshold of cores",
          base::Between(0.1, 10));
    visit("least-area", least_area, "smaller pieces are dropped, share of a nucleus",
          base::Between(0, 10));
    visit("neck", neck, "pieces are cut at necks below this share of the narrower lobe",
          base::Between(0, 1));
  }
};

// Optical density of haematoxylin and eosin, [height, width] each; 0 where there is less than none.
// The matrix is that of Ruifrok and Johnston 2001 with the residual as third stain. Throws
// kBadInput for a tile that is not RGB.
struct StainDensity {
  std::vector<float> haematoxylin, eosin;
};
StainDensity SeparateStains(const data::Tile& tile);

// Throws kUsage for options out of range, kBadInput for a tile that is not RGB.
LabelImage SegmentNuclei(const data::Tile& tile, const NucleiOptions& options);

// Cuts pieces of `inside` (not 0) by a watershed of their distance to the edge: for masks that do
// not tell nuclei apart. Pieces of fewer than least_area_px pixels are dropped.
LabelImage SplitPieces(const std::vector<uint8_t>& inside, int height, int width, double neck,
                       int least_area_px);

}  // namespace assay::robustness
