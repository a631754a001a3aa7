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
// padding: consecutive tokens of one prompt. Tokens that another prompt begins with too need not
// stand there twice: the segment goes on from that prompt's.
struct Segment {
  int64_t begin = 0, count = 1;  // in the row
  // The prompt's `position` tokens before these are the first of the prompt that segment `parent`
  // ends: its own, or its parents'. None: -1 and 0.
  int parent = -1;
  int64_t position = 0;
  int depth = std::numeric_limits<int>::max();  // deeper layers leave it out
};

// function(position, token): where each token of the prompt that segment `index` ends stands in the
// row, from the last to the first.
template <typename Function>
void ForTokensOf(std::span<const Segment> segments, int index, Function&& function) {
  const Segment* segment = &segments[static_cast<size_t>(index)];
  for (int64_t position = segment->position + segment->count;;) {
    for (; position > segment->position; --position)
      function(position - 1, segment->begin + position - 1 - segment->position);
    if (position == 0) return;
    segment = &segments[static_cast<size_t>(segment->parent)];
  }
}

// Checks that the segments fill a row of `tokens`, by falling depth, each after its parent and at a
// position that this reaches. Throws kInternal.
void CheckSegments(std::span<const Segment> segments, int64_t tokens);

}  // namespace assay::model
