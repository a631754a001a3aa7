// Attention by matrix products: any device and type, differentiable. The quick way for the CPU is
// fused_attention.h. B batch, T queries, S keys, H heads, K key and value heads (H a multiple of
// K), E width of a head. Thread-safe.
#pragma once

#include <ATen/core/Tensor.h>

#include <span>

#include "model/token_batch.h"

namespace assay::model {

// softmax(scale q k^T + mask). q: [B, T, H, E]; k: [B, S, K, E]; mask: what broadcasts to [B, K, H
// / K, T, S], or undefined. Returns [B, H, T, S].
at::Tensor AttentionPattern(const at::Tensor& q, const at::Tensor& k, double scale,
                            const at::Tensor& mask);

// pattern: [B, H, T, S]; v: [B, S, K, E]. Returns [B, T, H, E].
at::Tensor ApplyPattern(const at::Tensor& pattern, const at::Tensor& v);

// [T, T]: 0 where a token sees another, itself and at most window - 1 before it included (all if
// the window is 0), else -infinity.
at::Tensor CausalMask(int64_t tokens, int window, const at::TensorOptions& options);

// Causal attention within each prompt of a packed batch. q: [N, H, E]; k, v: [N, K, E]; returns
// [N, H, E]. The segments are padded to the longest for it.
at::Tensor PackedAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                           double scale, int window, std::span<const Segment> segments);

}  // namespace assay::model
