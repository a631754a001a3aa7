#include "robustness/clean_check.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "robustness/tile_batch.h"

namespace assay::robustness {

using base::ErrorKind;
using base::Fail;

namespace {

constexpr double kZ = 1.96;  // 95%

// P(at most `correct` of `tiles` right) at this accuracy.
double AtMost(int64_t correct, int64_t tiles, double accuracy) {
  if (accuracy <= 0) return 1;
  if (accuracy >= 1) return correct >= tiles ? 1 : 0;
  const auto n = static_cast<double>(tiles);
  double sum = 0;
  for (int64_t i = 0; i <= correct; ++i) {
    const auto k = static_cast<double>(i);
    sum += std::exp(std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1) +
                    k * std::log(accuracy) + (n - k) * std::log1p(-accuracy));
  }
  return std::min(sum, 1.0);
}

double HalfWilsonInterval(double accuracy, double tiles) {
  const double spread = accuracy * (1 - accuracy) / tiles + kZ * kZ / (4 * tiles * tiles);
  return kZ * std::sqrt(spread) / (1 + kZ * kZ / tiles);
}

}  // namespace

DeclaredVerdict JudgeDeclared(int64_t correct, int64_t tiles, double declared) {
  ASSAY_CHECK(tiles >= 1);
  const auto n = static_cast<double>(tiles);
  const double off = std::abs(static_cast<double>(correct) / n - declared);
  const bool exact = off <= std::max(1 / n, 5e-4) + 1e-9;
  const double tail =
      std::min(AtMost(correct, tiles, declared), AtMost(tiles - correct, tiles, 1 - declared));
  if (!exact && tail < 0.025) return DeclaredVerdict::kContradicted;
  if (HalfWilsonInterval(declared, n) > 0.06) return DeclaredVerdict::kTooFewToTell;
  return exact ? DeclaredVerdict::kReproduced : DeclaredVerdict::kWithinChance;
}

std::string DescribeVerdict(DeclaredVerdict verdict, int64_t correct, int64_t tiles) {
  switch (verdict) {
    case DeclaredVerdict::kReproduced:
      return "reproduced";
    case DeclaredVerdict::kWithinChance:
      return fmt::format(
          "not reproduced exactly; {:.4f} is as near as {} other tiles can be expected to be",
          static_cast<double>(correct) / static_cast<double>(tiles), tiles);
    case DeclaredVerdict::kContradicted:
      return "NOT reproduced on these tiles";
    case DeclaredVerdict::kTooFewToTell:
      return fmt::format("too few tiles to tell ({})", tiles);
  }
  return "";
}

std::optional<std::string> ContradictionOf(const model::ImageSpec& spec, int64_t correct,
                                           int64_t tiles) {
  if (!spec.clean_accuracy ||
      JudgeDeclared(correct, tiles, *spec.clean_accuracy) != DeclaredVerdict::kContradicted)
    return std::nullopt;
  return fmt::format(
      "clean accuracy is {:.4f} on these {} tiles; the sidecar declares {:.4f}{}, and chance does "
      "not explain the difference",
      static_cast<double>(correct) / static_cast<double>(tiles), tiles, *spec.clean_accuracy,
      spec.clean_data.empty() ? "" : " (" + spec.clean_data + ")");
}

CleanCheck CheckClean(const model::ImageClassifier& classifier, data::TileDataset& tiles,
                      int64_t batch, const std::function<void(int64_t)>& done) {
  ASSAY_CHECK(batch >= 1);
  const c10::NoGradGuard no_gradients;
  const model::ImageSpec& spec = classifier.spec();
  CleanCheck check{.lowest = std::numeric_limits<double>::infinity(),
                   .highest = -std::numeric_limits<double>::infinity()};
  for (const std::string& name : spec.class_names) check.by_class.push_back({name});
  int64_t position = 0;
  while (const auto next = NextBatch(tiles, position, batch, spec)) {
    const at::Tensor logits =
        classifier.Logits(next->images.to(at::Device(spec.device))).to(at::kCPU);
    const auto [least, most] = at::aminmax(next->images);
    check.lowest = std::min(check.lowest, least.item<double>());
    check.highest = std::max(check.highest, most.item<double>());
    const at::Tensor predicted = logits.argmax(1), log = at::log_softmax(logits, 1);
    for (size_t i = 0; i < next->infos.size(); ++i) {
      const int64_t label = next->infos[i].label, row = static_cast<int64_t>(i);
      if (label < 0 || label >= classifier.classes()) {
        Fail(ErrorKind::kBadInput, "{}: has the label {}; expected 0 to {}", next->infos[i].name,
             label, classifier.classes() - 1);
      }
      const bool correct = predicted[row].item<int64_t>() == label;
      ClassAccuracy& by_class = check.by_class[static_cast<size_t>(label)];
      ++by_class.tiles;
      by_class.correct += correct;
      check.correct += correct;
      check.loss -= log[row][label].item<double>();
    }
    check.tiles += static_cast<int64_t>(next->infos.size());
    if (done) done(position);
  }
  if (check.tiles == 0) {
    Fail(ErrorKind::kBadInput, "none of the {} tiles can be used; the first problem: {}",
         tiles.size(), tiles.problems().empty() ? "none" : ToString(tiles.problems().front()));
  }
  check.loss /= static_cast<double>(check.tiles);
  if (spec.clean_accuracy)
    check.declared = JudgeDeclared(check.correct, check.tiles, *spec.clean_accuracy);
  return check;
}

}  // namespace assay::robustness
