// How well found nuclei agree with true ones: F1 at an overlap of one half, and the aggregated
// Jaccard index. Thread-safe: pure functions.
#pragma once

#include <optional>
#include <span>

#include "robustness/nuclei_segmentation.h"

namespace assay::robustness {

struct InstanceScore {
  int64_t found = 0, truth = 0;  // nuclei
  int64_t matched = 0;           // pairs with an intersection over union above 0.5
  int64_t aji_intersection = 0, aji_union = 0;
  int64_t pixels_both = 0, pixels_found = 0, pixels_truth = 0;

  // Absent when there are neither found nor true nuclei.
  std::optional<double> f1() const;                       // 2 matched / (found + truth)
  std::optional<double> aji() const;                      // Kumar et al. 2017, algorithm 1
  std::optional<double> dice() const;                     // of the pixels of all nuclei
  InstanceScore& operator+=(const InstanceScore& other);  // pooled over images
};

// Above one half, a nucleus matches at most one other, so no assignment problem arises. In the
// aggregated Jaccard index each true nucleus takes the found one with the largest intersection over
// union, used or not; found nuclei never taken add their area to the union. Throws kBadInput when
// the sizes differ.
InstanceScore ScoreInstances(const LabelImage& found, const LabelImage& truth);

}  // namespace assay::robustness
