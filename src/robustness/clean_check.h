// How well a classifier does on tiles as they are: what must hold before anything is attacked.
// Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "data/tile_dataset.h"
#include "model/image_classifier.h"

namespace assay::robustness {

struct ClassAccuracy {
  std::string name;
  int64_t tiles = 0, correct = 0;
};

struct CleanCheck {
  int64_t tiles = 0, correct = 0;
  double loss = 0;                 // mean cross-entropy
  double lowest = 0, highest = 0;  // values of the images
  std::vector<ClassAccuracy> by_class;
  double accuracy() const { return static_cast<double>(correct) / static_cast<double>(tiles); }
  // Whether the declared accuracy is met within one tile or its own rounding (0.0005). Absent: the
  // sidecar declares none.
  std::optional<bool> reproduces;
};

// Runs the classifier over all usable tiles, `batch` at a time; done(tiles so far) is called
// between batches. Throws kBadInput when there is none, when tiles have no labels, and what Logits
// throws.
CleanCheck CheckClean(const model::ImageClassifier& classifier, data::TileDataset& tiles,
                      int64_t batch, const std::function<void(int64_t)>& done = {});

}  // namespace assay::robustness
