// One example of a neuron as HTML: shaded text, and below it how it was pruned and varied, so that
// each number on the graph can be traced. Part of NeuronPage; needs PageCss() and PageScript().
// Thread-safe: pure functions.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "view/neuron_records.h"

namespace assay::view {

struct ExampleSettings {
  int before = 20, after = 10;  // tokens shown around the pivot; the rest unfolds
  double prune_share = 0.5;     // share of the activation that pruning had to restore
};

struct ShadedText {
  std::span<const store::TokenId> tokens;
  std::span<const float> activations;             // one a token
  std::vector<std::optional<float>> importances;  // one a token, or empty: none measured
  double max_activation = 0;                      // normalises activations for their shade
  int pivot = 0;
};

// Inline spans, one a token; those too far from the pivot are folded; without settings, none is.
std::string ShadedTextHtml(const ShadedText& text, std::span<const std::string> token_texts,
                           std::optional<ExampleSettings> settings = {});

// A block with heading ("#1 3.41 train"), text, pruning and variations. `label` names the example,
// e.g. "#1".
std::string ExampleHtml(const NeuronRecords& records, const store::Example& example,
                        const std::string& label, std::span<const std::string> token_texts,
                        const ExampleSettings& settings);

}  // namespace assay::view
