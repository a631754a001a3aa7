// One transform or attack at a strength of one's own, in the units of its curve: what a person asks
// for who reads a report and wonders about a smaller or a larger change. Thread-safe.
#pragma once

#include <string>
#include <vector>

#include "robustness/evaluation_plan.h"

namespace assay::robustness {

struct StrengthChoice {
  std::string name, title, kind;  // of the item in the plan of a whole evaluation
  std::string axis;               // what the strength is: "RMSE allowed, grey levels"
  double usual = 0, most = 0;     // of that evaluation; the largest that is accepted
};

// Everything that has a strength (the search for the least change has none), for images of this
// size. Budgets are those of `options`; which items these name does not matter. Throws as
// PlanEvaluation does, and kUnsupported with compat reet, whose budgets are of the batch.
std::vector<StrengthChoice> StrengthChoices(const EvaluationOptions& options, int64_t channels,
                                            int64_t height, int64_t width);

// The item alone, without a curve, named NAME-at-STRENGTH. Throws kUsage for a name that is no
// choice and for a strength that is not above 0 and at most the choice's.
PlannedItem ItemAtStrength(const EvaluationOptions& options, const std::string& name,
                           double strength, int64_t channels, int64_t height, int64_t width);

}  // namespace assay::robustness
