// How a classifier does on corrupted tiles: what happens to tiles in practice, without an adversary
// (transforms/corruption.h). Plain forwards. Thread-safe as far as the model is.
#pragma once

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "robustness/evaluation.h"

namespace assay::robustness {

// The corruptions that `options.corruptions` stands for: names separated by commas, none, or all,
// which is none for tiles that are not RGB and with compat reet (that package has none). Throws
// kUsage for unknown names and for names with tiles that are not RGB.
std::vector<std::string> CorruptionNames(const EvaluationOptions& options, int64_t channels);

// `corruptions` of docs/robustness-report.md: a row a name. Noise differs from tile to tile, not
// from severity to severity or batch to batch. Finished rows are kept in `file`, and taken from
// there when they belong to the same model (its hash) and data. done(kept): after each row.
nlohmann::json EvaluateCorruptions(const model::ImageClassifier& model, const EvaluationData& data,
                                   const std::vector<std::string>& names, int64_t batch,
                                   const std::string& model_hash, const std::filesystem::path& file,
                                   const std::function<void(bool kept)>& done = {});

}  // namespace assay::robustness
