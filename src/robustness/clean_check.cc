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
  if (spec.clean_accuracy) {
    const double slack = std::max(1.0 / static_cast<double>(check.tiles), 5e-4) + 1e-9;
    check.reproduces = std::abs(check.accuracy() - *spec.clean_accuracy) <= slack;
  }
  return check;
}

}  // namespace assay::robustness
