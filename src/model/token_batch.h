// Token sequences of different lengths as one batch for a causal model. Thread-safe.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <limits>
#include <span>

namespace assay::model {

// [rows, longest row] int64 on `device`, padded on the right with id 0: a causal model's values on
// a row's own tokens do not depend on what follows.
at::Tensor PadRight(std::span<const std::span<const int32_t>> rows, at::Device device);

// A part of a packed batch, in which prompts lie side by side in one row of ids [1, N], without
// padding: consecutive tokens of one prompt. Those of its tokens that another prompt has too need
// not stand there twice: they are its prefix.
struct Segment {
  int64_t begin = 0, count = 1;  // in the row
  // The prompt's tokens before these: the first `prefix_count` of the segment that begins at
  // `prefix_begin`, which has no prefix itself.
  int64_t prefix_begin = 0, prefix_count = 0;
  int depth = std::numeric_limits<int>::max();  // deeper layers leave it out
};

// Checks that the segments fill a row of `tokens`, by falling depth, with prefixes as described.
// Throws kInternal.
void CheckSegments(std::span<const Segment> segments, int64_t tokens);

}  // namespace assay::model
