// How a neuron graph is made and read: every threshold and variant of Neuron to Graph as one
// options struct, and the presets that combine them. Sources: v2 = arXiv 2305.19911, workshop =
// arXiv 2304.12918, reference = the authors' code.
#pragma once

#include <string>
#include <vector>

#include "base/options.h"

namespace assay::neurons {

struct GraphOptions {
  // Prune
  double prune_share = 0.5;
  int prune_step = 1;
  int prune_max_context = 30;  // the authors' code stops there; cost grows with its cube
  int prune_post_context = 0;
  bool prune_rescale = false;
  int trajectory_context = 0;
  // Saliency
  std::string mask_token = "auto";
  double importance_threshold = 0.75;
  // Augment
  double substitute_trigger = 0.75;
  int substitutes_per_word = 5;
  double substitute_min_probability = 1e-5;
  double substitute_share = 0.5;
  // Build
  double activation_threshold = 0.5;
  bool normalize_tokens = false;
  bool merge_ignored = false;
  std::string end_value = "max";
  // Match
  std::string match = "max";

  template <typename Visitor>
  void VisitFields(Visitor&& visit) {
    using base::Between;
    using base::OneOf;
    visit("prune-share", prune_share,
          "share of the pivot's activation that the kept context must restore", Between(0.01, 1));
    visit("prune-step", prune_step, "left context grows by this many tokens at a time",
          Between(1, 64));
    visit("prune-max-context", prune_max_context, "longest left context tried, in tokens",
          Between(0, 4096));
    visit("prune-post-context", prune_post_context,
          "tokens kept after the pivot, within its sentence", Between(0, 64));
    visit("prune-rescale", prune_rescale,
          "scale a pruned prompt's activations by full / pruned at the pivot");
    visit("trajectory-context", trajectory_context,
          "measure the pivot at least up to this many tokens of context, for trajectories",
          Between(0, 4096));
    visit("mask-token", mask_token,
          "token that hides another: auto (eos, else pad, else bos), eos, pad, bos, unk or an id");
    visit("importance-threshold", importance_threshold,
          "a token with more importance becomes a context node", Between(0, 1));
    visit("substitute-trigger", substitute_trigger,
          "a token with more importance for the pivot is varied", Between(0, 1));
    visit("substitutes-per-word", substitutes_per_word, "likely words tried in place of each",
          Between(0, 1000));
    visit("substitute-min-probability", substitute_min_probability,
          "least probability of a substitute", Between(0, 1));
    visit("substitute-share", substitute_share,
          "share of the pivot's activation that a variation must keep", Between(0, 10));
    visit("activation-threshold", activation_threshold,
          "normalised activation above which a token fires", Between(0, 1));
    visit("normalize-tokens", normalize_tokens,
          "tokens that differ only in case and surrounding space are one");
    visit("merge-ignored", merge_ignored,
          "what follows a context node may also follow a sibling that is ignored");
    visit("end-value", end_value, "of paths that meet, which activation stays at the end",
          OneOf({"max", "first"}));
    visit("match", match, "which matching path predicts", OneOf({"max", "longest", "greedy"}));
  }
};

// "paper" (v2, the default), "workshop" and "reference". Throws kUsage for another name.
GraphOptions GraphPreset(const std::string& name);
std::vector<std::string> GraphPresetNames();

}  // namespace assay::neurons
