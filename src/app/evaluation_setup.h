// What a robustness evaluation works on: the classifier, the tiles with their clean answers and
// nuclei, and what the report says about both. `assay robust evaluate` makes it from its options;
// `assay serve` makes it again from what that command notes in the run folder.
#pragma once

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "app/tile_input.h"
#include "robustness/evaluation_report.h"
#include "robustness/nuclei_segmentation.h"

namespace assay::app {

struct EvaluationArguments {
  TileArguments tiles;
  std::string out, masks = "segment", threshold_split, intended_use, universal;
  int64_t limit = 0;
  robustness::EvaluationOptions options;
  robustness::NucleiOptions nuclei;
};

struct PreparedEvaluation {
  std::unique_ptr<model::ImageClassifier> model;
  robustness::EvaluationData data;
  robustness::EvaluationSubject subject;
  std::string problems;  // DescribeProblems of the tiles
};

// Loads and measures everything but the attacks. Throws kUnsupported for a classifier of images
// outside [0, 1], kUsage and kBadInput for options and tiles that do not fit.
PreparedEvaluation PrepareEvaluation(const EvaluationArguments& arguments);

// RUN/evaluation.json: where the classifier and the tiles are on this machine and which of the
// tiles were taken. Not part of the report, which may be passed on.
void NoteEvaluation(const EvaluationArguments& arguments, int64_t channels);
bool HasNote(const std::filesystem::path& run);

struct EvaluationNote {
  EvaluationArguments arguments;  // options: those of the run's report, with its threshold
  int64_t channels = 3, height = 0, width = 0;
  std::string model_hash, data_hash;  // of the report
};
// From the note and the report. Throws kNotFound without them, kBadInput when they are damaged.
EvaluationNote ReadNote(const std::filesystem::path& run);

}  // namespace assay::app
