// A two-alternative forced-choice study of perceptibility: pairs of a tile and an attacked copy, of
// which a person says which one was altered. Thread-safe as far as the model is.
#pragma once

#include <string>
#include <vector>

#include "model/image_classifier.h"
#include "robustness/tile_batch.h"

namespace assay::robustness {

struct StudyOptions {
  std::string levels = "1,2,4,8,16";  // largest change, grey levels
  int trials = 16;                    // pairs a level
  int steps = 20;                     // of PGD
  uint64_t seed = 0;
  template <typename Visitor>
  void VisitFields(Visitor&& visit) {
    visit("levels", levels, "largest changes, whole grey levels separated by commas");
    visit("trials", trials, "pairs a level", base::Between(1, 10000));
    visit("steps", steps, "steps of the attack", base::Between(1, 10000));
    visit("seed", seed, "of the choice of tiles, sides and order");
  }
};

struct StudyPair {
  std::string tile;  // its name
  double level = 0;  // grey levels
  bool altered_first = false;
  data::Tile first, second;                     // as stored: rounded to 8 bits
  double rmse_grey = 0, ssim = 0, delta_e = 0;  // proxies, of the stored tiles
};

// Pairs in the order of the study: levels mixed, sides at random, tiles used as evenly as possible.
// The altered tile of every pair, as stored, differs by its level exactly: the largest change of a
// value. Throws kUsage for levels that are not whole numbers from 1 to 255, kBadInput when the
// attack changes no tile by a level.
std::vector<StudyPair> MakeStudy(const model::ImageClassifier& model, const TileBatch& tiles,
                                 const StudyOptions& options);

}  // namespace assay::robustness
