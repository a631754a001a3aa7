// FGSM, PGD, APGD and REET's gradient attack: one loop of model, optimiser and projection, over any
// parameter space.
#pragma once

#include "robustness/attack.h"

namespace assay::robustness {

// options.attack: "fgsm", "pgd" or "apgd". options is validated by MakeAttack.
std::unique_ptr<Attack> MakeGradientAttack(const AttackOptions& options,
                                           std::shared_ptr<const ParameterSpace> space);

}  // namespace assay::robustness
