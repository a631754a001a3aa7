// Embeddings, clusters and measures for the units of a run, stored block by block; what is there
// already is kept, so that an interrupted run goes on.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/progress.h"
#include "neurons/unit_embedding.h"

namespace assay::neurons {

struct EmbedOptions {
  std::string examples = "above";
  double share = 0.75;
  int cap = 100;
  bool quantiles = false;
  std::string gated_input = "gate";
  bool centred = false;
  uint64_t seed = 1;

  template <typename Visitor>
  void VisitFields(Visitor&& visit) {
    using base::Between;
    using base::OneOf;
    visit("examples", examples,
          "which examples: top (those collected), or above: every one that exceeds --share of the "
          "neuron's maximum, from another pass over the text",
          OneOf({"top", "above"}));
    visit("share", share, "of the neuron's maximum", Between(0, 1));
    visit("cap", cap, "examples of a neuron, at most; drawn uniformly from those above --share",
          Between(1, 5000));
    visit("quantiles", quantiles,
          "also the collected quantile samples with positive activation: behaviour below the top");
    visit("gated-input", gated_input,
          "gated MLPs have two input matrices; which one explains a neuron: gate (the one that "
          "decides whether it fires) or up",
          OneOf({"gate", "up"}));
    visit("centred", centred,
          "SAE features: take the decoder bias off the input, as the encoder does");
    visit("embed-seed", seed, "of the sample");
  }
};

struct EmbedContext {
  const model::TokenUnits& model;
  std::function<SequenceStream()> open_text;  // from its beginning; for --examples above
  std::vector<std::string> token_texts;
  int first_counted = 1;
  int64_t memory_bytes = 512 << 20;  // of input vectors held at a time, about
};

struct EmbedTimes {
  double seconds = 0, model_seconds = 0;  // wall time; of it, running the model and picking inputs
  int64_t units = 0, examples = 0;
};

// For `units` (ascending) that have no measures yet. Units without a usable example get measures
// with 0 examples. Throws kBadInput when the text is not the one that was collected.
EmbedTimes EmbedUnits(store::RunStore& store, std::span<const UnitId> units,
                      const EmbedOptions& options, const ClusterOptions& clusters,
                      const EmbedContext& context, const base::Progress::Reporter& report);

}  // namespace assay::neurons
