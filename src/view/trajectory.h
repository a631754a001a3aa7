// The mean activation trajectory of many pruned examples: how much of the pivot's activation i
// tokens of left context restore. Use it to chart a layer without holding its prunings. Not
// thread-safe: one writer.
#pragma once

#include <cstdint>
#include <vector>

#include "store/records.h"

namespace assay::view {

class TrajectoryMean {
 public:
  // Examples without a positive full activation or without a trajectory are counted as skipped.
  void Add(const store::Pruning& pruning);

  // [i]: mean over the examples of activation with i tokens of context / full activation. An
  // example whose pruning stopped earlier keeps its last value.
  std::vector<double> Values() const;
  int64_t examples() const { return examples_; }
  int64_t skipped() const { return skipped_; }

 private:
  std::vector<double> sums_;       // of the examples that reach this far
  std::vector<double> last_sums_;  // [n]: last values of the examples with n values
  int64_t examples_ = 0, skipped_ = 0;
};

// trajectory / full activation; empty when there is none.
std::vector<double> NormalisedTrajectory(const store::Pruning& pruning);

}  // namespace assay::view
