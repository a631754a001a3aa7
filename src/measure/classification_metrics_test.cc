#include "measure/classification_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "base/rng.h"

namespace assay::measure {
namespace {

// Two classes from the scores of class 1.
Answers Binary(const std::vector<double>& scores, std::vector<int64_t> labels) {
  Answers answers{.classes = 2, .labels = std::move(labels)};
  for (const double score : scores) {
    answers.probabilities.push_back(1 - score);
    answers.probabilities.push_back(score);
  }
  CheckAnswers(answers);
  return answers;
}

// Scores on a coarse grid, so that there are ties.
Answers Random(int64_t images, int64_t classes, uint64_t seed) {
  base::Rng rng(seed, "test");
  Answers answers{.classes = classes};
  for (int64_t i = 0; i < images; ++i) {
    std::vector<double> row;
    double sum = 0;
    for (int64_t k = 0; k < classes; ++k) {
      row.push_back(static_cast<double>(1 + rng.Below(5)));
      sum += row.back();
    }
    for (const double value : row) answers.probabilities.push_back(value / sum);
    answers.labels.push_back(static_cast<int64_t>(rng.Below(static_cast<uint64_t>(classes))));
  }
  return answers;
}

double PairAuc(const Answers& answers, int64_t positive) {
  double won = 0, pairs = 0;
  for (int64_t i = 0; i < answers.size(); ++i) {
    for (int64_t j = 0; j < answers.size(); ++j) {
      if (answers.labels[i] != positive || answers.labels[j] == positive) continue;
      const double a = answers.Probability(i, positive), b = answers.Probability(j, positive);
      won += a > b ? 1 : a == b ? 0.5 : 0;
      pairs += 1;
    }
  }
  return won / pairs;
}

TEST(ClassificationMetricsTest, AucEqualsCountingPairs) {
  for (uint64_t seed = 0; seed < 5; ++seed) {
    const Answers two = Random(60, 2, seed), three = Random(60, 3, seed);
    EXPECT_NEAR(*Auc(two, AllOf(two)), PairAuc(two, 1), 1e-12);
    EXPECT_NEAR(*Auc(three, AllOf(three)),
                (PairAuc(three, 0) + PairAuc(three, 1) + PairAuc(three, 2)) / 3, 1e-12);
  }
  const Answers one_class = Binary({0.2, 0.8}, {1, 1});
  EXPECT_FALSE(Auc(one_class, AllOf(one_class)).has_value());
}

TEST(ClassificationMetricsTest, RatesAtAThresholdAreCounted) {
  const Answers answers = Binary({0.1, 0.4, 0.6, 0.3, 0.7, 0.9}, {0, 0, 0, 1, 1, 1});
  const auto all = AllOf(answers);
  EXPECT_NEAR(*Sensitivity(answers, all, 1, 0.5), 2.0 / 3, 1e-12);
  EXPECT_NEAR(*Specificity(answers, all, 1, 0.5), 2.0 / 3, 1e-12);
  EXPECT_NEAR(*Sensitivity(answers, all, 1, 0.3), 1, 1e-12);
  EXPECT_NEAR(*Accuracy(answers, all), 4.0 / 6, 1e-12);
  EXPECT_FALSE(Accuracy(answers, {}).has_value());
}

TEST(ClassificationMetricsTest, ChosenThresholdIsTheBestOfAll) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const Answers answers = Random(40, 2, seed);
    const auto all = AllOf(answers);
    const auto youden = [&](double threshold) {
      return *Sensitivity(answers, all, 1, threshold) + *Specificity(answers, all, 1, threshold);
    };
    double best = 0;
    for (int i = 0; i <= 1000; ++i) best = std::max(best, youden(i / 1000.0));
    EXPECT_NEAR(youden(ChooseThreshold(answers, all, 1)), best, 1e-12);
  }
  const Answers separable = Binary({0.1, 0.2, 0.6, 0.9}, {0, 0, 1, 1});
  EXPECT_NEAR(ChooseThreshold(separable, AllOf(separable), 1), 0.4, 1e-12);
}

TEST(ClassificationMetricsTest, CalibrationFollowsTheFormulas) {
  // Bins of 0.5: one image sure and right, one sure and wrong, two at 0.6 and right.
  const Answers answers = Binary({0.9, 0.9, 0.6, 0.4}, {1, 0, 1, 0});
  const auto all = AllOf(answers);
  EXPECT_NEAR(*CalibrationError(answers, all, 2), std::abs(0.75 - (0.9 + 0.9 + 0.6 + 0.6) / 4),
              1e-12);
  EXPECT_NEAR(*CalibrationError(answers, all, 10),
              (2 * std::abs(0.5 - 0.9) + 2 * std::abs(1 - 0.6)) / 4, 1e-12);
  EXPECT_NEAR(*BrierScore(answers, all), (0.01 + 0.81 + 0.16 + 0.16) / 4, 1e-12);
  Answers three{.classes = 3, .probabilities = {0.5, 0.3, 0.2}, .labels = {1}};
  EXPECT_NEAR(*BrierScore(three, AllOf(three)), 0.25 + 0.49 + 0.04, 1e-12);
}

TEST(ClassificationMetricsTest, FoolingRateIsPerImageAndReetsRatioIsNot) {
  // Right, right, wrong; one right becomes wrong and the wrong one right.
  const Answers before = Binary({0.9, 0.8, 0.7}, {1, 1, 0});
  const Answers after = Binary({0.9, 0.2, 0.3}, {1, 1, 0});
  const auto all = AllOf(before);
  EXPECT_NEAR(*FoolingRate(before, {false, true, false}, all), 0.5, 1e-12);
  EXPECT_NEAR(*ReetFoolingRatio(before, after, all), 0, 1e-12);
  EXPECT_NEAR(*InputSensitivity(before, after, all), (0 + 0.6 + 0.4) / 3, 1e-12);
  EXPECT_NEAR(*NormalizedInputSensitivity(before, after, {1, 2, 3}, all), 1.0 / 3 / 2, 1e-12);
  EXPECT_FALSE(NormalizedInputSensitivity(before, after, {0, 0, 0}, all).has_value());
  const Answers wrong = Binary({0.1}, {1});
  EXPECT_FALSE(FoolingRate(wrong, {true}, AllOf(wrong)).has_value());
  EXPECT_FALSE(ReetFoolingRatio(wrong, wrong, AllOf(wrong)).has_value());
}

TEST(ClassificationMetricsTest, AnswersThatDoNotFitAreRefused) {
  EXPECT_THROW(CheckAnswers({.classes = 2, .probabilities = {0.5}, .labels = {0}}), base::Error);
  EXPECT_THROW(CheckAnswers({.classes = 2, .probabilities = {0.5, 0.6}, .labels = {0}}),
               base::Error);
  EXPECT_THROW(CheckAnswers({.classes = 2, .probabilities = {0.5, 0.5}, .labels = {2}}),
               base::Error);
  EXPECT_THROW(CheckAnswers({.classes = 2, .probabilities = {NAN, 0.5}, .labels = {1}}),
               base::Error);
}

TEST(ClusteredIntervalTest, ResamplesWholePatients) {
  // Every patient is all right or all wrong: the interval is that of four draws, not of 40.
  std::vector<std::string> patients;
  std::vector<double> right;
  for (int i = 0; i < 40; ++i) {
    patients.push_back(std::string(1, static_cast<char>('a' + i / 10)));
    right.push_back(i < 20 ? 1 : 0);
  }
  const Statistic mean = [&](Indices images) -> std::optional<double> {
    double sum = 0;
    for (const int64_t i : images) sum += right[static_cast<size_t>(i)];
    return sum / static_cast<double>(images.size());
  };
  const Interval clustered = ClusteredInterval(patients, mean, {.resamples = 2000});
  EXPECT_DOUBLE_EQ(*clustered.value, 0.5);
  EXPECT_DOUBLE_EQ(*clustered.low, 0);
  EXPECT_DOUBLE_EQ(*clustered.high, 1);
  std::vector<std::string> alone;
  for (int i = 0; i < 40; ++i) alone.push_back(std::to_string(i));
  const Interval single = ClusteredInterval(alone, mean, {.resamples = 2000});
  const double half_width = 1.96 * std::sqrt(0.25 / 40);  // normal approximation of the binomial
  EXPECT_NEAR(*single.low, 0.5 - half_width, 0.03);
  EXPECT_NEAR(*single.high, 0.5 + half_width, 0.03);
  const Interval again = ClusteredInterval(alone, mean, {.resamples = 2000});
  EXPECT_EQ(*single.low, *again.low);
}

TEST(ClusteredIntervalTest, SaysWhatIsNotDefined) {
  const Statistic second_only = [](Indices images) -> std::optional<double> {
    for (const int64_t i : images) {
      if (i == 1) return 1.0;
    }
    return std::nullopt;
  };
  const Interval interval = ClusteredInterval({"a", "b"}, second_only, {.resamples = 400});
  EXPECT_NEAR(static_cast<double>(interval.undefined), 100, 40);
  EXPECT_EQ(interval.low, interval.high);
  EXPECT_FALSE(ClusteredInterval({"a", "a"}, second_only, {}).low.has_value());
  EXPECT_THROW(ClusteredInterval({"a"}, second_only, {.resamples = 1}), base::Error);
}

}  // namespace
}  // namespace assay::measure
