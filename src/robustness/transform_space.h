// A transform (or a chain, "stain+jpeg") as the space of an attack.
#pragma once

#include <memory>

#include "robustness/parameter_space.h"
#include "transforms/transform.h"

namespace assay::robustness {

struct TransformSpaceOptions {
  // Keep parameters within the transform's range (widened to the identity where that lies outside).
  // Without it only the budget limits them, as in REET.
  bool bounded = true;
  // Steps, budgets and distances count half a range of each parameter as 1: the whole range is Linf
  // at most 1 from its middle. Without it they are in the parameters' own units, as in REET.
  bool relative = true;
  // Draws are independent and uniform in each range, as augmentation wants them. Without it they
  // are spread for a search: the ends more often than the middle, successive ones apart.
  bool uniform = false;
};

// The radius plays no part in Draw.
std::unique_ptr<ParameterSpace> MakeTransformSpace(
    std::shared_ptr<const transforms::Transform> transform,
    const TransformSpaceOptions& options = {});

}  // namespace assay::robustness
