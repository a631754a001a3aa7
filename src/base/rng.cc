#include "base/rng.h"

#include <cmath>
#include <numbers>

#include "base/error.h"
#include "base/hash.h"

namespace assay::base {

uint64_t MixBits(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

Rng::Rng(uint64_t seed, std::string_view stream, uint64_t index)
    : state_(MixBits(MixBits(seed + 0x9e3779b97f4a7c15ULL) ^ HashBytes(stream)) + MixBits(index)) {}

uint64_t Rng::Next() {
  state_ += 0x9e3779b97f4a7c15ULL;
  return MixBits(state_);
}

double Rng::Uniform() { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }

uint64_t Rng::Below(uint64_t bound) {
  ASSAY_CHECK(bound >= 1);
  const uint64_t reject_under = (0 - bound) % bound;  // 2^64 mod bound: drop the uneven part
  for (;;) {
    const uint64_t draw = Next();
    if (draw >= reject_under) return draw % bound;
  }
}

double Rng::Normal() {
  const double radius = std::sqrt(-2.0 * std::log(1.0 - Uniform()));
  return radius * std::cos(2.0 * std::numbers::pi * Uniform());
}

}  // namespace assay::base
