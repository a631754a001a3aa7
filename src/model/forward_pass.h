// The steps of one forward pass, used by Transformer::Forward only.
#pragma once

#include <vector>

#include "model/transformer.h"

namespace assay::model {

class ForwardPass {
 public:
  ForwardPass(const TransformerConfig& config, const TransformerWeights& weights,
              const at::Tensor& rotary_cos, const at::Tensor& rotary_sin, const ForwardInput& input,
              std::vector<HookPoint> hooks, const HookFunction& function);
  void Run();
  void RunHead(at::Tensor resid);  // [..., D]

 private:
  // Gives the value to the function if the hook was asked for; true when it was the last one.
  bool Serve(HookSite site, int layer, at::Tensor& value);
  bool Wants(HookSite site, int layer) const;

  at::Tensor Embed();
  bool RunBlock(int layer, at::Tensor& resid);  // true when all hooks are served
  bool RunPreNormBlock(int layer, at::Tensor& resid);
  bool RunPostNormBlock(int layer, at::Tensor& resid);
  bool Attend(int layer, const at::Tensor& x, at::Tensor& out);  // x, out: [B, T, D]
  bool RunMlp(int layer, at::Tensor& x, at::Tensor& out);

  at::Tensor Normalize(const Norm& norm, const at::Tensor& x) const;
  at::Tensor Activate(const at::Tensor& x) const;
  at::Tensor Rotate(const at::Tensor& x) const;  // [B, heads, T, E]
  // Attention weights' additive mask [T, S] or [B, 1, 1, T, S]; undefined when everything is
  // visible.
  at::Tensor Mask(int layer, int64_t total);

  const TransformerConfig& config_;
  const TransformerWeights& weights_;
  const at::Tensor& rotary_cos_;
  const at::Tensor& rotary_sin_;
  const ForwardInput& input_;
  std::vector<HookPoint> hooks_;  // ascending
  const HookFunction& function_;
  size_t served_ = 0;
  int64_t batch_, tokens_, cached_;
  std::vector<std::pair<int, at::Tensor>> masks_;  // by window
};

}  // namespace assay::model
