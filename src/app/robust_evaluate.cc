// `assay robust evaluate`: every transform and attack on labelled tiles, and the report.
#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "app/commands.h"
#include "app/evaluation_setup.h"
#include "app/fraction.h"
#include "app/machine.h"
#include "app/option_binding.h"
#include "app/terminal.h"
#include "base/file.h"
#include "view/robustness_page.h"

namespace assay::app {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// Which items the row is of: those without a budget would make it 0 for any classifier.
void PrintWorstCase(const json& report) {
  if (!report.contains("worst_case")) return;
  const json& worst = report.at("worst_case");
  fmt::print("worst case: of {}\n",
             fmt::join(worst.at("items").get<std::vector<std::string>>(), ", "));
  for (const json& left : worst.at("left_out"))
    fmt::print("  without {}: {}\n", left.at("item").get<std::string>(),
               left.at("reason").get<std::string>());
}

std::string Cell(const json& value, int decimals) {
  return value.is_number() ? fmt::format("{:.{}f}", value.get<double>(), decimals)
                           : std::string("-");
}

void PrintCorruptions(const json& report) {
  if (report.at("corruptions").empty()) return;
  std::vector<std::vector<std::string>> table = {
      {"accuracy by severity", "clean", "1", "2", "3", "4", "5", "mean", "mean AUC"}};
  for (const json& row : report.at("corruptions")) {
    table.push_back({row.at("name"), Cell(report.at("clean").at("accuracy").at("value"), 3)});
    for (const json& accuracy : row.at("accuracy")) table.back().push_back(Cell(accuracy, 3));
    table.back().push_back(Cell(row.at("mean_accuracy"), 3));
    table.back().push_back(Cell(row.at("mean_auc"), 3));
  }
  fmt::print("\n{}", FormatTable(table));
}

void PrintTable(const json& report) {
  std::vector<std::vector<std::string>> table = {
      {"", "accuracy", "95%", "fooling", "8-bit", "AUC", "REET ratio", "RMSE", "seconds"}};
  const auto add = [&](const std::string& name, const json& metrics, const json& item) {
    const json& accuracy = metrics.at("accuracy");
    const bool attacked = metrics.contains("fooling_rate");
    table.push_back({name, Cell(accuracy.at("value"), 3),
                     accuracy.at("low").is_number()
                         ? Cell(accuracy.at("low"), 2) + "-" + Cell(accuracy.at("high"), 2)
                         : "-",
                     attacked ? Cell(metrics.at("fooling_rate").at("value"), 3) : "-",
                     item.is_null() ? "-" : Cell(item.at("stored").at("png"), 3),
                     Cell(metrics.at("auc").at("value"), 3),
                     attacked ? Cell(metrics.at("reet_ratio"), 3) : "-",
                     item.is_null() ? "-" : Cell(item.at("energy").at("rmse_grey").at("mean"), 2),
                     item.is_null() ? "-" : Cell(item.at("cost").at("seconds"), 1)});
  };
  add("clean", report.at("clean"), nullptr);
  for (const json& item : report.at("items"))
    add(item.at("title").get<std::string>(), item.at("metrics"), item);
  if (report.contains("worst_case"))
    add("worst case", report.at("worst_case").at("metrics"), nullptr);
  fmt::print("{}", FormatTable(table));
  PrintWorstCase(report);
  PrintCorruptions(report);
  // The same text of many items on one line.
  std::vector<std::pair<std::string, std::string>> flags;  // text, items
  for (const json& flag : report.at("flags")) {
    const auto text = flag.at("text").get<std::string>(), item = flag.at("item").get<std::string>();
    const auto same = std::find_if(flags.begin(), flags.end(),
                                   [&](const auto& known) { return known.first == text; });
    if (same == flags.end())
      flags.emplace_back(text, item);
    else
      same->second += ", " + item;
  }
  for (const auto& [text, items] : flags) fmt::print("warning: {}: {}\n", items, text);
}

void RunEvaluate(const EvaluationArguments& arguments) {
  WarnAboutBlas();
  const PreparedEvaluation prepared = PrepareEvaluation(arguments);
  const fs::path run = arguments.out;
  const json report = robustness::RunEvaluation(
      *prepared.model, prepared.data, prepared.subject, arguments.options, run,
      [](size_t number, size_t total, const std::string& title, bool kept) {
        fmt::print(stderr, "{}/{} {}{}\n", number + 1, total, title,
                   kept ? " (kept from before)" : "");
      });
  base::WriteFile(run / "report.html",
                  view::WriteRobustnessPage(report, [&](const std::string& picture) {
                    return base::ReadFile(run / picture);
                  }));
  NoteEvaluation(arguments, prepared.data.images.size(1));
  base::WriteFile(run / "report.json", report.dump(1) + "\n");
  PrintTable(report);
  fmt::print("{}\n{}\n", prepared.problems, (run / "report.html").string());
}

}  // namespace

void AddRobustEvaluate(CLI::App& robust) {
  auto arguments = std::make_shared<EvaluationArguments>();
  CLI::App* command = robust.add_subcommand("evaluate",
                                            "Every transform, attack and corruption on labelled "
                                            "tiles; writes report.json and report.html");
  AddTileArguments(*command, arguments->tiles);
  command->add_option("--out", arguments->out, "run folder; finished items in it are kept")
      ->required();
  command->add_option("--limit", arguments->limit, "at most this many tiles, evenly spread; 0: all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command
      ->add_option("--masks", arguments->masks,
                   "nuclei: a folder of label maps named as the tiles, segment (by colour and "
                   "shape), or none")
      ->capture_default_str();
  command->add_option("--threshold-split", arguments->threshold_split,
                      "choose the locked threshold on this split; absent: on the clean tiles");
  command->add_option("--universal", arguments->universal,
                      "also evaluate the perturbations of `assay robust universal --out`");
  command->add_option("--intended-use", arguments->intended_use, "first paragraph of the report");
  BindOptions(*command, arguments->options, "Evaluation");
  AcceptFraction(*command, "--epsilon");
  AcceptFraction(*command, "--rmse");
  BindOptions(*command, arguments->nuclei, "Segmentation of nuclei");
  command->callback([arguments, command] {
    // The package's own evaluation went through batches of 8.
    if (arguments->options.compat == "reet" && command->get_option("--batch")->count() == 0)
      arguments->options.batch = 8;
    RunEvaluate(*arguments);
  });
}

}  // namespace assay::app
