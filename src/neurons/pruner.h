// Stage 1 of Neuron to Graph: the shortest left context that restores enough of the pivot's
// activation.
#pragma once

#include <span>
#include <vector>

#include "measure/prober.h"
#include "neurons/graph_options.h"
#include "store/records.h"

namespace assay::neurons {

using base::UnitId;
using TokenId = int32_t;

struct PruneRequest {
  UnitId unit;
  int example = 0;              // rank, kept in the answer
  std::vector<TokenId> tokens;  // the whole example
  int pivot = 0;
  float full_activation = 0;  // at the pivot
  int bos_tokens = 0;         // leading tokens (0 or 1) that stay in front of every candidate
  int post_limit = 0;         // tokens after the pivot that belong to its sentence
};

struct PrunedExample {
  store::Pruning pruning;
  std::vector<TokenId>
      tokens;     // BOS, kept context, pivot, kept post-context; empty when kNotPositive
  int pivot = 0;  // in `tokens`
  std::vector<float> activations;  // on `tokens`
};

// Answers in order. Every context length (in steps of prune_step) is tried, shortest first, as if
// one after the other: how many are measured at once does not change the answer.
std::vector<PrunedExample> PruneExamples(std::span<const PruneRequest> requests,
                                         const GraphOptions& options, measure::Prober& prober);

}  // namespace assay::neurons
