// Scores of all graphs of a run on a set of texts, with the baselines, stored per unit and method.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/progress.h"
#include "model/inspectable_model.h"
#include "neurons/graph_options.h"
#include "neurons/token_classes.h"
#include "store/run_store.h"

namespace assay::neurons {

using base::UnitId;
using TokenId = int32_t;

struct ScoreContext {
  GraphOptions options;
  TokenClasses classes;
  int first_counted = 1;  // tokens before this one (BOS, sinks) are not scored
  int bos_tokens = 1;     // and these are never matched by a path
};

// The half of each unit's examples that its graph was not built from; activations are the stored
// ones.
void ScoreHeldOut(store::RunStore& store, std::span<const UnitId> units,
                  const ScoreContext& context, const base::Progress::Reporter& report);

// Texts that have nothing to do with how examples were chosen. `set` names them in the store. Runs
// the model.
void ScoreTexts(store::RunStore& store, std::span<const UnitId> units, const std::string& set,
                const std::vector<std::vector<TokenId>>& sequences,
                const model::TokenUnits& model_units, const ScoreContext& context,
                const base::Progress::Reporter& report);

// A layer's activations on the sequences: one [tokens, units] tensor each, float32 on the CPU.
std::vector<at::Tensor> LayerActivations(const model::TokenUnits& model_units, int layer,
                                         const std::vector<std::vector<TokenId>>& sequences);

// `count` of the ids (or all, where there are fewer), evenly over the list. The ids of the uniform
// sample are in the order of the text: its first `count` would be the text's beginning.
std::vector<int64_t> SpreadOver(std::span<const int64_t> ids, int count);

}  // namespace assay::neurons
