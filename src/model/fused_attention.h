// Causal attention in one pass over the keys, for inference on the CPU in float32. For the short
// prompts and small heads of perturbation work, libtorch's batched products cost more in dispatch
// than in arithmetic. Thread-safe.
#pragma once

#include <ATen/core/Tensor.h>

#include <span>

#include "model/token_batch.h"

namespace assay::model {

// Whether FusedCausalAttention can be used: CPU, float32, no gradients wanted.
bool CanFuseAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v);

// softmax(scale q k^T) v within each prompt of a packed batch. q: [N, H, E]; k, v: [N, K, E], H a
// multiple of K, rows of E contiguous, other strides any. A token sees itself and what precedes it
// in its prompt, at most `window` tokens if window > 0. Returns [N, H, E].
at::Tensor FusedCausalAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                double scale, int window, std::span<const Segment> segments);

}  // namespace assay::model
