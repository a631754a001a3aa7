// How strong a change must be for people to see it: the psychometric function of a two-alternative
// forced-choice study, fitted by maximum likelihood. Thread-safe: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace assay::measure {

struct LevelAnswers {
  double level = 0;  // strength of the change, > 0, any unit
  int64_t trials = 0, correct = 0;
};

// P(correct) = guess + (1 - guess - lapse) (1 - exp(-(level / scale)^slope)), a Weibull function
// (Wichmann and Hill 2001, eq. 1).
struct Psychometric {
  double guess = 0.5, lapse = 0, scale = 1, slope = 1;
  double At(double level) const;
};

struct PsychometricFit {
  Psychometric function;
  double threshold = 0;  // level with 75% correct
  // Profile likelihood, 95% (ratio 3.84); absent where the data do not bound the threshold on that
  // side within the levels searched (a hundredth of the least to a hundred times the largest).
  std::optional<double> low, high;
  double log_likelihood = 0;
  double chance_log_likelihood = 0;  // of guessing at every level
  bool above_chance = false;         // guessing is rejected (likelihood ratio, 3 parameters, 5%)
  int64_t trials = 0;
};

// guess 0.5; lapse between 0 and most_lapse; slope between 0.3 and 10. Levels may repeat. Throws
// kBadInput for levels that are not above 0, counts that do not go together, and fewer than two
// levels.
PsychometricFit FitPsychometric(const std::vector<LevelAnswers>& answers, double most_lapse = 0.06);

}  // namespace assay::measure
