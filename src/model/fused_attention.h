// Causal attention in one pass over the keys, for inference on the CPU in float32. For the short
// prompts and small heads of perturbation work, libtorch's batched products cost more in dispatch
// than in arithmetic. Thread-safe.
#pragma once

#include <ATen/core/Tensor.h>

namespace assay::model {

// Whether FusedCausalAttention may and should be used: CPU, float32, no gradients wanted, and a
// problem size at which it beats matrix products.
bool CanFuseAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v);

// q: [B, H, T, E]; k, v: [B, K, S, E], S >= T, H a multiple of K; any strides. Query t is at
// position S - T + t and sees keys up to its own position, at most `window` of them if window > 0.
// Returns softmax(scale * q k^T) v as [B, T, H, E].
at::Tensor FusedCausalAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                double scale, int window);

}  // namespace assay::model
