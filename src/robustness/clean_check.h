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

// Whether a declared accuracy holds on tiles, given their number.
enum class DeclaredVerdict {
  kReproduced,    // met within one tile or its own rounding (0.0005)
  kWithinChance,  // off by no more than other tiles of the same kind would be
  kContradicted,  // off by more than chance explains (binomial, two-sided, 5%)
  kTooFewToTell,  // not contradicted, but so few tiles would not contradict much either
};
// Tiles are too few when they leave an accuracy open by more than 6 points to either side (half the
// 95% Wilson interval of the declared one).
DeclaredVerdict JudgeDeclared(int64_t correct, int64_t tiles, double declared);
// "reproduced", "too few tiles to tell (4)", ...
std::string DescribeVerdict(DeclaredVerdict verdict, int64_t correct, int64_t tiles);
// A sentence for a report when the declared accuracy cannot explain that of these tiles; nothing
// otherwise, or without a declared one.
std::optional<std::string> ContradictionOf(const model::ImageSpec& spec, int64_t correct,
                                           int64_t tiles);

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
  std::optional<DeclaredVerdict> declared;  // absent: the sidecar declares no accuracy
};

// Runs the classifier over all usable tiles, `batch` at a time; done(tiles so far) is called
// between batches. Throws kBadInput when there is none, when tiles have no labels, and what Logits
// throws.
CleanCheck CheckClean(const model::ImageClassifier& classifier, data::TileDataset& tiles,
                      int64_t batch, const std::function<void(int64_t)>& done = {});

}  // namespace assay::robustness
