// The least change that fools: DDN and DeepFool on pixels, and a bisection over the budget of any
// attack on any space. Images that are never fooled within the largest budget come back at the
// largest loss met, with fooled false. Images that are wrong from the start have distance 0.
#pragma once

#include "robustness/attack.h"

namespace assay::robustness {

// Decoupled direction and norm (Rony et al. 2019), L2: the norm follows success, the direction the
// gradient; it starts at the distance of the linearised boundary. Ends with a line search.
std::unique_ptr<Attack> MakeDdnAttack(const AttackOptions& options);

// DeepFool (Moosavi-Dezfooli et al. 2016), L2 and Linf: steps to the nearest linearised boundary.
// Ends with a line search.
std::unique_ptr<Attack> MakeDeepFoolAttack(const AttackOptions& options);

// Per image: the inner attack at the largest budget, then at half the distance found, and so on
// until the interval is within `tolerance` of its upper end.
std::unique_ptr<Attack> MakeBisectionAttack(std::unique_ptr<Attack> inner,
                                            std::shared_ptr<const ParameterSpace> space, Norm norm,
                                            double largest, double tolerance = 0.01);

}  // namespace assay::robustness
