// What a classifier answers to tiles whether or not they have labels: those of a whole slide above
// all. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "data/tile_dataset.h"
#include "model/image_classifier.h"

namespace assay::robustness {

struct TilePrediction {
  data::TileInfo info;
  int64_t answer = 0;                 // class of the largest probability
  std::vector<double> probabilities;  // [K]
};

// Of all usable tiles, `batch` at a time; done(tiles so far) is called between batches. Throws
// kBadInput when no tile is usable, and what Logits throws.
std::vector<TilePrediction> PredictTiles(const model::ImageClassifier& classifier,
                                         data::TileDataset& tiles, int64_t batch,
                                         const std::function<void(int64_t)>& done = {});

struct PredictedClass {
  std::string name;
  int64_t tiles = 0;            // answered so
  double mean_probability = 0;  // of this class, over all tiles
};
// One a class, in their order. predictions: at least one.
std::vector<PredictedClass> SummarizePredictions(const std::vector<TilePrediction>& predictions,
                                                 const std::vector<std::string>& class_names);

// A line a tile: path, x and y (corner in the slide, empty where there is none), label (name, empty
// where there is none), answer (name), and a column "probability NAME" a class.
std::string PredictionsCsv(const std::vector<TilePrediction>& predictions,
                           const std::vector<std::string>& class_names);

}  // namespace assay::robustness
