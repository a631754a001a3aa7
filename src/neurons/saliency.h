// Stage 2 of Neuron to Graph: which tokens matter for the tokens that fire.
#pragma once

#include <span>
#include <vector>

#include "measure/prober.h"
#include "neurons/graph_options.h"
#include "store/records.h"

namespace assay::neurons {

using base::UnitId;
using TokenId = int32_t;

struct SaliencyRequest {
  UnitId unit;
  std::vector<TokenId> tokens;
  std::vector<float> activations;  // on `tokens`
  int pivot = 0;
  int bos_tokens = 0;  // leading tokens that are never masked
  double max_activation = 1;
};

struct SaliencyAnswer {
  std::vector<int> targets;  // ascending: tokens whose normalised activation is above the
                             // threshold, and the pivot
  // [targets][tokens]: I(k, target) = 1 - a(target | k masked) / a(target); 0 for k >= target and
  // for BOS
  std::vector<float> importances;

  float Importance(size_t target, size_t token, size_t tokens) const {
    return importances[target * tokens + token];
  }
};

// Importance by masking one token at a time (workshop paper's form; v2's equation 3 is printed
// upside down).
std::vector<SaliencyAnswer> MeasureSaliency(std::span<const SaliencyRequest> requests,
                                            const GraphOptions& options, TokenId mask,
                                            measure::Prober& prober);

}  // namespace assay::neurons
