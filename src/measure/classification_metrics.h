// How good a classifier's answers are, before and after images were changed: accuracy, AUC,
// sensitivity and specificity at a locked threshold, calibration, fooling rates, and intervals by a
// bootstrap over patients. Plain numbers, no tensors. Thread-safe: pure functions.
//
// What is not defined (an AUC of one class, a rate over no images) is absent, never 0.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace assay::measure {

// Answers of a classifier to N images of K classes.
struct Answers {
  int64_t classes = 0;                // K
  std::vector<double> probabilities;  // [N, K], rows that add up to 1
  std::vector<int64_t> labels;        // [N]

  int64_t size() const { return static_cast<int64_t>(labels.size()); }
  double Probability(int64_t image, int64_t of_class) const;
  int64_t Answer(int64_t image) const;  // the first of the largest
  bool Correct(int64_t image) const { return Answer(image) == labels[static_cast<size_t>(image)]; }
};

// Throws kBadInput when sizes do not go together, a probability is not in [0, 1] (a rounding of
// 1e-4 is allowed), a row does not add up to 1 within 1e-3, or a label is no class.
void CheckAnswers(const Answers& answers);

// Images that a statistic is taken over; an image may occur more than once (bootstrap).
using Indices = std::span<const int64_t>;
std::vector<int64_t> AllOf(const Answers& answers);  // 0 .. N-1

std::optional<double> Accuracy(const Answers& answers, Indices images);

// Probability that a random positive has a larger score than a random negative, ties one half (Mann
// and Whitney 1947). Two classes: of the score of class 1. More: the mean over the classes that
// have both positives and negatives, one against the rest.
std::optional<double> Auc(const Answers& answers, Indices images);

// Share of images of `positive` with a score of it >= threshold; of the others, with one below.
std::optional<double> Sensitivity(const Answers& answers, Indices images, int64_t positive,
                                  double threshold);
std::optional<double> Specificity(const Answers& answers, Indices images, int64_t positive,
                                  double threshold);

// The threshold on the score of `positive` with the largest sensitivity + specificity (Youden
// 1950); of equals, the one nearest to 0.5. It lies half way between two scores that occur. 0.5
// when a class is missing. Choose it on validation or clean images, then leave it locked.
double ChooseThreshold(const Answers& answers, Indices images, int64_t positive);

// Expected calibration error: over `bins` equal bins of the largest probability, the mean gap
// between it and the accuracy (Guo et al. 2017, eq. 3).
std::optional<double> CalibrationError(const Answers& answers, Indices images, int bins = 15);

// Brier score: two classes, mean (p - y)^2 of class 1; more, the sum over classes (Brier 1950).
std::optional<double> BrierScore(const Answers& answers, Indices images);

// Of the images that are right before, the share that is flipped: flipped[i] says whether any
// candidate made image i wrong.
std::optional<double> FoolingRate(const Answers& before, const std::vector<bool>& flipped,
                                  Indices images);

// REET's aggregate: (accuracy - adversarial accuracy) / accuracy. Wrong answers that become right
// cancel flips; absent when nothing was right before.
std::optional<double> ReetFoolingRatio(const Answers& before, const Answers& after, Indices images);

// Mean |p - p'| of the true class.
std::optional<double> InputSensitivity(const Answers& before, const Answers& after, Indices images);
// The same by the mean of the images' RMSE (any unit, by which the result is per that unit).
std::optional<double> NormalizedInputSensitivity(const Answers& before, const Answers& after,
                                                 const std::vector<double>& rmse, Indices images);

struct Interval {
  std::optional<double> value;      // on all images
  std::optional<double> low, high;  // absent with fewer than two clusters
  int64_t undefined = 0;            // resamples without a value, left out of the percentiles
};

struct BootstrapOptions {
  int resamples = 1000;
  double level = 0.95;
  uint64_t seed = 0;
};

using Statistic = std::function<std::optional<double>(Indices)>;

// Percentile interval over whole clusters drawn with replacement: images of one patient are not
// independent. clusters[i] names the cluster of image i (its patient). The same seed gives the same
// draws for every statistic, so that differences are paired. Throws kUsage for fewer than 10
// resamples or a level outside (0, 1).
Interval ClusteredInterval(const std::vector<std::string>& clusters, const Statistic& statistic,
                           const BootstrapOptions& options);

}  // namespace assay::measure
