// Measuring units on token prompts: the one place where a model is run for perturbation work.
// A stage hands over all the prompts it wants measured; a Prober answers each. ProbeScheduler does
// it fast; NaiveProber (naive_prober.h) does the same one prompt at a time, for tests and
// benchmarks. Not thread-safe.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/unit_id.h"

namespace assay::measure {

using base::UnitId;
using TokenId = int32_t;

// "What is this unit's activation on every token of this prompt?"
struct Probe {
  std::vector<TokenId> tokens;  // at least one; BOS included where the run adds it
  UnitId unit;
};

// "... and what does it become when each of these tokens is replaced by `mask`, one at a time?"
struct MaskedProbe {
  std::vector<TokenId> tokens;
  UnitId unit;
  std::vector<int> positions;  // ascending, within the prompt
};

struct MaskedActivations {
  std::vector<float> base;  // [tokens]
  std::vector<std::vector<float>>
      masked;  // [positions][tokens]: activations with positions[i] replaced
};

struct ProbeStats {
  int64_t requests = 0;      // prompts asked for, variants included
  int64_t prompts = 0;       // prompts run, after sharing
  int64_t forwards = 0;      // calls of the model
  int64_t tokens = 0;        // tokens run through the model
  int64_t token_layers = 0;  // tokens times the layers that they went through
  double model_seconds = 0;
};

class Prober {
 public:
  virtual ~Prober() = default;

  // One answer a probe: the unit's activation on every token. Throws kBadInput as
  // Transformer::Forward does.
  virtual std::vector<std::vector<float>> Activations(std::span<const Probe> probes) = 0;

  // One answer a probe.
  virtual std::vector<MaskedActivations> Masked(std::span<const MaskedProbe> probes,
                                                TokenId mask) = 0;

  const ProbeStats& stats() const { return stats_; }

 protected:
  ProbeStats stats_;
};

}  // namespace assay::measure
