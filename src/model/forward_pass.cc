#include "model/forward_pass.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "base/error.h"
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
      rotary_cos_(rotary_cos),
      rotary_sin_(rotary_sin),
      input_(input),
      hooks_(std::move(hooks)),
      function_(function),
      batch_(input.ids.size(0)),
      tokens_(input.ids.size(1)),
      cached_(input.prefix != nullptr ? input.prefix->length() : 0) {
  std::sort(hooks_.begin(), hooks_.end());
  hooks_.erase(std::unique(hooks_.begin(), hooks_.end()), hooks_.end());
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
  if (hooks_.empty() && input_.save == nullptr) return;
  if (input_.save != nullptr) *input_.save = {};
  at::Tensor resid = Embed();
  if (!resid.defined()) return;
  const int deepest = hooks_.empty() ? config_.layers : hooks_.back().layer;
  for (int layer = 0; layer < std::min(config_.layers, deepest + 1); ++layer) {
    if (RunBlock(layer, resid)) return;
  }
  if (served_ < hooks_.size()) RunHead(resid);
}

at::Tensor ForwardPass::Embed() {
  at::Tensor resid = at::embedding(weights_.token_embedding, input_.ids);  // [B, T, D]
  if (Serve(HookSite::kEmbed, -1, resid)) return {};
  if (config_.learned_positions) {
    at::Tensor positions = weights_.position_embedding.narrow(0, cached_, tokens_).unsqueeze(0);
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
  const int64_t heads = config_.heads, groups = config_.kv_heads, width = config_.d_head,
                shared = heads / groups;
  const at::Tensor qkv = Apply(block.qkv, x).view({batch_, tokens_, heads + 2 * groups, width});
  at::Tensor q = qkv.narrow(2, 0, heads), k = qkv.narrow(2, heads, groups),
             v = qkv.narrow(2, heads + groups, groups);
  if (Serve(HookSite::kQ, layer, q) || Serve(HookSite::kK, layer, k) ||
      Serve(HookSite::kV, layer, v))
    return true;
  q = q.transpose(1, 2);  // [B, H, T, E]
  k = k.transpose(1, 2);  // [B, K, T, E]
  v = v.transpose(1, 2);
  if (config_.rotary) {
    q = Rotate(q);
    k = Rotate(k);
  }
  if (cached_ > 0) {
    k = at::cat({input_.prefix->keys[static_cast<size_t>(layer)], k}, 2);
    v = at::cat({input_.prefix->values[static_cast<size_t>(layer)], v}, 2);
  }
  if (input_.save != nullptr) {
    input_.save->keys.push_back(k);
    input_.save->values.push_back(v);
  }
  const double scale = config_.attention_scale[static_cast<size_t>(layer)];
  const int window = config_.window[static_cast<size_t>(layer)];
  at::Tensor z;  // [B, T, H, E]
  if (!Wants(HookSite::kPattern, layer) && config_.causal && CanFuseAttention(q, k, v)) {
    z = FusedCausalAttention(q, k, v, scale, window);
  } else {
    const int64_t total = k.size(2);
    const at::Tensor grouped = (q * scale).reshape({batch_ * groups, shared * tokens_, width});
    at::Tensor scores =
        at::bmm(grouped, k.reshape({batch_ * groups, total, width}).transpose(1, 2));
    if (const at::Tensor mask = Mask(layer, total); mask.defined()) {
      scores = (scores.view({batch_, groups, shared, tokens_, total}) + mask)
                   .view({batch_ * groups, shared * tokens_, total});
    }
    at::Tensor pattern = at::softmax(scores, -1);
    if (Wants(HookSite::kPattern, layer)) {
      pattern = pattern.view({batch_, heads, tokens_, total});
      if (Serve(HookSite::kPattern, layer, pattern)) return true;
      pattern = pattern.reshape({batch_ * groups, shared * tokens_, total});
    }
    z = at::bmm(pattern, v.reshape({batch_ * groups, total, width}))
            .view({batch_, heads, tokens_, width})
            .transpose(1, 2);
  }
  if (Serve(HookSite::kZ, layer, z)) return true;
  out = Apply(block.attn_out, z.reshape({batch_, tokens_, heads * width}));
  return Serve(HookSite::kAttnOut, layer, out);
}

at::Tensor ForwardPass::Mask(int layer, int64_t total) {
  const int window = config_.window[static_cast<size_t>(layer)];
  for (const auto& [known_window, mask] : masks_) {
    if (known_window == window) return mask;
  }
  const auto options = weights_.token_embedding.options();
  const double blocked = -std::numeric_limits<float>::infinity();
  at::Tensor mask;
  if (config_.causal) {
    const at::Tensor query =
        at::arange(cached_, cached_ + tokens_, options.dtype(at::kLong)).unsqueeze(1);
    const at::Tensor key = at::arange(total, options.dtype(at::kLong)).unsqueeze(0);
    at::Tensor hidden = key > query;
    if (window > 0) hidden = hidden.logical_or(query - key >= window);
    mask = at::zeros({tokens_, total}, options).masked_fill(hidden, blocked);
  } else if (input_.attention_mask.defined()) {
    // A large negative number, not infinity: a row of padding alone stays finite.
    mask = at::zeros({batch_, total}, options)
               .masked_fill(input_.attention_mask.to(options.device()) == 0, -1e30)
               .view({batch_, 1, 1, 1, total});
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
  const at::Tensor cos = rotary_cos_.narrow(0, cached_, tokens_).to(x.dtype()),
                   sin = rotary_sin_.narrow(0, cached_, tokens_).to(x.dtype());
  const at::Tensor first = x.narrow(-1, 0, half), second = x.narrow(-1, half, half);
  std::vector<at::Tensor> parts = {first * cos - second * sin, second * cos + first * sin};
  if (dims < config_.d_head) parts.push_back(x.narrow(-1, dims, config_.d_head - dims));
  return at::cat(parts, -1);
}

}  // namespace assay::model
