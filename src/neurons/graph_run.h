// Graphs for many units of a run, block by block, resumable: a block is computed and stored in one
// transaction, and blocks are cut from the list of units alone, so that a continued run computes
// the same blocks as an uninterrupted one.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/options.h"
#include "base/progress.h"
#include "model/transformer_config.h"
#include "neurons/graph_builder.h"
#include "store/run_store.h"

namespace assay::neurons {

struct GraphRunOptions {
  int block = 64;
  uint64_t seed = 1;

  template <typename Visitor>
  void VisitFields(Visitor&& visit) {
    visit("block", block,
          "neurons computed and stored at a time; the command's default goes by the model's size",
          base::Between(1, 4096));
    visit("split-seed", seed, "of the halves that train and test each graph");
  }
};

// A block for this model: its prompts fill forwards, and it takes seconds. 256 neurons for a model
// of half a million weights in its blocks, 16 from eight million on.
int BlockFor(const model::TransformerConfig& config);

// The halves of a unit's examples: kGiven ones as the run's manifest says, else a seeded random
// half trains. Builds what is missing of `units` (ascending).
void BuildMissingGraphs(store::RunStore& store, std::span<const UnitId> units,
                        const GraphOptions& options, const GraphRunOptions& run,
                        const GraphContext& context, measure::Prober& prober,
                        const base::Progress::Reporter& report);

// Which units the user asked for, ascending. Syntax: layers "0,2-3"; units "2:15,3:0-99"; both
// empty: all. `sample` > 0 keeps that many of them per layer, at random. Throws kUsage for bad
// syntax and for units the run does not have.
struct UnitSelection {
  std::string layers, units;
  int sample = 0;
  uint64_t seed = 1;
};
std::vector<UnitId> SelectUnits(const UnitSelection& selection, std::span<const UnitId> available);

// "3:17" -> {3, 17}. Throws kUsage.
UnitId ParseUnit(const std::string& text);

}  // namespace assay::neurons
