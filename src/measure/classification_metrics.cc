#include "measure/classification_metrics.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/error.h"
#include "base/rng.h"

namespace assay::measure {
namespace {

using base::ErrorKind;
using base::Fail;

// Mean of `value` over the images for which it is defined.
template <typename Value>
std::optional<double> MeanOver(Indices images, Value value) {
  double sum = 0;
  int64_t count = 0;
  for (const int64_t image : images) {
    if (const std::optional<double> one = value(image)) {
      sum += *one;
      ++count;
    }
  }
  if (count == 0) return std::nullopt;
  return sum / static_cast<double>(count);
}

int64_t LabelOf(const Answers& answers, int64_t image) {
  return answers.labels[static_cast<size_t>(image)];
}

struct ScoredImage {
  double score;
  bool positive;
};

// Ascending by score.
std::vector<ScoredImage> Ranked(const Answers& answers, Indices images, int64_t positive) {
  std::vector<ScoredImage> ranked;
  ranked.reserve(images.size());
  for (const int64_t image : images) {
    ranked.push_back({answers.Probability(image, positive), LabelOf(answers, image) == positive});
  }
  std::sort(ranked.begin(), ranked.end(),
            [](const ScoredImage& a, const ScoredImage& b) { return a.score < b.score; });
  return ranked;
}

std::optional<double> AucOf(const Answers& answers, Indices images, int64_t positive) {
  const std::vector<ScoredImage> ranked = Ranked(answers, images, positive);
  double positives = 0, negatives = 0, pairs_won = 0;
  for (size_t begin = 0, end = 0; begin < ranked.size(); begin = end) {
    double tied_positives = 0, tied_negatives = 0;
    for (; end < ranked.size() && ranked[end].score == ranked[begin].score; ++end)
      (ranked[end].positive ? tied_positives : tied_negatives) += 1;
    pairs_won += tied_positives * (negatives + tied_negatives / 2);
    positives += tied_positives;
    negatives += tied_negatives;
  }
  if (positives == 0 || negatives == 0) return std::nullopt;
  return pairs_won / (positives * negatives);
}

}  // namespace

double Answers::Probability(int64_t image, int64_t of_class) const {
  return probabilities[static_cast<size_t>(image * classes + of_class)];
}

int64_t Answers::Answer(int64_t image) const {
  const auto row = probabilities.begin() + image * classes;
  return std::max_element(row, row + classes) - row;
}

void CheckAnswers(const Answers& answers) {
  if (answers.classes < 2)
    Fail(ErrorKind::kBadInput, "answers of {} classes; at least 2 are needed", answers.classes);
  if (static_cast<int64_t>(answers.probabilities.size()) != answers.size() * answers.classes) {
    Fail(ErrorKind::kBadInput, "{} probabilities for {} images of {} classes",
         answers.probabilities.size(), answers.size(), answers.classes);
  }
  for (int64_t image = 0; image < answers.size(); ++image) {
    double sum = 0;
    for (int64_t k = 0; k < answers.classes; ++k) {
      const double p = answers.Probability(image, k);
      if (!(p >= -1e-4 && p <= 1 + 1e-4))
        Fail(ErrorKind::kBadInput, "image {}: probability {} of class {}", image, p, k);
      sum += p;
    }
    if (std::abs(sum - 1) > 1e-3)
      Fail(ErrorKind::kBadInput, "image {}: probabilities add up to {}", image, sum);
    const int64_t label = LabelOf(answers, image);
    if (label < 0 || label >= answers.classes) {
      Fail(ErrorKind::kBadInput, "image {}: label {}, with {} classes", image, label,
           answers.classes);
    }
  }
}

std::vector<int64_t> AllOf(const Answers& answers) {
  std::vector<int64_t> all(static_cast<size_t>(answers.size()));
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<int64_t>(i);
  return all;
}

std::optional<double> Accuracy(const Answers& answers, Indices images) {
  return MeanOver(images, [&](int64_t image) -> std::optional<double> {
    return answers.Correct(image) ? 1.0 : 0.0;
  });
}

std::optional<double> Auc(const Answers& answers, Indices images) {
  if (answers.classes == 2) return AucOf(answers, images, 1);
  double sum = 0;
  int64_t count = 0;
  for (int64_t k = 0; k < answers.classes; ++k) {
    if (const auto auc = AucOf(answers, images, k)) {
      sum += *auc;
      ++count;
    }
  }
  if (count == 0) return std::nullopt;
  return sum / static_cast<double>(count);
}

std::optional<double> Sensitivity(const Answers& answers, Indices images, int64_t positive,
                                  double threshold) {
  return MeanOver(images, [&](int64_t image) -> std::optional<double> {
    if (LabelOf(answers, image) != positive) return std::nullopt;
    return answers.Probability(image, positive) >= threshold ? 1.0 : 0.0;
  });
}

std::optional<double> Specificity(const Answers& answers, Indices images, int64_t positive,
                                  double threshold) {
  return MeanOver(images, [&](int64_t image) -> std::optional<double> {
    if (LabelOf(answers, image) == positive) return std::nullopt;
    return answers.Probability(image, positive) < threshold ? 1.0 : 0.0;
  });
}

double ChooseThreshold(const Answers& answers, Indices images, int64_t positive) {
  const std::vector<ScoredImage> ranked = Ranked(answers, images, positive);
  double positives = 0, negatives = 0;
  for (const ScoredImage& image : ranked) (image.positive ? positives : negatives) += 1;
  if (positives == 0 || negatives == 0) return 0.5;
  double best = 0, threshold = 0.5, below_positives = 0, below_negatives = 0;
  bool found = false;
  // The cut lies between i - 1 and i.
  for (size_t i = 0; i <= ranked.size(); ++i) {
    if (i > 0) (ranked[i - 1].positive ? below_positives : below_negatives) += 1;
    if (i > 0 && i < ranked.size() && ranked[i].score == ranked[i - 1].score) continue;
    const double youden = (positives - below_positives) / positives + below_negatives / negatives;
    const double low = i == 0 ? 0 : ranked[i - 1].score;
    const double high = i == ranked.size() ? 1 : ranked[i].score;
    const double cut = i == 0 ? ranked.front().score : low + (high - low) / 2;
    const bool nearer = std::abs(cut - 0.5) < std::abs(threshold - 0.5);
    if (!found || youden > best + 1e-12 || (youden > best - 1e-12 && nearer)) {
      best = youden;
      threshold = cut > low || i == 0 ? cut : high;  // neighbouring numbers have no middle
      found = true;
    }
  }
  return threshold;
}

std::optional<double> CalibrationError(const Answers& answers, Indices images, int bins) {
  if (images.empty()) return std::nullopt;
  struct Bin {
    double confidence = 0, right = 0;
  };
  std::vector<Bin> sums(static_cast<size_t>(bins));
  for (const int64_t image : images) {
    const double confidence = answers.Probability(image, answers.Answer(image));
    // (k/bins, (k+1)/bins], as in the paper.
    const int bin = static_cast<int>(std::ceil(confidence * bins)) - 1;
    Bin& sum = sums[static_cast<size_t>(std::clamp(bin, 0, bins - 1))];
    sum.confidence += confidence;
    sum.right += answers.Correct(image) ? 1 : 0;
  }
  double error = 0;
  for (const Bin& sum : sums) error += std::abs(sum.right - sum.confidence);
  return error / static_cast<double>(images.size());
}

std::optional<double> BrierScore(const Answers& answers, Indices images) {
  return MeanOver(images, [&](int64_t image) -> std::optional<double> {
    double sum = 0;
    for (int64_t k = answers.classes == 2 ? 1 : 0; k < answers.classes; ++k) {
      const double gap = answers.Probability(image, k) - (LabelOf(answers, image) == k ? 1 : 0);
      sum += gap * gap;
    }
    return sum;
  });
}

std::optional<double> FoolingRate(const Answers& before, const std::vector<bool>& flipped,
                                  Indices images) {
  return MeanOver(images, [&](int64_t image) -> std::optional<double> {
    if (!before.Correct(image)) return std::nullopt;
    return flipped[static_cast<size_t>(image)] ? 1.0 : 0.0;
  });
}

std::optional<double> ReetFoolingRatio(const Answers& before, const Answers& after,
                                       Indices images) {
  const auto clean = Accuracy(before, images), robust = Accuracy(after, images);
  if (!clean || *clean == 0) return std::nullopt;
  return (*clean - *robust) / *clean;
}

std::optional<double> InputSensitivity(const Answers& before, const Answers& after,
                                       Indices images) {
  return MeanOver(images, [&](int64_t image) -> std::optional<double> {
    const int64_t label = LabelOf(before, image);
    return std::abs(before.Probability(image, label) - after.Probability(image, label));
  });
}

std::optional<double> NormalizedInputSensitivity(const Answers& before, const Answers& after,
                                                 const std::vector<double>& rmse, Indices images) {
  const auto plain = InputSensitivity(before, after, images);
  const auto size = MeanOver(images, [&](int64_t image) -> std::optional<double> {
    return rmse[static_cast<size_t>(image)];
  });
  if (!plain || !size || *size == 0) return std::nullopt;
  return *plain / *size;
}

Interval ClusteredInterval(const std::vector<std::string>& clusters, const Statistic& statistic,
                           const BootstrapOptions& options) {
  if (options.resamples < 10)
    Fail(ErrorKind::kUsage, "{} bootstrap resamples; at least 10 are needed", options.resamples);
  if (!(options.level > 0 && options.level < 1))
    Fail(ErrorKind::kUsage, "an interval of level {}; expected one inside (0, 1)", options.level);
  std::map<std::string, std::vector<int64_t>> by_name;
  std::vector<int64_t> all;
  for (size_t i = 0; i < clusters.size(); ++i) {
    by_name[clusters[i]].push_back(static_cast<int64_t>(i));
    all.push_back(static_cast<int64_t>(i));
  }
  Interval interval{.value = statistic(all)};
  if (by_name.size() < 2 || !interval.value) return interval;
  std::vector<const std::vector<int64_t>*> members;
  for (const auto& [name, images] : by_name) members.push_back(&images);
  std::vector<double> values;
  std::vector<int64_t> drawn;
  for (int resample = 0; resample < options.resamples; ++resample) {
    base::Rng rng(options.seed, "bootstrap", static_cast<uint64_t>(resample));
    drawn.clear();
    for (size_t i = 0; i < members.size(); ++i) {
      const auto& images = *members[rng.Below(members.size())];
      drawn.insert(drawn.end(), images.begin(), images.end());
    }
    if (const auto value = statistic(drawn)) {
      values.push_back(*value);
    } else {
      ++interval.undefined;
    }
  }
  if (values.size() < 2) return interval;
  std::sort(values.begin(), values.end());
  const auto quantile = [&](double share) {
    const double place = share * static_cast<double>(values.size() - 1);
    const auto below = static_cast<size_t>(place);
    const size_t above = std::min(below + 1, values.size() - 1);
    return values[below] + (place - static_cast<double>(below)) * (values[above] - values[below]);
  };
  interval.low = quantile((1 - options.level) / 2);
  interval.high = quantile((1 + options.level) / 2);
  return interval;
}

}  // namespace assay::measure
