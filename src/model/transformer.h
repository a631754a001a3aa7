// One transformer for every supported architecture: a forward pass over token ids that stops as
// soon as the last hook asked for is served, over rows of tokens or over prompts packed side by
// side that share beginnings. Const members are safe to call from several threads. The forward is
// differentiable; callers that need no gradients hold a c10::InferenceMode guard (it is not set
// here, because training uses the same code).
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "model/hook_point.h"
#include "model/token_batch.h"
#include "model/transformer_config.h"
#include "model/transformer_weights.h"

namespace assay::model {

struct ForwardInput {
  at::Tensor ids;  // [B, T] int64. Causal models: rows may be padded on the right with any valid id
  at::Tensor attention_mask;  // [B, T] int64, encoders only: 0 marks padding. Undefined: no padding
  // Causal models: prompts side by side, B = 1 (token_batch.h); borrowed. Hooks of a layer then
  // hold the tokens of the segments at least as deep, which come first. No attention patterns.
  std::span<const Segment> segments;
};

// Called once for each hook asked for, in order. A function may assign a new tensor of the same
// shape: the forward goes on with it. It must not change the tensor in place.
using HookFunction = std::function<void(const HookPoint& hook, at::Tensor& value)>;

class Transformer {
 public:
  Transformer(TransformerConfig config, TransformerWeights weights);

  // Reads config.json and the weights. Throws as ReadTransformerConfig and LoadTransformerWeights.
  static Transformer Load(const std::filesystem::path& folder);

  const TransformerConfig& config() const { return config_; }
  const TransformerWeights& weights() const { return weights_; }
  TransformerWeights& mutable_weights() { return weights_; }  // for training
  // Moves or converts all weights ("cpu", "cuda"; float32, bfloat16). Throws kUnsupported when
  // there is no such device.
  void To(const std::string& device, at::ScalarType dtype);

  // Runs as deep as the deepest hook. Throws kBadInput for ids outside the vocabulary, more tokens
  // than the model has positions, and an attention mask of another shape than the ids or for a
  // causal model (values and limits in the message).
  void Forward(const ForwardInput& input, const std::vector<HookPoint>& hooks,
               const HookFunction& function) const;

  // What comes after the last block: final norm or masked-LM transform, then logits. hidden: [...,
  // D] -> [..., V]. Lets a caller score a few positions only.
  at::Tensor ApplyHead(const at::Tensor& hidden) const;

  // The value of one hook.
  at::Tensor Read(const ForwardInput& input, const HookPoint& hook) const;

 private:
  TransformerConfig config_;
  TransformerWeights weights_;
  at::Tensor rotary_cos_, rotary_sin_;  // [max_positions, dims / 2] float32
};

}  // namespace assay::model
