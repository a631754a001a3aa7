// Energy against what is in the tile, and the least energy that fools.
#include <ATen/ATen.h>

#include <algorithm>

#include "measure/distance.h"
#include "robustness/attack_run.h"
#include "robustness/constructs.h"
#include "robustness/evaluation.h"

namespace assay::robustness {
namespace {

using nlohmann::json;

std::vector<int64_t> CorrectRows(const EvaluationData& data) {
  std::vector<int64_t> rows;
  for (int64_t i = 0; i < data.size(); ++i) {
    if (data.clean.Correct(i)) rows.push_back(i);
  }
  return rows;
}

at::Tensor Rmse(const at::Tensor& original, const at::Tensor& perturbed) {  // [B]
  return measure::Distance((perturbed - original).to(at::kDouble), measure::Norm::kRmse);
}

// Fooling rates over four parts of the correctly classified images, by rising value.
json ByQuartile(const EvaluationData& data, const std::vector<bool>& flipped,
                const std::vector<double>& values) {
  std::vector<int64_t> rows = CorrectRows(data);
  const auto value = [&](int64_t row) { return values[static_cast<size_t>(row)]; };
  std::stable_sort(rows.begin(), rows.end(),
                   [&](int64_t a, int64_t b) { return value(a) < value(b); });
  json out = json::array();
  size_t begin = 0;
  for (size_t part = 1; part <= 4; ++part) {
    size_t end = rows.size() * part / 4;
    // Equal values stay together, so that parts do not overlap.
    while (end > 0 && end < rows.size() && value(rows[end]) == value(rows[end - 1])) ++end;
    if (end <= begin) continue;
    int64_t count = 0;
    for (size_t i = begin; i < end; ++i) count += flipped[static_cast<size_t>(rows[i])] ? 1 : 0;
    out.push_back(
        {{"from", value(rows[begin])},
         {"to", value(rows[end - 1])},
         {"images", end - begin},
         {"fooling_rate", static_cast<double>(count) / static_cast<double>(end - begin)}});
    begin = end;
  }
  return out;
}

}  // namespace

json ConstructsJson(const EvaluationData& data, const at::Tensor& perturbed) {
  const ConstructShares shares = MeasureConstructs(data.images, perturbed, data.constructs);
  // Means over the images that were changed at all.
  const at::Tensor changed = shares.energy.sum(1) > 0.5;  // [B]
  json out = json::array();
  for (int64_t construct = 0; construct < 4; ++construct) {
    const at::Tensor area = shares.area.select(1, construct).masked_select(changed);
    const at::Tensor energy = shares.energy.select(1, construct).masked_select(changed);
    std::optional<double> area_share, energy_share, ratio;
    if (area.numel() > 0) {
      area_share = area.mean().item<double>();
      energy_share = energy.mean().item<double>();
      if (*area_share > 0) ratio = *energy_share / *area_share;
    }
    out.push_back({{"construct", kConstructNames[static_cast<size_t>(construct)]},
                   {"area_share", Number(area_share)},
                   {"energy_share", Number(energy_share)},
                   {"density_ratio", Number(ratio)}});
  }
  return out;
}

json ByNucleiJson(const EvaluationData& data, const std::vector<bool>& flipped) {
  return {{"count", ByQuartile(data, flipped, data.nuclei_count)},
          {"area", ByQuartile(data, flipped, data.nuclei_area)}};
}

json ConfinedJson(const model::ImageClassifier& model, const EvaluationData& data,
                  const PlannedItem& item, const EvaluationOptions& options) {
  const at::Tensor rows = at::tensor(CorrectRows(data), at::kLong);
  if (rows.numel() == 0) return json::array();
  const AttackInput input{.images = data.images.index_select(0, rows),
                          .labels = data.labels.index_select(0, rows)};
  const at::Tensor maps = data.constructs.index_select(0, rows);
  AttackOptions attack = item.attack;
  attack.early_stop = true;
  json out = json::array();
  for (int64_t construct = 0; construct < 4; ++construct) {
    const at::Tensor allowed = maps == construct;
    const AttackResult result =
        RunInBatches(*MakeAttack(attack, MakeMaskedPixelSpace(input.images, allowed)), model, input,
                     options.batch);
    const int64_t flipped = result.fooled.sum().item<int64_t>();
    out.push_back(
        {{"construct", kConstructNames[static_cast<size_t>(construct)]},
         {"area_share", allowed.to(at::kDouble).mean().item<double>()},
         {"fooling_rate", static_cast<double>(flipped) / static_cast<double>(rows.numel())},
         {"flipped", flipped},
         {"correct", rows.numel()},
         {"rmse_grey", 255 * Rmse(input.images, result.images).mean().item<double>()}});
  }
  return out;
}

void LeastStored::Offer(const std::vector<int64_t>& rows, const at::Tensor& images) {
  if (rows.empty()) return;
  const at::Tensor which = at::tensor(rows, at::kLong);
  const at::Tensor stored = ThroughPng(images);
  const at::Tensor rmse = 255 * Rmse(data_.images.index_select(0, which), stored);
  const measure::Answers after =
      ToAnswers(LogitsInBatches(model_, stored, batch_), data_.labels.index_select(0, which));
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto place = static_cast<int64_t>(i);
    if (!data_.clean.Correct(rows[i]) || after.Correct(place)) continue;
    double& least = rmse_grey_[static_cast<size_t>(rows[i])];
    least = std::min(least, rmse[place].item<double>());
  }
}

void LeastStored::OfferLengthened(const at::Tensor& images, const std::vector<bool>& flipped) {
  constexpr double kMost = 32, kFiner = 2;
  std::vector<int64_t> left;
  for (const int64_t row : CorrectRows(data_)) {
    if (flipped[static_cast<size_t>(row)]) left.push_back(row);
  }
  const std::vector<double> before = std::move(rmse_grey_);
  rmse_grey_.assign(before.size(), INFINITY);
  for (double factor = 1; factor <= kMost && !left.empty();
       factor = factor < kFiner ? factor + 0.05 : factor * 1.05) {
    const at::Tensor which = at::tensor(left, at::kLong);
    const at::Tensor clean = data_.images.index_select(0, which);
    Offer(left, (clean + factor * (images.index_select(0, which) - clean)).clamp(0, 1));
    std::erase_if(left,
                  [&](int64_t row) { return std::isfinite(rmse_grey_[static_cast<size_t>(row)]); });
  }
  for (size_t i = 0; i < before.size(); ++i) rmse_grey_[i] = std::min(rmse_grey_[i], before[i]);
}

json MinimalEnergyJson(const EvaluationData& data, const std::vector<double>& least) {
  std::vector<double> found;
  for (const double value : least) {
    if (std::isfinite(value)) found.push_back(value);
  }
  std::sort(found.begin(), found.end());
  json out = {{"norm", "rmse"},
              {"unit", "grey levels"},
              {"correct", CorrectRows(data).size()},
              {"found", found.size()}};
  const json summary = SummaryJson(found);
  for (const char* name : {"median", "p10", "p90"})
    out[name] = summary.is_null() ? json(nullptr) : summary[name];
  out["values"] = found;
  return out;
}

}  // namespace assay::robustness
