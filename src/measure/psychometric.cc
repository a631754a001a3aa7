#include "measure/psychometric.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"

namespace assay::measure {
namespace {

using base::ErrorKind;
using base::Fail;

constexpr double kGuess = 0.5, kAtThreshold = 0.75;
constexpr double kLeastSlope = 0.3, kLargestSlope = 10;

Psychometric WithThreshold(double threshold, double slope, double lapse) {
  const double exponent = -std::log(1 - (kAtThreshold - kGuess) / (1 - kGuess - lapse));
  return {kGuess, lapse, threshold / std::pow(exponent, 1 / slope), slope};
}

double LogLikelihood(const std::vector<LevelAnswers>& answers, const Psychometric& function) {
  double sum = 0;
  for (const LevelAnswers& level : answers) {
    const double p = std::clamp(function.At(level.level), 1e-12, 1 - 1e-12);
    sum += static_cast<double>(level.correct) * std::log(p) +
           static_cast<double>(level.trials - level.correct) * std::log1p(-p);
  }
  return sum;
}

struct Best {
  Psychometric function;
  double log_likelihood = -std::numeric_limits<double>::infinity();
};

// Over slope and lapse, the threshold held: a grid, twice refined around its best.
Best BestAt(const std::vector<LevelAnswers>& answers, double threshold, double most_lapse) {
  Best best;
  double low_slope = std::log(kLeastSlope), high_slope = std::log(kLargestSlope);
  double low_lapse = 0, high_lapse = most_lapse;
  for (int pass = 0; pass < 3; ++pass) {
    constexpr int kSlopes = 20, kLapses = 12;
    double best_slope = 0, best_lapse = 0;
    Best of_pass;
    for (int i = 0; i <= kSlopes; ++i) {
      const double slope = low_slope + (high_slope - low_slope) * i / kSlopes;
      for (int j = 0; j <= kLapses; ++j) {
        const double lapse = low_lapse + (high_lapse - low_lapse) * j / kLapses;
        const Psychometric function = WithThreshold(threshold, std::exp(slope), lapse);
        const double value = LogLikelihood(answers, function);
        if (value > of_pass.log_likelihood) {
          of_pass = {function, value};
          best_slope = slope;
          best_lapse = lapse;
        }
      }
    }
    if (of_pass.log_likelihood > best.log_likelihood) best = of_pass;
    const double slope_step = (high_slope - low_slope) / kSlopes;
    const double lapse_step = (high_lapse - low_lapse) / kLapses;
    low_slope = std::max(std::log(kLeastSlope), best_slope - slope_step);
    high_slope = std::min(std::log(kLargestSlope), best_slope + slope_step);
    low_lapse = std::max(0.0, best_lapse - lapse_step);
    high_lapse = std::min(most_lapse, best_lapse + lapse_step);
  }
  return best;
}

void CheckAnswers(const std::vector<LevelAnswers>& answers) {
  for (const LevelAnswers& level : answers) {
    if (!(level.level > 0 && std::isfinite(level.level)) || level.trials < 1 || level.correct < 0 ||
        level.correct > level.trials) {
      Fail(ErrorKind::kBadInput, "{} of {} trials correct at level {}; levels are above 0",
           level.correct, level.trials, level.level);
    }
  }
  const auto [least, most] = std::minmax_element(
      answers.begin(), answers.end(),
      [](const LevelAnswers& a, const LevelAnswers& b) { return a.level < b.level; });
  if (answers.empty() || least->level == most->level)
    Fail(ErrorKind::kBadInput, "a threshold needs answers at two levels or more");
}

}  // namespace

double Psychometric::At(double level) const {
  return guess + (1 - guess - lapse) * -std::expm1(-std::pow(level / scale, slope));
}

PsychometricFit FitPsychometric(const std::vector<LevelAnswers>& answers, double most_lapse) {
  CheckAnswers(answers);
  if (!(most_lapse >= 0 && most_lapse < 0.2))
    Fail(ErrorKind::kUsage, "lapse rates up to {}; expected less than 0.2", most_lapse);
  double least = INFINITY, most = 0;
  PsychometricFit fit;
  for (const LevelAnswers& level : answers) {
    least = std::min(least, level.level);
    most = std::max(most, level.level);
    fit.trials += level.trials;
    fit.chance_log_likelihood += static_cast<double>(level.trials) * std::log(kGuess);
  }
  const double low = std::log(least / 100), high = std::log(most * 100);
  const auto profile = [&](double log_threshold) {
    return BestAt(answers, std::exp(log_threshold), most_lapse);
  };
  // A grid, then a golden-section search around its best place.
  constexpr int kPlaces = 160;
  const double step = (high - low) / kPlaces;
  Best best;
  double place = low;
  for (int i = 0; i <= kPlaces; ++i) {
    const Best here = profile(low + i * step);
    if (here.log_likelihood > best.log_likelihood) {
      best = here;
      place = low + i * step;
    }
  }
  double a = std::max(low, place - step), b = std::min(high, place + step);
  const double ratio = (std::sqrt(5.0) - 1) / 2;
  for (int i = 0; i < 30; ++i) {
    const double c = b - ratio * (b - a), d = a + ratio * (b - a);
    if (profile(c).log_likelihood > profile(d).log_likelihood) {
      b = d;
    } else {
      a = c;
    }
  }
  if (const Best here = profile((a + b) / 2); here.log_likelihood > best.log_likelihood) {
    best = here;
    place = (a + b) / 2;
  }
  fit.function = best.function;
  fit.threshold = std::exp(place);
  fit.log_likelihood = best.log_likelihood;
  fit.above_chance = 2 * (fit.log_likelihood - fit.chance_log_likelihood) > 7.815;
  constexpr double kDrop = 3.841 / 2;
  // Where the profile crosses, by bisection between the best place and the end.
  const auto crossing = [&](double end) -> std::optional<double> {
    if (profile(end).log_likelihood > best.log_likelihood - kDrop) return std::nullopt;
    double inside = place, outside = end;
    for (int i = 0; i < 40; ++i) {
      const double middle = (inside + outside) / 2;
      (profile(middle).log_likelihood > best.log_likelihood - kDrop ? inside : outside) = middle;
    }
    return std::exp(inside);
  };
  fit.low = crossing(low);
  fit.high = crossing(high);
  return fit;
}

}  // namespace assay::measure
