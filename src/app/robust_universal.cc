// `assay robust universal`: one perturbation for all images, against the budget.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <set>

#include "app/commands.h"
#include "app/fraction.h"
#include "app/option_binding.h"
#include "app/robust_images.h"
#include "app/terminal.h"
#include "app/tile_input.h"
#include "base/file.h"
#include "model/safetensors.h"
#include "robustness/attack_region.h"
#include "robustness/universal.h"
#include "view/flip_curve.h"

namespace assay::app {
namespace {

using base::ErrorKind;
using base::Fail;
using robustness::UniversalScore;

struct UniversalArguments {
  ImageArguments train, test;
  TileArguments model;
  std::string out, json, svg, budgets = "2/255,4/255,8/255,16/255";
  std::vector<std::string> transfer;
  int controls = 5;
  double goal = 0.84;
  robustness::UniversalOptions options;
};

struct Transfer {
  std::string model;
  UniversalScore score;
};

// All that is known about one budget.
struct BudgetResult {
  double epsilon = 0;
  robustness::UniversalPerturbation perturbation;
  UniversalScore score;
  double random = 0, shuffled = 0;  // mean flip shares of the controls
  std::vector<Transfer> transfers;
};

std::vector<double> ParseBudgets(const std::string& text) {
  std::vector<double> budgets;
  for (const std::string& part : CLI::detail::split(text, ','))
    budgets.push_back(ParseFraction(part, "--budgets"));
  std::sort(budgets.begin(), budgets.end());
  if (budgets.empty() || budgets.front() <= 0)
    Fail(ErrorKind::kUsage, "--budgets is '{}'; expected sizes above 0, such as 2/255,4/255", text);
  return budgets;
}

// A perturbation made from test images would prove nothing.
void CheckApart(const LabelledImages& train, const LabelledImages& test) {
  const auto seen = robustness::ContentStreams(train.images);
  const std::set<uint64_t> known(seen.begin(), seen.end());
  int64_t shared = 0;
  for (const uint64_t image : robustness::ContentStreams(test.images)) shared += known.count(image);
  if (shared > 0)
    Fail(ErrorKind::kBadInput, "{} of {} test images are training images as well", shared,
         test.size());
}

// Before anything is trained: the test images and their classes suit whoever will judge them.
void CheckFits(const model::ImageClassifier& judge, const model::ImageClassifier& model,
               const LabelledImages& test) {
  if (judge.classes() != model.classes())
    Fail(ErrorKind::kBadInput, "--transfer: {} has {} classes; {} has {}", judge.spec().name,
         judge.classes(), model.spec().name, model.classes());
  const c10::NoGradGuard no_gradients;
  judge.Logits(test.images.narrow(0, 0, 1));
}

BudgetResult Measure(const UniversalArguments& arguments, const model::ImageClassifier& model,
                     const std::vector<std::unique_ptr<model::ImageClassifier>>& others,
                     const LabelledImages& test, robustness::UniversalPerturbation perturbation,
                     double epsilon) {
  BudgetResult out{.epsilon = epsilon, .perturbation = std::move(perturbation)};
  const at::Tensor& delta = out.perturbation.delta;
  const auto score = [&](const model::ImageClassifier& judge, const at::Tensor& change) {
    return robustness::ScoreUniversal(judge, test.images, test.labels, change);
  };
  out.score = score(model, delta);
  const auto norm = measure::ParseNorm(arguments.options.norm);
  for (int number = 0; number < arguments.controls; ++number) {
    const auto stream = static_cast<uint64_t>(number);
    const uint64_t seed = arguments.options.seed;
    out.random += score(model, robustness::RandomLike(delta, norm, seed, stream)).FlipShare();
    out.shuffled += score(model, robustness::ShuffledPixels(delta, seed, stream)).FlipShare();
  }
  out.random /= arguments.controls;
  out.shuffled /= arguments.controls;
  for (const auto& other : others)
    out.transfers.push_back({other->spec().name, score(*other, delta)});
  return out;
}

nlohmann::json ToJson(const BudgetResult& result) {
  const UniversalScore& score = result.score;
  nlohmann::json json = {{"epsilon", result.epsilon},
                         {"flip_share", score.FlipShare()},
                         {"flipped", score.flipped},
                         {"right", score.right},
                         {"images", score.images},
                         {"flipped_stored_png", score.flipped_stored},
                         {"confidence_in_wrong_class", score.confidence},
                         {"right_by_class", score.right_by_class},
                         {"flipped_by_class", score.flipped_by_class},
                         {"training_flip_share", result.perturbation.training_flips},
                         {"random_flip_share", result.random},
                         {"shuffled_flip_share", result.shuffled},
                         {"forwards", result.perturbation.calls.forwards},
                         {"backwards", result.perturbation.calls.backwards},
                         {"transfer", nlohmann::json::array()}};
  for (const Transfer& transfer : result.transfers)
    json["transfer"].push_back({{"model", transfer.model},
                                {"flip_share", transfer.score.FlipShare()},
                                {"right", transfer.score.right}});
  return json;
}

std::vector<std::string> TableRow(const UniversalArguments& arguments, const BudgetResult& result) {
  const bool linf = arguments.options.norm == "linf";
  std::vector<std::string> row = {linf ? fmt::format("{:.3g}/255", result.epsilon * 255)
                                       : fmt::format("{:.4g}", result.epsilon),
                                  fmt::format("{:.3f} ({}/{})", result.score.FlipShare(),
                                              result.score.flipped, result.score.right)};
  for (size_t c = 0; c < result.score.right_by_class.size() && c < 3; ++c)
    row.push_back(
        fmt::format("{}/{}", result.score.flipped_by_class[c], result.score.right_by_class[c]));
  row.push_back(fmt::format("{}", result.score.flipped_stored));
  row.push_back(fmt::format("{:.3f}", result.score.confidence));
  row.push_back(fmt::format("{:.3f}", result.shuffled));
  row.push_back(fmt::format("{:.3f}", result.random));
  for (const Transfer& transfer : result.transfers)
    row.push_back(fmt::format("{:.3f} ({}/{})", transfer.score.FlipShare(), transfer.score.flipped,
                              transfer.score.right));
  return row;
}

void Print(const UniversalArguments& arguments, const std::vector<std::string>& class_names,
           const std::vector<BudgetResult>& results) {
  std::vector<std::string> header = {"budget", "flips"};
  for (size_t c = 0; c < results[0].score.right_by_class.size() && c < 3; ++c)
    header.push_back(class_names[c]);
  for (const char* name : {"PNG", "confidence", "shuffled", "random"}) header.emplace_back(name);
  for (const Transfer& transfer : results[0].transfers) header.push_back("on " + transfer.model);
  std::vector<std::vector<std::string>> rows = {header};
  for (const BudgetResult& result : results) rows.push_back(TableRow(arguments, result));
  fmt::print("{}", FormatTable(rows));
  for (const BudgetResult& result : results) {
    if (result.score.FlipShare() < arguments.goal) continue;
    fmt::print("smallest budget tried that flips {:.0f}%: {:.5g}{}\n", 100 * arguments.goal,
               result.epsilon,
               arguments.options.norm == "linf"
                   ? fmt::format(" ({:.3g} grey levels of 255)", result.epsilon * 255)
                   : "");
    return;
  }
  fmt::print("no budget tried flips {:.0f}%\n", 100 * arguments.goal);
}

void Write(const UniversalArguments& arguments, const std::vector<std::string>& class_names,
           const std::vector<BudgetResult>& results, const LabelledImages& train,
           const LabelledImages& test) {
  if (!arguments.json.empty()) {
    nlohmann::json json = {{"model", arguments.model.model},
                           {"options", base::FieldsToJson(arguments.options)},
                           {"goal", arguments.goal},
                           {"training_tiles", train.problem_counts},
                           {"test_tiles", test.problem_counts},
                           {"class_names", class_names},
                           {"budgets", nlohmann::json::array()}};
    for (const BudgetResult& result : results) json["budgets"].push_back(ToJson(result));
    base::WriteFile(arguments.json, json.dump(1) + "\n");
  }
  if (!arguments.svg.empty()) {
    view::FlipCurve curve{.model = std::filesystem::path(arguments.model.model).stem().string(),
                          .norm = arguments.options.norm,
                          .goal = arguments.goal};
    for (const BudgetResult& result : results)
      curve.points.push_back(
          {result.epsilon, result.score.FlipShare(), result.random, result.shuffled});
    base::WriteFile(arguments.svg, view::WriteFlipCurve(curve));
  }
  if (!arguments.out.empty()) {
    std::vector<at::Tensor> deltas;
    std::vector<double> budgets;
    for (const BudgetResult& result : results) {
      deltas.push_back(result.perturbation.delta);
      budgets.push_back(result.epsilon);
    }
    model::WriteSafetensors(
        arguments.out,
        {{"perturbations", at::cat(deltas)}, {"budgets", at::tensor(budgets, at::kDouble)}},
        {{"norm", arguments.options.norm}});
  }
}

void RunUniversal(const UniversalArguments& arguments) {
  const auto budgets = ParseBudgets(arguments.budgets);
  const auto model = OpenClassifier(arguments.model);
  model::CheckDifferentiable(*model);  // gradients are all that it works by
  std::vector<std::unique_ptr<model::ImageClassifier>> others;
  for (const std::string& name : arguments.transfer)
    others.push_back(OpenClassifier({.model = name, .device = arguments.model.device}));
  const LabelledImages train = ReadImages(arguments.train, model->spec());
  const LabelledImages test = ReadImages(arguments.test, model->spec());
  CheckApart(train, test);
  if (train.images.sizes().slice(1) != test.images.sizes().slice(1))
    Fail(ErrorKind::kBadInput, "training images are [{}], test images [{}]; expected one size",
         fmt::join(train.images.sizes().slice(1), ", "),
         fmt::join(test.images.sizes().slice(1), ", "));
  CheckFits(*model, *model, test);
  for (const auto& other : others) CheckFits(*other, *model, test);
  base::Progress progress("universal", "budgets", static_cast<int64_t>(budgets.size()),
                          TerminalProgress());
  std::vector<BudgetResult> results;
  at::Tensor start;
  for (const double epsilon : budgets) {
    robustness::UniversalOptions options = arguments.options;
    options.epsilon = epsilon;
    auto perturbation =
        robustness::TrainUniversal(*model, train.images, train.labels, options, start);
    start = perturbation.delta;  // the next, larger budget goes on from here
    results.push_back(Measure(arguments, *model, others, test, std::move(perturbation), epsilon));
    progress.Add(1);
  }
  progress.Finish();
  Print(arguments, model->spec().class_names, results);
  for (const auto& [name, images] : {std::pair{"training", &train}, std::pair{"test", &test}}) {
    if (!images->problems.empty()) fmt::print("{} tiles, {}\n", name, images->problems);
  }
  Write(arguments, model->spec().class_names, results, train, test);
}

}  // namespace

void AddRobustUniversal(CLI::App& robust) {
  auto arguments = std::make_shared<UniversalArguments>();
  CLI::App* command = robust.add_subcommand(
      "universal", "One perturbation, from training images, that flips images never seen");
  AddClassifierOptions(*command, arguments->model);
  AddImageOptions(*command, arguments->train, "train-");
  AddImageOptions(*command, arguments->test, "test-");
  command->add_option("--budgets", arguments->budgets, "sizes to try, fractions allowed")
      ->capture_default_str();
  command->add_option("--transfer", arguments->transfer, "also score on these classifiers");
  command->add_option("--controls", arguments->controls, "random and shuffled controls a budget")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--goal", arguments->goal, "share of flips to reach")->capture_default_str();
  command->add_option("--out", arguments->out, "write the perturbations to this safetensors file");
  command->add_option("--json", arguments->json, "write the figures to this file");
  command->add_option("--svg", arguments->svg, "draw flips against the budget to this file");
  BindOptions(*command, arguments->options, "Training");
  command->remove_option(command->get_option("--epsilon"));
  command->callback([arguments] { RunUniversal(*arguments); });
}

}  // namespace assay::app
