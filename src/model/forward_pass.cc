#include "model/forward_pass.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "model/attention.h"
#include "model/fused_attention.h"

namespace assay::model {
namespace {

at::Tensor Apply(const Linear& linear, const at::Tensor& x) {
  // Two dimensions: libtorch's quick path to one matrix product with the bias folded in.
  const at::Tensor flat = x.reshape({-1, x.size(-1)});
  at::Tensor out = linear.bias.defined() ? at::addmm(linear.bias, flat, linear.weight.t())
                                         : at::mm(flat, linear.weight.t());
  std::vector<int64_t> shape = x.sizes().vec();
  shape.back() = linear.weight.size(0);
  return out.view(shape);
}

}  // namespace

ForwardPass::ForwardPass(const TransformerConfig& config, const TransformerWeights& weights,
                         const at::Tensor& rotary_cos, const at::Tensor& rotary_sin,
                         const ForwardInput& input, std::vector<HookPoint> hooks,
                         const HookFunction& function)
    : config_(config),
      weights_(weights),
      input_(input),
      hooks_(std::move(hooks)),
      function_(function),
      batch_(input.ids.size(0)),
      tokens_(input.ids.size(1)),
      segments_(input.segments.begin(), input.segments.end()) {
  std::sort(hooks_.begin(), hooks_.end());
  hooks_.erase(std::unique(hooks_.begin(), hooks_.end()), hooks_.end());
  if (Packed()) {
    positions_ = at::empty({tokens_}, at::kLong);
    auto* positions = positions_.data_ptr<int64_t>();
    for (const Segment& segment : segments_) {
      for (int64_t t = 0; t < segment.count; ++t)
        positions[segment.begin + t] = segment.position + t;
    }
    positions_ = positions_.to(input.ids.device());
  } else {
    for (int64_t row = 0; row < batch_; ++row)
      segments_.push_back({.begin = row * tokens_, .count = tokens_});
  }
  if (config.rotary) {
    const auto type = weights.token_embedding.scalar_type();
    cos_ = AtPositions(rotary_cos).unsqueeze(1).to(type);
    sin_ = AtPositions(rotary_sin).unsqueeze(1).to(type);
  }
}

at::Tensor ForwardPass::AtPositions(const at::Tensor& table) const {
  return Packed() ? table.index_select(0, positions_) : table.narrow(0, 0, tokens_);
}

bool ForwardPass::Wants(HookSite site, int layer) const {
  return std::binary_search(hooks_.begin(), hooks_.end(), HookPoint{layer, site});
}

bool ForwardPass::Serve(HookSite site, int layer, at::Tensor& value) {
  if (!Wants(site, layer)) return false;
  function_({layer, site}, value);
  return ++served_ == hooks_.size();
}

void ForwardPass::Run() {
  if (hooks_.empty()) return;
  at::Tensor resid = Embed();
  if (!resid.defined()) return;
  for (int layer = 0; layer < std::min(config_.layers, hooks_.back().layer + 1); ++layer) {
    if (Packed()) DropShallowSegments(layer, resid);
    if (RunBlock(layer, resid)) return;
  }
  if (served_ < hooks_.size()) RunHead(resid);
}

at::Tensor ForwardPass::Embed() {
  at::Tensor resid = at::embedding(weights_.token_embedding, input_.ids);  // [B, T, D]
  if (Serve(HookSite::kEmbed, -1, resid)) return {};
  if (config_.learned_positions) {
    at::Tensor positions = AtPositions(weights_.position_embedding).unsqueeze(0);
    if (Wants(HookSite::kPosEmbed, -1)) {
      positions = positions.expand_as(resid).contiguous();
      if (Serve(HookSite::kPosEmbed, -1, positions)) return {};
    }
    resid = resid + positions;
  }
  if (config_.token_types > 0) resid = resid + weights_.token_type_embedding[0];
  if (config_.embedding_norm) resid = Normalize(weights_.embedding_norm, resid);
  return resid;
}

void ForwardPass::DropShallowSegments(int layer, at::Tensor& resid) {
  while (!segments_.empty() && segments_.back().depth < layer) segments_.pop_back();
  ASSAY_CHECK(!segments_.empty());  // a hook deeper than any segment
  tokens_ = segments_.back().begin + segments_.back().count;
  resid = resid.narrow(1, 0, tokens_);
}

bool ForwardPass::RunBlock(int layer, at::Tensor& resid) {
  if (Serve(HookSite::kResidPre, layer, resid)) return true;
  if (config_.post_norm ? RunPostNormBlock(layer, resid) : RunPreNormBlock(layer, resid))
    return true;
  return Serve(HookSite::kResidPost, layer, resid);
}

bool ForwardPass::RunPreNormBlock(int layer, at::Tensor& resid) {
  const BlockWeights& block = weights_.blocks[static_cast<size_t>(layer)];
  at::Tensor normalized = Normalize(block.ln1, resid);
  if (Serve(HookSite::kLn1, layer, normalized)) return true;
  at::Tensor attention, mlp;
  if (Attend(layer, normalized, attention)) return true;
  at::Tensor mlp_resid = resid;
  if (!config_.parallel_residual) {
    resid = resid + attention;
    if (Serve(HookSite::kResidMid, layer, resid)) return true;
    mlp_resid = resid;
  }
  at::Tensor mlp_input = Normalize(block.ln2, mlp_resid);
  if (RunMlp(layer, mlp_input, mlp)) return true;
  resid = config_.parallel_residual ? resid + attention + mlp : resid + mlp;
  return false;
}

bool ForwardPass::RunPostNormBlock(int layer, at::Tensor& resid) {
  const BlockWeights& block = weights_.blocks[static_cast<size_t>(layer)];
  at::Tensor attention, mlp;
  if (Attend(layer, resid, attention)) return true;
  resid = Normalize(block.ln1, resid + attention);
  if (RunMlp(layer, resid, mlp)) return true;
  resid = Normalize(block.ln2, resid + mlp);
  return false;
}

bool ForwardPass::RunMlp(int layer, at::Tensor& x, at::Tensor& out) {
  const BlockWeights& block = weights_.blocks[static_cast<size_t>(layer)];
  if (Serve(HookSite::kLn2, layer, x)) return true;
  at::Tensor pre = Apply(config_.gated_mlp ? block.mlp_gate : block.mlp_in, x);  // [B, T, F]
  if (Serve(HookSite::kMlpPre, layer, pre)) return true;
  at::Tensor post = Activate(pre);
  pre.reset();
  if (config_.gated_mlp) {
    at::Tensor up = Apply(block.mlp_in, x);
    if (Serve(HookSite::kMlpPreLinear, layer, up)) return true;
    post = post * up;
  }
  if (config_.mlp_norm) {
    if (Serve(HookSite::kMlpMid, layer, post)) return true;
    post = Normalize(block.mlp_norm, post);
  }
  if (Serve(HookSite::kMlpPost, layer, post)) return true;
  out = Apply(block.mlp_out, post);
  return Serve(HookSite::kMlpOut, layer, out);
}

bool ForwardPass::Attend(int layer, const at::Tensor& x, at::Tensor& out) {
  const BlockWeights& block = weights_.blocks[static_cast<size_t>(layer)];
  const int64_t heads = config_.heads, groups = config_.kv_heads, width = config_.d_head;
  const at::Tensor qkv = Apply(block.qkv, x).view({batch_, tokens_, heads + 2 * groups, width});
  at::Tensor q = qkv.narrow(2, 0, heads), k = qkv.narrow(2, heads, groups),
             v = qkv.narrow(2, heads + groups, groups);
  if (Serve(HookSite::kQ, layer, q) || Serve(HookSite::kK, layer, k) ||
      Serve(HookSite::kV, layer, v))
    return true;
  if (config_.rotary) {
    q = Rotate(q);
    k = Rotate(k);
  }
  // Of long rows the blocked matrix product wins (bench/forward_bench).
  const bool fuse = config_.causal && !Wants(HookSite::kPattern, layer) &&
                    (Packed() || tokens_ * width <= 128 * 32) && CanFuseAttention(q, k, v);
  at::Tensor z;  // [B, T, H, E]
  if (fuse || Packed()) {
    ASSAY_CHECK(!Wants(HookSite::kPattern, layer));
    z = (fuse ? FusedCausalAttention : PackedAttention)(
            q.flatten(0, 1), k.flatten(0, 1), v.flatten(0, 1),
            config_.attention_scale[static_cast<size_t>(layer)],
            config_.window[static_cast<size_t>(layer)], segments_)
            .view({batch_, tokens_, heads, width});
  } else {
    at::Tensor pattern =
        AttentionPattern(q, k, config_.attention_scale[static_cast<size_t>(layer)], Mask(layer));
    if (Serve(HookSite::kPattern, layer, pattern)) return true;
    z = ApplyPattern(pattern, v);
  }
  if (Serve(HookSite::kZ, layer, z)) return true;
  out = Apply(block.attn_out, z.reshape({batch_, tokens_, heads * width}));
  return Serve(HookSite::kAttnOut, layer, out);
}

at::Tensor ForwardPass::Mask(int layer) {
  const int window = config_.window[static_cast<size_t>(layer)];
  for (const auto& [known_window, mask] : masks_) {
    if (known_window == window) return mask;
  }
  const auto options = weights_.token_embedding.options();
  at::Tensor mask;
  if (config_.causal) {
    mask = CausalMask(tokens_, window, options);
  } else if (input_.attention_mask.defined()) {
    // A large negative number, not infinity: a row of padding alone stays finite.
    mask = at::zeros({batch_, tokens_}, options)
               .masked_fill(input_.attention_mask.to(options.device()) == 0, -1e30)
               .view({batch_, 1, 1, 1, tokens_});
  }
  masks_.emplace_back(window, mask);
  return mask;
}

void ForwardPass::RunHead(at::Tensor resid) {
  if (config_.final_norm) {
    resid = Normalize(weights_.final_norm, resid);
    if (Serve(HookSite::kLnFinal, config_.layers, resid)) return;
  }
  if (config_.masked_lm)
    resid = Normalize(weights_.head_norm, Activate(Apply(weights_.head_transform, resid)));
  at::Tensor logits = Apply(weights_.unembed, resid);
  Serve(HookSite::kLogits, config_.layers, logits);
}

at::Tensor ForwardPass::Normalize(const Norm& norm, const at::Tensor& x) const {
  if (config_.norm == NormKind::kLayerNorm) {
    // libtorch 1.13 takes 15 times as long over bfloat16 on the CPU as over float32.
    if (x.scalar_type() == at::kBFloat16 && x.is_cpu()) {
      return at::layer_norm(x.to(at::kFloat), {x.size(-1)}, norm.gain.to(at::kFloat),
                            norm.bias.to(at::kFloat), config_.norm_eps, /*cudnn_enable=*/false)
          .to(at::kBFloat16);
    }
    return at::layer_norm(x, {x.size(-1)}, norm.gain, norm.bias, config_.norm_eps,
                          /*cudnn_enable=*/false);
  }
  const at::Tensor scale = at::rsqrt(at::mean(x * x, {-1}, /*keepdim=*/true) + config_.norm_eps);
  return x * scale * norm.gain;
}

at::Tensor ForwardPass::Activate(const at::Tensor& x) const {
  switch (config_.activation) {
    case Activation::kGelu:
      return at::gelu(x);
    case Activation::kGeluTanh:
      return at::gelu(x, "tanh");
    case Activation::kRelu:
      return at::relu(x);
    case Activation::kSilu:
      return at::silu(x);
    case Activation::kSolu:
      return x * at::softmax(x, -1);
  }
  ASSAY_CHECK(false);
  return {};
}

at::Tensor ForwardPass::Rotate(const at::Tensor& x) const {
  const int64_t dims = config_.rotary->dims, half = dims / 2;
  const at::Tensor cos = cos_.narrow(0, 0, tokens_), sin = sin_.narrow(0, 0, tokens_);
  const at::Tensor first = x.narrow(-1, 0, half), second = x.narrow(-1, half, half);
  std::vector<at::Tensor> parts = {first * cos - second * sin, second * cos + first * sin};
  if (dims < config_.d_head) parts.push_back(x.narrow(-1, dims, config_.d_head - dims));
  return at::cat(parts, -1);
}

}  // namespace assay::model
