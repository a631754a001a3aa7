// Places in a transformer whose values can be read (and, in a forward with an editing function,
// replaced), under the names of TransformerLens. Shapes: B batch, T tokens, D d_model, F d_mlp, H
// heads, K key/value heads, E d_head, V vocab.
//
//   hook_embed, hook_pos_embed          [B, T, D]
//   blocks.{l}.hook_resid_pre           [B, T, D]  input of block l
//   blocks.{l}.ln1.hook_normalized      [B, T, D]  after gain and bias (TransformerLens' own hook
//   is before them) blocks.{l}.attn.hook_q              [B, T, H, E], hook_k and hook_v [B, T, K,
//   E]; before rotation blocks.{l}.attn.hook_pattern        [B, H, T, S]  S = cached + own tokens
//   blocks.{l}.attn.hook_z              [B, T, H, E]
//   blocks.{l}.hook_attn_out            [B, T, D]
//   blocks.{l}.hook_resid_mid           [B, T, D]  not with a parallel residual
//   blocks.{l}.ln2.hook_normalized      [B, T, D]  the vector that enters the MLP, after gain and
//   bias blocks.{l}.mlp.hook_pre             [B, T, F]  pre-activation; in a gated MLP the gate's
//   blocks.{l}.mlp.hook_pre_linear      [B, T, F]  gated MLPs only: the up projection
//   blocks.{l}.mlp.hook_mid             [B, T, F]  SoLU with layer norm only: activation before
//   that norm blocks.{l}.mlp.hook_post            [B, T, F]  what the output matrix reads; gated:
//   act(gate) * up blocks.{l}.hook_mlp_out             [B, T, D] blocks.{l}.hook_resid_post [B, T,
//   D] ln_final.hook_normalized            [B, T, D]  causal models, after gain and bias logits [B,
//   T, V]
//
// In post-norm encoders ln1 is the norm after attention: its output enters the MLP, so it is
// `ln2.hook_normalized` here; there is no ln1.hook_normalized and no hook_resid_mid.
#pragma once

#include <compare>
#include <string>
#include <vector>

#include "model/transformer_config.h"

namespace assay::model {

// In the order in which a forward reaches them.
enum class HookSite {
  kEmbed,
  kPosEmbed,
  kResidPre,
  kLn1,
  kQ,
  kK,
  kV,
  kPattern,
  kZ,
  kAttnOut,
  kResidMid,
  kLn2,
  kMlpPre,
  kMlpPreLinear,
  kMlpMid,
  kMlpPost,
  kMlpOut,
  kResidPost,
  kLnFinal,
  kLogits,
};

struct HookPoint {
  int layer = 0;  // -1 before the blocks, number of layers after them
  HookSite site = HookSite::kEmbed;
  auto operator<=>(const HookPoint&) const = default;  // the order in which a forward reaches them
};

// Throws kUsage for a name that is unknown, lacks its layer ("mlp.hook_post": which one?), names a
// layer the model does not have, or a place this architecture does not have; the message lists what
// would be accepted.
HookPoint ParseHook(const std::string& name, const TransformerConfig& config);
std::string HookName(const HookPoint& hook, const TransformerConfig& config);

// The hook point of a layer; throws like ParseHook.
HookPoint BlockHook(HookSite site, int layer, const TransformerConfig& config);

// Where a neuron's activation is read, as in the Neuron to Graph papers: hook_mid for SoLU with
// layer norm, else hook_post.
HookPoint ActivationHook(int layer, const TransformerConfig& config);

std::vector<HookPoint> AllHooks(const TransformerConfig& config);

}  // namespace assay::model
