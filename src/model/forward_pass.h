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

  bool Packed() const { return !input_.segments.empty(); }
  // The rows of [max_positions, ...] at the tokens' positions: [T, ...].
  at::Tensor AtPositions(const at::Tensor& table) const;

  at::Tensor Embed();
  void DropShallowSegments(int layer, at::Tensor& resid);
  bool RunBlock(int layer, at::Tensor& resid);  // true when all hooks are served
  bool RunPreNormBlock(int layer, at::Tensor& resid);
  bool RunPostNormBlock(int layer, at::Tensor& resid);
  bool Attend(int layer, const at::Tensor& x, at::Tensor& out);  // x, out: [B, T, D]
  bool RunMlp(int layer, at::Tensor& x, at::Tensor& out);

  at::Tensor Normalize(const Norm& norm, const at::Tensor& x) const;
  at::Tensor Activate(const at::Tensor& x) const;
  at::Tensor Rotate(const at::Tensor& x) const;  // [B, T, heads, E]
  // Attention weights' additive mask, [T, T] or [B, 1, 1, 1, T]; undefined when everything is
  // visible.
  at::Tensor Mask(int layer);

  const TransformerConfig& config_;
  const TransformerWeights& weights_;
  const ForwardInput& input_;
  std::vector<HookPoint> hooks_;  // ascending
  const HookFunction& function_;
  size_t served_ = 0;
  int64_t batch_, tokens_;
  std::vector<Segment> segments_;  // of the layer's tokens; a row each where nothing is packed
  at::Tensor positions_;           // [T] of packed tokens
  at::Tensor cos_, sin_;           // [T, 1, dims / 2]
  std::vector<std::pair<int, at::Tensor>> masks_;  // by window
};

}  // namespace assay::model
