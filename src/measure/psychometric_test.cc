#include "measure/psychometric.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "base/rng.h"

namespace assay::measure {
namespace {

std::vector<LevelAnswers> Observe(const Psychometric& observer, int64_t trials, uint64_t seed) {
  std::vector<LevelAnswers> answers;
  for (const double level : {0.5, 1.0, 2.0, 4.0, 8.0, 16.0}) {
    base::Rng rng(seed, "observer", static_cast<uint64_t>(level * 2));
    LevelAnswers row{.level = level, .trials = trials};
    for (int64_t i = 0; i < trials; ++i) row.correct += rng.Uniform() < observer.At(level) ? 1 : 0;
    answers.push_back(row);
  }
  return answers;
}

// The level at which the observer is right three times in four.
double ThresholdOf(const Psychometric& observer) {
  return observer.scale *
         std::pow(-std::log(1 - 0.25 / (0.5 - observer.lapse)), 1 / observer.slope);
}

TEST(PsychometricTest, RecoversASimulatedObserver) {
  const Psychometric observer{.lapse = 0.02, .scale = 3, .slope = 2};
  const PsychometricFit fit = FitPsychometric(Observe(observer, 2000, 1));
  EXPECT_NEAR(fit.threshold, ThresholdOf(observer), 0.15);
  EXPECT_NEAR(fit.function.slope, 2, 0.3);
  EXPECT_NEAR(fit.function.At(fit.threshold), 0.75, 1e-6);
  EXPECT_TRUE(fit.above_chance);
  EXPECT_EQ(fit.trials, 12000);
}

TEST(PsychometricTest, IntervalsCoverTheTruth) {
  const Psychometric observer{.lapse = 0.02, .scale = 3, .slope = 2};
  int covered = 0;
  double widths = 0;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const PsychometricFit fit = FitPsychometric(Observe(observer, 40, seed));
    ASSERT_TRUE(fit.low && fit.high);
    EXPECT_LT(*fit.low, fit.threshold);
    EXPECT_GT(*fit.high, fit.threshold);
    covered += *fit.low <= ThresholdOf(observer) && ThresholdOf(observer) <= *fit.high ? 1 : 0;
    widths += (*fit.high - *fit.low) / 20;
  }
  EXPECT_GE(covered, 17);  // 19 are expected
  EXPECT_LT(widths, 3);
}

TEST(PsychometricTest, IsAtLeastAsGoodAsAnyOtherFunction) {
  const std::vector<LevelAnswers> answers = {{1, 20, 9}, {2, 20, 13}, {4, 20, 18}, {8, 20, 20}};
  const PsychometricFit fit = FitPsychometric(answers);
  for (double scale = 0.5; scale < 8; scale *= 1.1) {
    for (double slope = 0.4; slope < 9; slope *= 1.2) {
      for (const double lapse : {0.0, 0.01, 0.03, 0.06}) {
        const Psychometric other{.lapse = lapse, .scale = scale, .slope = slope};
        double value = 0;
        for (const LevelAnswers& row : answers) {
          const double p = std::min(other.At(row.level), 1 - 1e-12);
          value += static_cast<double>(row.correct) * std::log(p) +
                   static_cast<double>(row.trials - row.correct) * std::log1p(-p);
        }
        EXPECT_LE(value, fit.log_likelihood + 1e-3);
      }
    }
  }
}

TEST(PsychometricTest, GuessingIsSaidToBeGuessing) {
  const PsychometricFit fit = FitPsychometric({{1, 40, 20}, {2, 40, 21}, {4, 40, 19}});
  EXPECT_FALSE(fit.above_chance);
  EXPECT_FALSE(fit.high.has_value());  // the threshold may be anywhere above
}

TEST(PsychometricTest, RefusesWhatCannotBeFitted) {
  EXPECT_THROW(FitPsychometric({{1, 10, 5}}), base::Error);
  EXPECT_THROW(FitPsychometric({{1, 10, 5}, {0, 10, 5}}), base::Error);
  EXPECT_THROW(FitPsychometric({{1, 10, 11}, {2, 10, 5}}), base::Error);
}

}  // namespace
}  // namespace assay::measure
