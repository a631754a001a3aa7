// Flips of a universal perturbation against its budget, beside its controls, as a standalone SVG.
// Thread-safe: a pure function.
#pragma once

#include <string>
#include <vector>

namespace assay::view {

struct FlipPoint {
  double epsilon = 0;   // size of the perturbation, image values in [0, 1]
  double flips = 0;     // share of unseen images that were right and are wrong with it
  double random = 0;    // the same for noise of equal norm
  double shuffled = 0;  // and for the perturbation with its pixels moved about
};

struct FlipCurve {
  std::string model;  // in the title
  std::string norm;   // "linf": the axis is in grey levels of 255; else in units of the norm
  std::vector<FlipPoint> points;  // drawn by rising epsilon, from no change on
  double goal = 0.84;             // a line; none at 0
};

std::string WriteFlipCurve(const FlipCurve& curve);

}  // namespace assay::view
