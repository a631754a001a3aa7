// Universal perturbations as an item of an evaluation.
#include <ATen/ATen.h>

#include <chrono>

#include "base/file.h"
#include "data/tile_image.h"
#include "robustness/evaluation.h"
#include "robustness/tile_batch.h"
#include "robustness/universal.h"

namespace assay::robustness {
namespace {

using base::ErrorKind;
using base::Fail;
using nlohmann::json;

constexpr int kControls = 3;

}  // namespace

PlannedItem UniversalItem(const at::Tensor& deltas, const std::vector<double>& budgets,
                          const std::string& norm) {
  if (deltas.dim() != 4 || budgets.empty() ||
      deltas.size(0) != static_cast<int64_t>(budgets.size())) {
    Fail(ErrorKind::kBadInput, "{} budgets for universal perturbations of {} dimensions",
         budgets.size(), deltas.dim());
  }
  const measure::Norm measured = measure::ParseNorm(norm);
  const at::Tensor size = measure::Distance(deltas.to(at::kDouble), measured);
  for (size_t i = 0; i < budgets.size(); ++i) {
    const double found = size[static_cast<int64_t>(i)].item<double>();
    if (found > budgets[i] * (1 + 1e-4) + 1e-6)
      Fail(ErrorKind::kBadInput, "a universal perturbation of {} {} is larger than its budget {}",
           norm, found, budgets[i]);
    if (i > 0 && budgets[i] < budgets[i - 1])
      Fail(ErrorKind::kBadInput, "budgets of universal perturbations fall from {} to {}",
           budgets[i - 1], budgets[i]);
  }
  const bool linf = measured == measure::Norm::kLinf;
  PlannedItem item{.name = "universal",
                   .title = "Universal perturbation",
                   .kind = "universal",
                   .deltas = deltas.to(at::kFloat)};
  item.budgets = budgets;
  item.attack.norm = norm;
  item.strength_axis =
      linf ? "largest change allowed, grey levels" : "L2 norm allowed (values in [0, 1])";
  item.strength_scale = linf ? 255 : 1;
  item.threat = {
      {"space", "pixels, the same change for every tile"},
      {"norm", norm},
      {"budget", linf ? fmt::format("largest change {:.3g} grey levels", 255 * budgets.back())
                      : fmt::format("L2 {:.3g}", budgets.back())},
      {"objective", "made before, from other tiles"},
      {"optimizer", "none"},
      {"steps", 0},
      {"draws", 0},
      {"restarts", 1},
      {"knowledge", "white box, not these tiles"}};
  item.threat["grey_levels"] = linf ? json(255 * budgets.back()) : json(nullptr);
  return item;
}

Attacked RunUniversalItem(const model::ImageClassifier& model, const EvaluationData& data,
                          const PlannedItem& item, const EvaluationOptions& options,
                          std::vector<CurvePoint>& curve) {
  if (item.deltas.sizes().slice(1) != data.images.sizes().slice(1)) {
    Fail(ErrorKind::kBadInput, "universal perturbations of {} x {} px for tiles of {} x {} px",
         item.deltas.size(3), item.deltas.size(2), data.images.size(3), data.images.size(2));
  }
  Attacked attacked;
  for (int64_t i = 0; i < item.deltas.size(0); ++i) {
    const auto start = std::chrono::steady_clock::now();
    attacked.images =
        (data.images + item.deltas.narrow(0, i, 1).to(data.images.device())).clamp(0, 1);
    attacked.logits = LogitsInBatches(model, attacked.images, options.batch);
    attacked.calls.seconds +=
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    attacked.calls.forwards += data.size();
    const measure::Answers after = ToAnswers(attacked.logits, data.labels);
    attacked.flipped.clear();
    for (int64_t row = 0; row < data.size(); ++row)
      attacked.flipped.push_back(data.clean.Correct(row) && !after.Correct(row));
    const at::Tensor rmse = measure::Distance(attacked.images - data.images, measure::Norm::kRmse);
    curve.push_back({item.budgets[static_cast<size_t>(i)], after, attacked.flipped,
                     255 * rmse.mean().item<double>()});
  }
  return attacked;
}

json UniversalJson(const model::ImageClassifier& model, const EvaluationData& data,
                   const PlannedItem& item, const EvaluationOptions& options,
                   const std::filesystem::path& gallery) {
  const at::Tensor delta = item.deltas.narrow(0, item.deltas.size(0) - 1, 1);
  const measure::Norm norm = measure::ParseNorm(item.attack.norm);
  double random = 0, shuffled = 0;
  for (uint64_t number = 0; number < kControls; ++number) {
    const auto share = [&](const at::Tensor& control) {
      return ScoreUniversal(model, data.images, data.labels, control, options.batch).FlipShare();
    };
    random += share(RandomLike(delta, norm, options.seed, number)) / kControls;
    shuffled += share(ShuffledPixels(delta, options.seed, number)) / kControls;
  }
  int factor = 1;
  while (factor < 128 && factor * 2 * delta.abs().max().item<double>() <= 0.5) factor *= 2;
  const std::string file = item.name + "-perturbation.png";
  base::WriteFile(gallery / file, data::EncodePng(ToTile((0.5 + delta[0] * factor).clamp(0, 1))));
  return {{"picture", "gallery/" + file},
          {"amplification", factor},
          {"controls",
           {{{"name", "random"}, {"fooling_rate", random}},
            {{"name", "shuffled"}, {"fooling_rate", shuffled}}}}};
}

}  // namespace assay::robustness
