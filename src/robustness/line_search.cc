#include "robustness/line_search.h"

#include <ATen/ATen.h>

namespace assay::robustness {

void ShortenAlongLine(const ActiveImages& all, BestStates& best, ModelProbe& probe, int rounds) {
  const ActiveImages active = all.Kept(Places(at::logical_and(best.fooled(), best.distance() > 0)));
  if (active.size() == 0) return;
  const at::Tensor centre = active.region.centre();
  const at::Tensor way = best.parameters().index_select(0, active.rows) - centre;
  at::Tensor right = at::zeros_like(active.region.radius());  // [n] shares of the way
  at::Tensor fooled = at::ones_like(right);
  for (int round = 0; round < rounds; ++round) {
    const at::Tensor middle = (right + fooled) / 2;
    const at::Tensor point = at::clamp(centre + way * measure::PerRow(middle, way),
                                       active.region.low(), active.region.high());
    const ProbeResult state = probe.Forward(active.images, point, active.labels, active.targets);
    best.Offer(active, point, state);
    fooled = at::where(state.fooled, middle, fooled);
    right = at::where(state.fooled, right, middle);
  }
}

}  // namespace assay::robustness
