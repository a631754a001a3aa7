// Answers many probes with few, large forwards. Prompts lie side by side without padding, whatever
// their length and depth; what begins several of them (identical ones, a prompt and its variants,
// any two with the same first tokens) runs once for all units that ask; each goes no deeper than
// its units. Not thread-safe.
#pragma once

#include <memory>
#include <span>
#include <vector>

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
  // A unit's values on the tokens of a prompt from `first` on go to out[first], out[first + 1], ...
  struct Wanted {
    std::span<const TokenId> tokens;
    UnitId unit;
    float* out;
    int64_t first = 0;
  };
  // The same within one segment of a forward: `count` values from its token `begin` on.
  struct Target {
    int segment;
    int64_t begin, count;
    UnitId unit;
    float* out;
  };
  class Packing;  // one forward while it is put together

  void Answer(std::vector<Wanted> wanted);
  void Run(Packing& packing);

  std::unique_ptr<model::TokenUnits> owned_;  // the neurons, when only a network was given
  const model::TokenUnits& units_;
  const model::Transformer& model_;
  SchedulerOptions options_;
};

}  // namespace assay::measure
