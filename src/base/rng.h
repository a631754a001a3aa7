// Random numbers that depend only on a seed and a stream name or number, so that results do not
// depend on the order in which work is done. Cheap to make: create one wherever a draw is needed,
// from (seed, what it is for, index). Not thread-safe; each thread makes its own.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace assay::base {

// Mixes the 64 bits of x (the finaliser of SplitMix64, Steele et al. 2014). A bijection.
uint64_t MixBits(uint64_t x);

class Rng {
 public:
  // Streams of different (seed, stream, index) are independent for our purposes.
  Rng(uint64_t seed, std::string_view stream, uint64_t index = 0);

  uint64_t Next();                 // uniform over all 64-bit values
  double Uniform();                // [0, 1)
  uint64_t Below(uint64_t bound);  // uniform in [0, bound), unbiased; bound >= 1
  double Normal();                 // standard normal

  template <typename T>
  void Shuffle(std::vector<T>& values) {
    for (size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[Below(i)]);
  }

 private:
  uint64_t state_;
};

}  // namespace assay::base
