#include "view/trajectory.h"

namespace assay::view {

std::vector<double> NormalisedTrajectory(const store::Pruning& pruning) {
  if (!(pruning.full_activation > 0)) return {};
  std::vector<double> out;
  for (const float value : pruning.trajectory) out.push_back(value / pruning.full_activation);
  return out;
}

void TrajectoryMean::Add(const store::Pruning& pruning) {
  const std::vector<double> values = NormalisedTrajectory(pruning);
  if (values.empty()) {
    ++skipped_;
    return;
  }
  ++examples_;
  if (sums_.size() < values.size()) {
    sums_.resize(values.size(), 0);
    last_sums_.resize(values.size() + 1, 0);
  }
  for (size_t i = 0; i < values.size(); ++i) sums_[i] += values[i];
  last_sums_[values.size()] += values.back();
}

std::vector<double> TrajectoryMean::Values() const {
  std::vector<double> out;
  double stopped = 0;  // last values of the examples that do not reach i
  for (size_t i = 0; i < sums_.size(); ++i) {
    stopped += last_sums_[i];
    out.push_back((sums_[i] + stopped) / static_cast<double>(examples_));
  }
  return out;
}

}  // namespace assay::view
