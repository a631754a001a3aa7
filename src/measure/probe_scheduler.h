// Answers many probes with few, large forwards. Identical prompts run once for all units that ask
// (and a prompt that begins another comes free with it); prompts are grouped by depth and length; a
// forward stops at the deepest layer its prompts need; variants of a prompt reuse the keys and
// values of the tokens before the replaced one. Not thread-safe.
#pragma once

#include <map>
#include <memory>

#include "measure/prober.h"
#include "model/inspectable_model.h"

namespace assay::measure {

struct SchedulerOptions {
  int batch_tokens = 8192;          // tokens a forward, about
  int64_t cache_bytes = 256 << 20;  // keys and values kept while variants of a group of prompts run
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
  // Where to put the values of one row of a forward: unit, and the answer for its tokens.
  struct Target {
    int64_t row;
    UnitId unit;
    float* out;
    int64_t count;
  };

  void RunBatch(std::span<const Prompt* const> prompts, std::span<const Probe> probes,
                std::vector<std::vector<float>>& answers);
  void RunVariants(std::span<const Prompt* const> bases, std::span<const MaskedProbe> probes,
                   TokenId mask, std::vector<MaskedActivations>& answers);
  // ids: [rows, T], padded; reads each target's unit on its first `count` tokens.
  void Forward(const at::Tensor& ids, const model::KvCache* prefix, model::KvCache* save,
               std::vector<Target>& targets);
  size_t PromptsInGroup(std::span<const Prompt> sorted, size_t begin, int64_t limit_tokens) const;

  std::unique_ptr<model::TokenUnits> owned_;  // the neurons, when only a network was given
  const model::TokenUnits& units_;
  const model::Transformer& model_;
  SchedulerOptions options_;
};

}  // namespace assay::measure
