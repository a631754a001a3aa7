// Square (Andriushchenko et al. 2020): random squares, kept when they lower the margin. Needs no
// gradient. Pixels, Linf and L2.
#pragma once

#include "robustness/attack.h"

namespace assay::robustness {

std::unique_ptr<Attack> MakeSquareAttack(const AttackOptions& options);

}  // namespace assay::robustness
