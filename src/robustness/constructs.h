// What a pixel of tissue belongs to (nucleus, border of a nucleus, stroma, background), where the
// energy of a perturbation lies, and attacks that may touch one construct only.
// Thread-safe: pure functions; the space is immutable.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <memory>
#include <string_view>

#include "robustness/nuclei_segmentation.h"
#include "robustness/parameter_space.h"

namespace assay::robustness {

// Border: pixels within one pixel of a nucleus's outline, on either side. Background: what is not
// nucleus or border and lets nearly all light through (mean optical density below 0.15). Stroma:
// all the rest, cytoplasm included.
enum Construct { kNuclei, kBorder, kStroma, kBackground };
inline constexpr std::array<std::string_view, 4> kConstructNames = {"nuclei", "border", "stroma",
                                                                    "background"};

struct TileConstructs {
  at::Tensor map;          // [H, W] int64, a Construct each
  int nuclei = 0;          // how many
  double nuclei_area = 0;  // share of the tile, of the label image
};

// Throws kBadInput when the sizes differ or the tile is not RGB.
TileConstructs FindConstructs(const data::Tile& tile, const LabelImage& nuclei);

struct ConstructShares {
  at::Tensor area;    // [B, 4] float64, rows add up to 1
  at::Tensor energy;  // [B, 4] float64, of the squared change; rows of zeros where nothing changed
};
// original, perturbed: [B, C, H, W]; maps: [B, H, W] int64.
ConstructShares MeasureConstructs(const at::Tensor& original, const at::Tensor& perturbed,
                                  const at::Tensor& maps);

// The pixels of each image where its mask is not 0; the others keep their values. images: [B, C, H,
// W]; allowed: [B, H, W] bool. It is for attacks on these images only: others throw kInternal.
std::unique_ptr<ParameterSpace> MakeMaskedPixelSpace(const at::Tensor& images,
                                                     const at::Tensor& allowed);

}  // namespace assay::robustness
