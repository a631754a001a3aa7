// What a robustness report says over all of its items: the worst case, the least energy, the
// limits. Thread-safe: pure functions.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "robustness/evaluation.h"

namespace assay::robustness {

struct FinishedItem {
  nlohmann::json item;  // of docs/robustness-report.md
  measure::Answers answers;
  std::vector<bool> flipped;
  std::vector<double> least;  // as in Attacked
  bool has_budget = true;     // false: it goes as far as it must
};

// `worst_case` of docs/robustness-report.md. Items without a budget fool any classifier, and items
// on cropped tiles have clean answers of their own: neither takes part. Null when no item does.
nlohmann::json WorstCaseJson(const EvaluationData& data, const std::vector<FinishedItem>& items,
                             const EvaluationOptions& options);

// The `minimal_energy` of an item that looks for the least change becomes the least that any item
// found; `from` says which.
void TakeLeastOfAll(const EvaluationData& data, std::vector<FinishedItem>& items);

std::vector<std::string> LimitsOf(const EvaluationData& data, const EvaluationOptions& options);

}  // namespace assay::robustness
