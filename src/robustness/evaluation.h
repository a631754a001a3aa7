// One item of a robustness evaluation: a transform or an attack against a classifier on labelled
// tiles, and everything the report says about it. Thread-safe as far as the model is.
#pragma once

#include <ATen/core/Tensor.h>

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
  at::Tensor clean_logits;            // [B, K]
  measure::Answers clean;
  int64_t positive = 1;
  double threshold = 0.5;
  at::Tensor constructs;                          // [B, H, W] int64, undefined without nuclei
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
// The images that still fool after rounding to 8 bits, each change lengthened as little as that
// needs (up to twice); images that were right only.
nlohmann::json MinimalEnergyJson(const model::ImageClassifier& model, const EvaluationData& data,
                                 const Attacked& attacked, const EvaluationOptions& options);
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
