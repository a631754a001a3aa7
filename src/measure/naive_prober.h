// One prompt, one full forward: what a straightforward program does. The oracle of ProbeScheduler's
// tests and the yardstick of its benchmark.
#pragma once

#include "measure/prober.h"
#include "model/transformer.h"

namespace assay::measure {

class NaiveProber : public Prober {
 public:
  explicit NaiveProber(const model::Transformer& model) : model_(model) {}  // borrowed
  std::vector<std::vector<float>> Activations(std::span<const Probe> probes) override;
  std::vector<MaskedActivations> Masked(std::span<const MaskedProbe> probes, TokenId mask) override;

 private:
  std::vector<float> Run(const std::vector<TokenId>& tokens, UnitId unit);
  const model::Transformer& model_;
};

}  // namespace assay::measure
