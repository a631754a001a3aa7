// A whole robustness evaluation: every planned item, kept in files as it is finished, and
// report.json (docs/robustness-report.md). Thread-safe as far as the model is; one process a run
// folder.
#pragma once

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "robustness/evaluation.h"

namespace assay::robustness {

// What the report says about model and data, beside what is measured.
struct EvaluationSubject {
  nlohmann::json model, data;  // the members of the report
  // Options of how data and nuclei came about: beside the evaluation's own in the report.
  nlohmann::json selection = nlohmann::json::object();
  std::string threshold_from;  // "clean scores of these tiles", "given", ...
  std::string intended_use, assay_version, created_at;
  std::vector<std::string> flags;  // about the whole: item "evaluation"
  std::vector<PlannedItem> more;   // beside those of PlanEvaluation, before them
};

// Called before an item is run or taken from an earlier run.
using ItemReporter =
    std::function<void(size_t number, size_t total, const std::string& title, bool kept)>;

// Writes RUN/items/NAME.json, RUN/gallery/*.png and returns the report. Items of an earlier run
// with the same model, data and options are kept as they are. Throws kUsage as PlanEvaluation does.
nlohmann::json RunEvaluation(const model::ImageClassifier& model, const EvaluationData& data,
                             const EvaluationSubject& subject, const EvaluationOptions& options,
                             const std::filesystem::path& run, const ItemReporter& report = {});

// Hash of images and labels as they are evaluated.
std::string HashOf(const at::Tensor& images, const at::Tensor& labels);

}  // namespace assay::robustness
