// `assay robust check`: does the classifier do on these tiles what its sidecar declares?
#include <fmt/core.h>

#include <memory>

#include "app/commands.h"
#include "app/machine.h"
#include "app/option_binding.h"
#include "app/terminal.h"
#include "app/tile_input.h"
#include "base/file.h"
#include "robustness/clean_check.h"

namespace assay::app {
namespace {

using robustness::DeclaredVerdict;

struct CheckArguments {
  TileArguments tiles;
  std::string json;
  int64_t batch = 64;
  bool require_declared = false;
};

nlohmann::json ToJson(const robustness::CleanCheck& check, const data::TileDataset& tiles,
                      const model::ImageSpec& spec) {
  nlohmann::json by_class = nlohmann::json::array(), problems = nlohmann::json::object();
  for (const auto& row : check.by_class)
    by_class.push_back({{"class", row.name}, {"tiles", row.tiles}, {"correct", row.correct}});
  for (const auto& [kind, count] : tiles.counts().problems)
    problems[std::string(data::TileProblemKindName(kind))] = count;
  nlohmann::json out = {{"model", spec.name},
                        {"tiles", check.tiles},
                        {"correct", check.correct},
                        {"accuracy", check.accuracy()},
                        {"loss", check.loss},
                        {"lowest", check.lowest},
                        {"highest", check.highest},
                        {"by_class", by_class},
                        {"left_out", tiles.counts().left_out},
                        {"converted", tiles.counts().converted},
                        {"problems", problems}};
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

void RunCheck(const CheckArguments& arguments) {
  WarnAboutBlas();
  const auto classifier = OpenClassifier(arguments.tiles);
  data::TileDataset tiles = OpenTiles(arguments.tiles, classifier->spec());
  base::Progress progress("check", "tiles", tiles.size(), TerminalProgress());
  int64_t shown = 0;
  const robustness::CleanCheck check =
      robustness::CheckClean(*classifier, tiles, arguments.batch, [&](int64_t done) {
        progress.Add(done - shown);
        shown = done;
      });
  progress.Finish();
  PrintCheck(check, *classifier);
  fmt::print("{}\n", DescribeProblems(tiles));
  if (!arguments.json.empty()) {
    base::WriteFile(arguments.json, ToJson(check, tiles, classifier->spec()).dump(1) + "\n");
  }
  if (arguments.require_declared && check.declared != DeclaredVerdict::kReproduced) {
    base::Fail(base::ErrorKind::kBadInput,
               "{}: the declared accuracy is {}; these tiles give {:.4f}{}", arguments.tiles.model,
               classifier->spec().clean_accuracy
                   ? fmt::format("{:.4f}", *classifier->spec().clean_accuracy)
                   : "not said",
               check.accuracy(),
               check.declared == DeclaredVerdict::kTooFewToTell
                   ? fmt::format(", and {} tiles are too few to tell", check.tiles)
                   : "");
  }
}

}  // namespace

void AddRobustCheck(CLI::App& robust) {
  auto arguments = std::make_shared<CheckArguments>();
  CLI::App* command = robust.add_subcommand(
      "check", "Accuracy on tiles as they are, against what the classifier declares");
  AddTileArguments(*command, arguments->tiles);
  command->add_option("--batch", arguments->batch, "tiles at a time")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  command->add_option("--json", arguments->json, "write the figures to this file too");
  command->add_flag("--require-declared", arguments->require_declared,
                    "fail unless the declared accuracy is reproduced, on enough tiles to tell");
  command->callback([arguments] { RunCheck(*arguments); });
}

}  // namespace assay::app
