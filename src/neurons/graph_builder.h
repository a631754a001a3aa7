// All stages of Neuron to Graph for a block of units: prune, saliency, augment, saliency of what
// was kept, build. Stages hand their requests for all units of the block to one prober, so that
// forwards are few and large.
#pragma once

#include <span>
#include <vector>

#include "measure/prober.h"
#include "neurons/augmenter.h"
#include "neurons/graph_options.h"
#include "neurons/substitutes.h"
#include "neurons/token_classes.h"
#include "store/records.h"
#include "tokenizer/tokenizer.h"

namespace assay::neurons {

struct TrainingExample {
  int rank = 0;
  std::vector<TokenId> tokens;
  int pivot = 0;
  float activation = 0;  // at the pivot, in full context
};

struct GraphRequest {
  UnitId unit;
  double max_activation = 0;
  std::vector<TrainingExample> examples;
};

// Everything that explains a graph. The graph's `train` and `test` are the caller's to fill.
struct GraphResult {
  store::Graph graph;
  std::vector<store::Pruning> prunings;
  std::vector<store::Prompt> prompts;
};

struct GraphContext {
  const tokenizer::Tokenizer& tokenizer;
  std::vector<std::string> token_texts;  // by id
  TokenClasses classes;
  TokenId mask = 0;    // hides a token in saliency
  int bos_tokens = 1;  // leading tokens of every example that are never varied (0 or 1)
  SubstituteSource* substitutes = nullptr;  // optional: none means no augmentation
};

std::vector<GraphResult> BuildGraphs(std::span<const GraphRequest> requests,
                                     const GraphOptions& options, const GraphContext& context,
                                     measure::Prober& prober);

// Token id for --mask-token. Throws kUsage naming what the tokenizer has.
TokenId ResolveMaskToken(const std::string& name, const tokenizer::SpecialIds& specials, int vocab);

}  // namespace assay::neurons
