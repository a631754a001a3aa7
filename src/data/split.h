// Seeded splits of a set of items into halves: the examples a graph is built from and those it is
// tested on. Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace assay::data {

struct Halves {
  std::vector<int> train;  // ascending; one more than test when the count is odd
  std::vector<int> test;   // ascending
};

// Splits 0 .. count-1 at random. Splits of different (seed, stream) are independent: give each unit
// its own stream. Requires count >= 0.
Halves SplitInHalves(int count, uint64_t seed, uint64_t stream);

}  // namespace assay::data
