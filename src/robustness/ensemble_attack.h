// The worst case over several attacks, each run only on the images that withstood those before it,
// in the manner of AutoAttack (Croce & Hein 2020) but for any number of classes: APGD on
// cross-entropy, APGD on the difference of logits ratio (three classes or more) or the margin
// (two), APGD towards each of the nearest nine other classes on the margin to that class (three or
// more), then a search without gradients: Square on pixels (Linf, L2), SearchAttack elsewhere.
#pragma once

#include "robustness/attack.h"

namespace assay::robustness {

std::unique_ptr<Attack> MakeEnsembleAttack(const AttackOptions& options,
                                           std::shared_ptr<const ParameterSpace> space);

}  // namespace assay::robustness
