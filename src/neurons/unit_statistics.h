// What one sequence does to the units of a layer, in one pass over its activations: the inner loop
// of collection. Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace assay::neurons {

// Per unit (of all layers), over the counted tokens of one sequence.
struct RowStatistics {
  std::vector<float> maximum, minimum;
  std::vector<int32_t> argmax, argmin;  // first token that reaches it
  std::vector<float> sum, squares;      // of activations
  std::vector<int32_t> positive;        // tokens with activation > 0

  void Resize(size_t units);
};

// activations: [tokens, units] row-major. Counts tokens begin .. tokens-1 (at least one); fills
// `out` for units first .. last-1 of the layer, which begins at `offset` in `out`.
void ReduceRow(const float* activations, int64_t units, int64_t begin, int64_t tokens,
               int64_t first, int64_t last, size_t offset, RowStatistics& out);

}  // namespace assay::neurons
