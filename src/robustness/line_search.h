// Shortens found perturbations: bisects the straight line from the identity to the parameters.
#pragma once

#include "robustness/attack_batch.h"

namespace assay::robustness {

// For every fooled image with distance > 0, `rounds` forwards on the line between its best state
// and the farthest point that is known not to fool; the best states are replaced by nearer ones.
void ShortenAlongLine(const ActiveImages& all, BestStates& best, ModelProbe& probe, int rounds = 8);

}  // namespace assay::robustness
