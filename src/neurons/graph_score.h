// Stage 7 of Neuron to Graph: how well a graph, and the lookups it is compared with, predict where
// a unit fires. Rules: a token fires when its normalised activation is at least the threshold
// (0.5), true or predicted. Tokens before `begin` (BOS) do not count. With nothing predicted
// precision is undefined (left out of averages) and F1 is 0; a unit that fires nowhere in the set
// has no precision, recall and F1, and is excluded. Averages are means over units, of F1 too.
// Thread-safe.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "store/records.h"

namespace assay::neurons {

using base::UnitId;
using TokenId = int32_t;

// A text with the unit's true activations (not normalised).
struct ScoredText {
  std::span<const TokenId> tokens;
  std::span<const float> activations;  // one a token; NaN where the token does not count
};

// predict(tokens, at) -> normalised activation
using Predictor = std::function<double(std::span<const TokenId>, size_t)>;

constexpr double kFiringThreshold = 0.5;

// Throws nothing; `max_activation` must be positive.
store::Score ScorePredictor(UnitId unit, const std::string& set, const std::string& method,
                            std::span<const ScoredText> texts, double max_activation,
                            const Predictor& predict);

struct MethodMeans {
  double precision = 0, recall = 0, f1 = 0,
         correlation = 0;  // means over the units where they are defined
  int precision_units = 0, units = 0, correlation_units = 0;
};

struct LayerScore {
  int layer = 0;
  int units = 0;                                             // that count
  std::vector<std::pair<std::string, int>> excluded;         // reason, units
  std::vector<std::pair<std::string, MethodMeans>> methods;  // in the order of ScoreMethods()
};

std::vector<std::string> ScoreMethods();  // n2g, token_lookup, ngram_2 ... ngram_5

// Means by layer, ascending, from the scores of one set.
std::vector<LayerScore> AverageByLayer(std::span<const store::Score> scores);

}  // namespace assay::neurons
