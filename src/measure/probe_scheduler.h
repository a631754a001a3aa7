// Answers many probes with few, large forwards. Identical prompts run once for all units that ask
// (and a prompt that begins another comes free with it); prompts lie side by side without padding,
// whatever their length and depth; each goes no deeper than its units; variants of a prompt attend
// to the prompt's own keys and values of the tokens before the replaced one. Not thread-safe.
#pragma once

#include <map>
#include <memory>

#include "measure/prober.h"
#include "model/inspectable_model.h"

namespace assay::measure {

struct SchedulerOptions {
  int batch_tokens = 2048;  // tokens a forward, about
};

class ProbeScheduler : public Prober {
 public:
  // Of the neurons of `model`, or of other units; borrowed.
  explicit ProbeScheduler(const model::Transformer& model, SchedulerOptions options = {});
  explicit ProbeScheduler(const model::TokenUnits& units, SchedulerOptions options = {});

  std::vector<std::vector<float>> Activations(std::span<const Probe> probes) override;
  std::vector<MaskedActivations> Masked(std::span<const MaskedProbe> probes, TokenId mask) override;

 private:
  // Distinct prompts, with the requests that want them.
  struct Prompt {
    const std::vector<TokenId>* tokens;  // borrowed from a request
    int depth = 0;                       // deepest layer wanted
    std::vector<size_t> requests;
  };
  // Where to put a unit's values on the first `count` tokens of a part of a forward.
  struct Target {
    UnitId unit;
    float* out;
    int64_t count;
  };
  // What is to run of a prompt: all of it, or of a variant what follows the first `shared` tokens
  // of the part numbered `base`.
  struct Part {
    std::vector<TokenId> tokens;
    int depth = 0;
    size_t base = 0;
    int64_t shared = 0;
    std::vector<Target> targets;
  };
  class Forwards;  // collects parts and runs them when there are enough

  void Run(std::vector<Part>& parts);
  void AddWithVariants(const Prompt& prompt, std::span<const MaskedProbe> probes, TokenId mask,
                       std::vector<MaskedActivations>& answers, Forwards& forwards);

  std::unique_ptr<model::TokenUnits> owned_;  // the neurons, when only a network was given
  const model::TokenUnits& units_;
  const model::Transformer& model_;
  SchedulerOptions options_;
};

}  // namespace assay::measure
