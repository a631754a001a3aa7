// How alike two images, or two saliency maps, are: SSIM and the largest CIELAB difference as
// proxies of what a person would notice; rank correlation, SSIM and top-k intersection of maps.
// Thread-safe: pure functions.
#pragma once

#include <ATen/core/Tensor.h>

namespace assay::measure {

// Structural similarity (Wang et al. 2004): Gaussian window of 11 px (less for smaller images, then
// the largest odd size that fits), sigma 1.5 px, K1 .01, K2 .03, range 1; mean over the places
// where the window fits, and over channels. a, b: [B, C, H, W] in [0, 1] -> [B] float64. Throws
// kBadInput when shapes differ.
at::Tensor Ssim(const at::Tensor& a, const at::Tensor& b);

// CIELAB (D65, 2 degrees) of sRGB. images: [B, 3, H, W] in [0, 1] -> [B, 3, H, W] float64.
at::Tensor CieLab(const at::Tensor& images);

// The largest difference of a pixel (CIE 1976: Euclidean in CIELAB; about 2.3 is just noticeable
// side by side). a, b: [B, 3, H, W] in [0, 1] -> [B] float64. One channel is taken as grey.
at::Tensor LargestColourDifference(const at::Tensor& a, const at::Tensor& b);

struct MapSimilarity {
  double spearman = 0;  // rank correlation, ties at their mean rank; 0 when a map is constant
  double ssim = 0;      // of the maps divided by their largest value
  double top_k = 0;     // share of the k largest places of one that are among those of the other
};
// before, after: [H, W], magnitudes (>= 0). `top_share` of the places, at least one, are the top.
// Throws kBadInput when shapes differ, a value is negative or not finite, or the share is not in
// (0, 1].
MapSimilarity CompareMaps(const at::Tensor& before, const at::Tensor& after,
                          double top_share = 0.1);

}  // namespace assay::measure
