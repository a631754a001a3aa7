// One item of a robustness evaluation: a transform or an attack against a classifier on labelled
// tiles, and everything the report says about it. Thread-safe as far as the model is.
#pragma once

#include <ATen/core/Tensor.h>

#include <cmath>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "data/tile.h"
#include "measure/classification_metrics.h"
#include "robustness/evaluation_plan.h"

namespace assay::robustness {

// Tiles with what is known about them without any attack.
struct EvaluationData {
  at::Tensor images, labels;          // [B, C, H, W] float32 in [0, 1]; [B] int64
  std::vector<data::TileInfo> infos;  // [B]
  std::vector<std::string> clusters;  // [B], patients or tiles
  bool clusters_are_patients = true;
  at::Tensor clean_logits;  // [B, K]
  measure::Answers clean;
  int64_t positive = 1;
  double threshold = 0.5;
  at::Tensor constructs;                          // [B, H, W] int64, undefined without nuclei
  bool nuclei_segmented = false;                  // found by us, not given
  std::vector<double> nuclei_count, nuclei_area;  // [B], likewise

  int64_t size() const { return labels.size(0); }
};

measure::Answers ToAnswers(const at::Tensor& logits, const at::Tensor& labels);
at::Tensor LogitsInBatches(const model::ImageClassifier& model, const at::Tensor& images,
                           int64_t batch);

// What an item did to each image.
struct Attacked {
  at::Tensor images, logits;  // [B, C, H, W], [B, K]
  std::vector<bool> flipped;  // right before, wrong by some candidate
  std::vector<double> least;  // [B] of LeastStored; empty unless pixels are what is attacked
  ModelCalls calls;
  AttackHealth health;
  double seconds = 0;
};

// What is left at one strength.
struct CurvePoint {
  double budget = 0;
  measure::Answers answers;
  std::vector<bool> flipped;
  double rmse_grey = 0;
};

struct ItemReport {
  nlohmann::json item;       // docs/robustness-report.md
  measure::Answers answers;  // after
  std::vector<bool> flipped;
  std::vector<double> least;  // as in Attacked
};

// Pictures go to `gallery` (a folder), named by item and tile.
ItemReport EvaluateItem(const model::ImageClassifier& model, const EvaluationData& data,
                        const PlannedItem& item, const EvaluationOptions& options,
                        const std::filesystem::path& gallery);

// *metrics* of docs/robustness-report.md. after: null for the clean images; flipped and rmse_grey
// belong to it.
nlohmann::json MetricsJson(const EvaluationData& data, const measure::Answers* after,
                           const std::vector<bool>& flipped, const std::vector<double>& rmse_grey,
                           const EvaluationOptions& options);

// {"mean", "median", "p10", "p90", "max"}; null where there are no values.
nlohmann::json SummaryJson(std::vector<double> values);

nlohmann::json Number(std::optional<double> value);  // null when absent or not finite

// Parts of an item, in files of their own.
// energy_analysis.cc
nlohmann::json ConstructsJson(const EvaluationData& data, const at::Tensor& perturbed);
nlohmann::json ByNucleiJson(const EvaluationData& data, const std::vector<bool>& flipped);
nlohmann::json ConfinedJson(const model::ImageClassifier& model, const EvaluationData& data,
                            const PlannedItem& item, const EvaluationOptions& options);
// The least energy by which each tile was fooled as an 8-bit file, over all candidates offered.
class LeastStored {
 public:
  LeastStored(const model::ImageClassifier& model, const EvaluationData& data, int64_t batch)
      : model_(model),
        data_(data),
        batch_(batch),
        rmse_grey_(static_cast<size_t>(data.size()), INFINITY) {}
  // images: [n, C, H, W], of the tiles `rows`, of which those count that were answered correctly.
  void Offer(const std::vector<int64_t>& rows, const at::Tensor& images);
  // Lengthens each change a little at a time until it survives rounding: the least change lies on
  // the boundary, where rounding decides. Tiles that withstood are not asked.
  void OfferLengthened(const at::Tensor& images, const std::vector<bool>& flipped);
  const std::vector<double>& rmse_grey() const { return rmse_grey_; }  // [B]; infinite: none

 private:
  const model::ImageClassifier& model_;
  const EvaluationData& data_;
  int64_t batch_;
  std::vector<double> rmse_grey_;
};
// least: [B] as LeastStored gives it.
nlohmann::json MinimalEnergyJson(const EvaluationData& data, const std::vector<double>& least);
// universal_item.cc: each perturbation by itself; what is kept is what the largest does.
Attacked RunUniversalItem(const model::ImageClassifier& model, const EvaluationData& data,
                          const PlannedItem& item, const EvaluationOptions& options,
                          std::vector<CurvePoint>& curve);
nlohmann::json UniversalJson(const model::ImageClassifier& model, const EvaluationData& data,
                             const PlannedItem& item, const EvaluationOptions& options,
                             const std::filesystem::path& gallery);
// saliency_analysis.cc
nlohmann::json SaliencyJson(const model::ImageClassifier& model, const EvaluationData& data,
                            const Attacked& attacked, const EvaluationOptions& options);
nlohmann::json GalleryJson(const model::ImageClassifier& model, const EvaluationData& data,
                           const PlannedItem& item, const Attacked& attacked,
                           const EvaluationOptions& options, const std::filesystem::path& gallery);

}  // namespace assay::robustness
