// Search without gradients, over any parameter space: independent draws (REET's search), then local
// refinement around the best with a step that shrinks when it stops helping.
#pragma once

#include "robustness/attack.h"

namespace assay::robustness {

// options.draws draws from the space, then options.steps refinements if `refine`.
std::unique_ptr<Attack> MakeSearchAttack(const AttackOptions& options,
                                         std::shared_ptr<const ParameterSpace> space);

}  // namespace assay::robustness
