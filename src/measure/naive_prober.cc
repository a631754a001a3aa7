#include "measure/naive_prober.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <chrono>

namespace assay::measure {

std::vector<float> NaiveProber::Run(const std::vector<TokenId>& tokens, UnitId unit) {
  const c10::InferenceMode guard;
  const auto start = std::chrono::steady_clock::now();
  const at::Tensor ids = at::tensor(at::ArrayRef<TokenId>(tokens.data(), tokens.size()), at::kInt)
                             .to(model_.weights().token_embedding.device(), at::kLong)
                             .unsqueeze(0);
  at::Tensor values;
  const model::HookPoint hook = model::ActivationHook(unit.layer, model_.config());
  const model::HookPoint logits =
      model::ParseHook("logits", model_.config());  // to the end, as libraries do by default
  model_.Forward({.ids = ids}, {hook, logits}, [&](const model::HookPoint& at, at::Tensor& value) {
    if (at == hook)
      values = value.select(2, unit.index).squeeze(0).to(at::kCPU, at::kFloat).contiguous();
  });
  ++stats_.requests;
  ++stats_.prompts;
  ++stats_.forwards;
  stats_.tokens += static_cast<int64_t>(tokens.size());
  stats_.token_layers += static_cast<int64_t>(tokens.size()) * model_.config().layers;
  stats_.model_seconds +=
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const auto* data = values.data_ptr<float>();
  return {data, data + values.numel()};
}

std::vector<std::vector<float>> NaiveProber::Activations(std::span<const Probe> probes) {
  std::vector<std::vector<float>> out;
  for (const Probe& probe : probes) out.push_back(Run(probe.tokens, probe.unit));
  return out;
}

std::vector<MaskedActivations> NaiveProber::Masked(std::span<const MaskedProbe> probes,
                                                   TokenId mask) {
  std::vector<MaskedActivations> out;
  for (const MaskedProbe& probe : probes) {
    MaskedActivations answer{.base = Run(probe.tokens, probe.unit)};
    for (const int position : probe.positions) {
      std::vector<TokenId> variant = probe.tokens;
      variant.at(static_cast<size_t>(position)) = mask;
      answer.masked.push_back(Run(variant, probe.unit));
    }
    out.push_back(std::move(answer));
  }
  return out;
}

}  // namespace assay::measure
