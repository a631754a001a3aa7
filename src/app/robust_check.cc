// `assay robust check`: does the classifier do on these tiles what its sidecar declares? Without
// labels, as on a whole slide: what does it answer?
#include <fmt/core.h>

#include <functional>
#include <memory>

#include "app/commands.h"
#include "app/machine.h"
#include "app/option_binding.h"
#include "app/terminal.h"
#include "app/tile_input.h"
#include "base/file.h"
#include "robustness/clean_check.h"
#include "robustness/tile_predictions.h"

namespace assay::app {
namespace {

using robustness::DeclaredVerdict;

struct CheckArguments {
  TileArguments tiles;
  std::string json, csv;
  int64_t batch = 64;
  bool require_declared = false;
};

nlohmann::json ToJson(const robustness::CleanCheck& check, const data::TileDataset& tiles,
                      const model::ImageSpec& spec) {
  nlohmann::json by_class = nlohmann::json::array();
  for (const auto& row : check.by_class)
    by_class.push_back({{"class", row.name}, {"tiles", row.tiles}, {"correct", row.correct}});
  nlohmann::json out = {{"model", spec.name},       {"tiles", check.tiles},
                        {"correct", check.correct}, {"accuracy", check.accuracy()},
                        {"loss", check.loss},       {"lowest", check.lowest},
                        {"highest", check.highest}, {"by_class", by_class}};
  out.update(ProblemsJson(tiles));
  if (spec.clean_accuracy) out["declared_accuracy"] = *spec.clean_accuracy;
  if (check.declared) {
    const bool told = *check.declared != DeclaredVerdict::kTooFewToTell;
    out["reproduces_declared"] =
        told ? nlohmann::json(*check.declared == DeclaredVerdict::kReproduced) : nlohmann::json();
    out["declared_verdict"] =
        robustness::DescribeVerdict(*check.declared, check.correct, check.tiles);
  }
  return out;
}

void PrintCheck(const robustness::CleanCheck& check, const model::ImageClassifier& classifier) {
  const model::ImageSpec& spec = classifier.spec();
  std::vector<std::vector<std::string>> table = {{"class", "tiles", "correct", "accuracy"}};
  const auto add = [&](const std::string& name, int64_t tiles, int64_t correct) {
    table.push_back({name, std::to_string(tiles), std::to_string(correct),
                     tiles == 0 ? "-"
                                : fmt::format("{:.4f}", static_cast<double>(correct) /
                                                            static_cast<double>(tiles))});
  };
  for (const auto& row : check.by_class) add(row.name, row.tiles, row.correct);
  add("all", check.tiles, check.correct);
  fmt::print("{}\nmean cross-entropy {:.4f}\n", FormatTable(table), check.loss);
  fmt::print("values {:.4f} to {:.4f}, within the declared {} to {}\n", check.lowest, check.highest,
             spec.low, spec.high);
  if (spec.gives_probabilities)
    fmt::print("the model gives probabilities: their logarithms are used as logits\n");
  const auto reason = model::WhyNotDifferentiable(classifier);
  fmt::print("gradients by the image: {}\n",
             reason ? "none, " + *reason + " (attacks by search only)" : "yes");
  if (!spec.clean_accuracy) {
    fmt::print("the sidecar declares no accuracy\n");
  } else {
    fmt::print("declared accuracy {:.4f}{}: {}\n", *spec.clean_accuracy,
               spec.clean_data.empty() ? "" : " (" + spec.clean_data + ")",
               robustness::DescribeVerdict(*check.declared, check.correct, check.tiles));
  }
}

bool HasLabels(const data::TileDataset& tiles) {
  for (int64_t i = 0; i < tiles.size(); ++i) {
    if (tiles.info(i).label >= 0) return true;
  }
  return false;
}

nlohmann::json PredictionsJson(const std::vector<robustness::PredictedClass>& classes, size_t count,
                               const data::TileDataset& tiles, const model::ImageSpec& spec) {
  nlohmann::json by_class = nlohmann::json::array();
  for (const auto& row : classes) {
    by_class.push_back({{"class", row.name},
                        {"predicted", row.tiles},
                        {"mean_probability", row.mean_probability}});
  }
  nlohmann::json out = {{"model", spec.name}, {"tiles", count}, {"by_class", by_class}};
  out.update(ProblemsJson(tiles));
  return out;
}

void PrintPredictions(const std::vector<robustness::PredictedClass>& classes, size_t count,
                      bool of_slide) {
  std::vector<std::vector<std::string>> table = {{"class", "tiles", "share", "mean probability"}};
  for (const auto& row : classes) {
    table.push_back(
        {row.name, std::to_string(row.tiles),
         fmt::format("{:.4f}", static_cast<double>(row.tiles) / static_cast<double>(count)),
         fmt::format("{:.4f}", row.mean_probability)});
  }
  table.push_back({"all", std::to_string(count), "", ""});
  fmt::print("{} have no labels: what the classifier answers\n{}",
             of_slide ? "the tiles of a slide, where it has tissue," : "these tiles",
             FormatTable(table));
}

// What both ways of checking do with the tiles they read.
class CheckProgress {
 public:
  explicit CheckProgress(int64_t tiles) : progress_("check", "tiles", tiles, TerminalProgress()) {}
  void operator()(int64_t done) {
    progress_.Add(done - shown_);
    shown_ = done;
  }
  void Finish() { progress_.Finish(); }

 private:
  base::Progress progress_;
  int64_t shown_ = 0;
};

std::vector<robustness::TilePrediction> Predict(const CheckArguments& arguments,
                                                const model::ImageClassifier& classifier,
                                                data::TileDataset& tiles) {
  CheckProgress progress(tiles.size());
  auto predictions =
      robustness::PredictTiles(classifier, tiles, arguments.batch, std::ref(progress));
  progress.Finish();
  if (!arguments.csv.empty()) {
    base::WriteFile(arguments.csv,
                    robustness::PredictionsCsv(predictions, classifier.spec().class_names));
  }
  return predictions;
}

void CheckUnlabelled(const CheckArguments& arguments, const model::ImageClassifier& classifier,
                     data::TileDataset& tiles) {
  if (arguments.require_declared) LabelledTiles(tiles, arguments.tiles.tiles);  // throws
  const auto predictions = Predict(arguments, classifier, tiles);
  const auto classes = robustness::SummarizePredictions(predictions, classifier.spec().class_names);
  PrintPredictions(classes, predictions.size(), predictions.front().info.x >= 0);
  fmt::print("{}\n", DescribeProblems(tiles));
  if (!arguments.json.empty()) {
    base::WriteFile(
        arguments.json,
        PredictionsJson(classes, predictions.size(), tiles, classifier.spec()).dump(1) + "\n");
  }
}

void CheckLabelled(const CheckArguments& arguments, const model::ImageClassifier& classifier,
                   data::TileDataset& tiles) {
  CheckProgress progress(tiles.size());
  const robustness::CleanCheck check =
      robustness::CheckClean(classifier, tiles, arguments.batch, std::ref(progress));
  progress.Finish();
  PrintCheck(check, classifier);
  fmt::print("{}\n", DescribeProblems(tiles));
  if (!arguments.json.empty())
    base::WriteFile(arguments.json, ToJson(check, tiles, classifier.spec()).dump(1) + "\n");
  if (!arguments.csv.empty()) Predict(arguments, classifier, tiles);
  if (arguments.require_declared && check.declared != DeclaredVerdict::kReproduced) {
    base::Fail(base::ErrorKind::kBadInput,
               "{}: the declared accuracy is {}; these tiles give {:.4f}{}", arguments.tiles.model,
               classifier.spec().clean_accuracy
                   ? fmt::format("{:.4f}", *classifier.spec().clean_accuracy)
                   : "not said",
               check.accuracy(),
               check.declared == DeclaredVerdict::kTooFewToTell
                   ? fmt::format(", and {} tiles are too few to tell", check.tiles)
                   : "");
  }
}

void RunCheck(const CheckArguments& arguments) {
  WarnAboutBlas();
  const auto classifier = OpenClassifier(arguments.tiles);
  data::TileDataset tiles = OpenTiles(arguments.tiles, classifier->spec());
  if (HasLabels(tiles))
    CheckLabelled(arguments, *classifier, tiles);
  else
    CheckUnlabelled(arguments, *classifier, tiles);
}

}  // namespace

void AddRobustCheck(CLI::App& robust) {
  auto arguments = std::make_shared<CheckArguments>();
  CLI::App* command = robust.add_subcommand("check",
                                            "Accuracy on tiles as they are, against what the "
                                            "classifier declares; without labels (a whole "
                                            "slide) what it answers");
  AddTileArguments(*command, arguments->tiles);
  command->add_option("--batch", arguments->batch, "tiles at a time")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  command->add_option("--json", arguments->json, "write the figures to this file too");
  command->add_option("--csv", arguments->csv,
                      "write every tile's place and probabilities to this file too");
  command->add_flag("--require-declared", arguments->require_declared,
                    "fail unless the declared accuracy is reproduced, on enough tiles to tell");
  command->callback([arguments] { RunCheck(*arguments); });
}

}  // namespace assay::app
