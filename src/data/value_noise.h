// Smooth random fields by hashing lattice points: the same everywhere for the same seed.
// Thread-safe.
#pragma once

#include <cmath>
#include <cstdint>

#include "base/rng.h"

namespace assay::data {

class ValueNoise {
 public:
  explicit ValueNoise(uint64_t seed) : seed_(base::MixBits(seed)) {}

  // In [-1, 1], varying over about one unit of x and y.
  double At(double x, double y) const {
    const double floor_x = std::floor(x), floor_y = std::floor(y);
    const auto column = static_cast<int64_t>(floor_x), row = static_cast<int64_t>(floor_y);
    const double u = Smooth(x - floor_x), v = Smooth(y - floor_y);
    const double top = Lattice(column, row) * (1 - u) + Lattice(column + 1, row) * u;
    const double bottom = Lattice(column, row + 1) * (1 - u) + Lattice(column + 1, row + 1) * u;
    return top * (1 - v) + bottom * v;
  }

  // Octaves of halving size and strength; in [-1, 1].
  double Fractal(double x, double y, int octaves) const {
    double sum = 0, weight = 1, total = 0;
    for (int i = 0; i < octaves; ++i) {
      sum += weight * At(x + 17.3 * i, y - 9.1 * i);
      total += weight;
      weight *= 0.5;
      x *= 2;
      y *= 2;
    }
    return sum / total;
  }

 private:
  static double Smooth(double t) { return t * t * t * (t * (t * 6 - 15) + 10); }
  double Lattice(int64_t column, int64_t row) const {
    const uint64_t bits =
        base::MixBits(seed_ ^ base::MixBits(static_cast<uint64_t>(column) * 0x9E3779B97F4A7C15ULL +
                                            static_cast<uint64_t>(row)));
    return static_cast<double>(bits >> 11) * 0x1.0p-52 - 1;
  }

  uint64_t seed_;
};

}  // namespace assay::data
