// Stage 3 of Neuron to Graph: variations of a pruned prompt, with an important word replaced by a
// likely one.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "measure/prober.h"
#include "neurons/graph_options.h"
#include "neurons/substitutes.h"
#include "store/records.h"
#include "tokenizer/tokenizer.h"

namespace assay::neurons {

using base::UnitId;
using TokenId = int32_t;

struct AugmentRequest {
  UnitId unit;
  std::vector<TokenId> tokens;
  int pivot = 0;
  int bos_tokens = 0;
  float activation = 0;        // at the pivot
  std::vector<int> important;  // positions before the pivot, ascending
};

struct Variation {
  store::Substitution substitution;
  std::vector<TokenId> tokens;
  int pivot = 0;
  std::vector<float> activations;
  float ratio = 0;  // activation at the pivot over the request's
  bool kept = false;
};

// One list a request, in the order of words and then of probability. A word is any run of letters
// that an important token is part of, and that does not touch the pivot. Variations after which the
// pivot is another token are not made.
std::vector<std::vector<Variation>> MakeVariations(std::span<const AugmentRequest> requests,
                                                   const GraphOptions& options,
                                                   const tokenizer::Tokenizer& tokenizer,
                                                   SubstituteSource& source,
                                                   measure::Prober& prober);

}  // namespace assay::neurons
