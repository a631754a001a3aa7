// `assay robust attack`: one attack on labelled images.
#include <ATen/ATen.h>
#include <fmt/core.h>

#include <memory>

#include "app/commands.h"
#include "app/fraction.h"
#include "app/option_binding.h"
#include "app/robust_images.h"
#include "app/terminal.h"
#include "app/tile_input.h"
#include "base/file.h"
#include "model/safetensors.h"
#include "robustness/attack_run.h"
#include "robustness/transform_space.h"

namespace assay::app {
namespace {

using base::ErrorKind;
using base::Fail;
using robustness::AttackRunResult;

struct AttackArguments {
  TileArguments model;
  ImageArguments images;
  std::string out, json, transform;
  bool bounded = true, relative = true, reet = false;
  int64_t batch = 64, target = 0;
  robustness::AttackOptions options;
};

std::shared_ptr<const robustness::ParameterSpace> MakeSpace(const AttackArguments& arguments) {
  if (arguments.transform.empty()) return robustness::MakePixelSpace();
  const transforms::TransformOptions options{.compatibility =
                                                 arguments.reet ? transforms::Compatibility::kReet
                                                                : transforms::Compatibility::kNone};
  return robustness::MakeTransformSpace(
      transforms::MakeTransform(arguments.transform, options),
      {.bounded = arguments.bounded, .relative = arguments.relative});
}

std::string Share(int64_t count, int64_t total) {
  return fmt::format("{:.4f}  ({}/{})", static_cast<double>(count) / static_cast<double>(total),
                     count, total);
}

nlohmann::json Summary(const AttackArguments& arguments, const AttackRunResult& run) {
  const auto right = [](const at::Tensor& fooled) {
    return fooled.logical_not().sum().item<int64_t>();
  };
  nlohmann::json json = {{"model", arguments.model.model},
                         {"options", base::FieldsToJson(arguments.options)},
                         {"transform", arguments.transform},
                         {"images", run.size()},
                         {"clean_right", right(run.clean_fooled)},
                         {"robust_right", right(run.result.fooled)},
                         {"forwards", run.result.calls.forwards},
                         {"backwards", run.result.calls.backwards},
                         {"model_seconds", run.result.calls.seconds},
                         {"seconds", run.seconds},
                         {"flags", run.result.health.Flags()}};
  // A success counts after storage when the stored image is still answered wrongly; the clean
  // column is the control.
  for (const auto& [name, stored] :
       {std::pair{"clean", &run.clean_stored}, std::pair{"robust", &run.stored}}) {
    json[fmt::format("{}_right_png", name)] = right(stored->png);
    json[fmt::format("{}_right_jpeg90", name)] = right(stored->jpeg90);
    json[fmt::format("{}_right_jpeg75", name)] = right(stored->jpeg75);
  }
  if (const auto median = run.MedianDistance()) json["median_distance"] = *median;
  return json;
}

void Print(const AttackArguments& arguments, const AttackRunResult& run,
           const nlohmann::json& summary) {
  const auto cell = [&](const std::string& name) {
    return Share(summary.at(name).get<int64_t>(), run.size());
  };
  fmt::print("{}",
             FormatTable(
                 {{"accuracy", "clean", "after " + arguments.options.attack},
                  {"as computed", cell("clean_right"), cell("robust_right")},
                  {"stored as PNG", cell("clean_right_png"), cell("robust_right_png")},
                  {"stored as JPEG 90", cell("clean_right_jpeg90"), cell("robust_right_jpeg90")},
                  {"stored as JPEG 75", cell("clean_right_jpeg75"), cell("robust_right_jpeg75")}}));
  if (summary.contains("median_distance")) {
    const double median = summary.at("median_distance");
    fmt::print("median {} distance over images that were right and are fooled: {:.5g}\n",
               arguments.options.norm, median);
    if (arguments.transform.empty() && arguments.options.norm == "linf")
      fmt::print("  = {:.3g} grey levels of 255\n", median * 255);
    // The least change lies on the boundary, where rounding decides.
    const std::string& attack = arguments.options.attack;
    const int64_t computed = summary.at("robust_right"), stored = summary.at("robust_right_png");
    if ((attack == "ddn" || attack == "deepfool" || attack == "bisection") && stored > computed)
      fmt::print(
          "warning: the distance is before rounding: {} of the images found are right again as "
          "8-bit files\n",
          stored - computed);
  }
  fmt::print("{} forwards, {} backwards of single images, {:.2f} s, {:.0f}% inside the model\n",
             run.result.calls.forwards, run.result.calls.backwards, run.seconds,
             100 * run.result.calls.seconds / run.seconds);
  for (const std::string& flag : run.result.health.Flags()) fmt::print("warning: {}\n", flag);
}

void RunAttack(const AttackArguments& arguments) {
  const auto model = OpenClassifier(arguments.model);
  const LabelledImages images = ReadImages(arguments.images, model->spec());
  robustness::AttackInput input{.images = images.images, .labels = images.labels};
  if (measure::IsTargeted(measure::ParseObjective(arguments.options.objective)))
    input.targets = at::full_like(images.labels, arguments.target);
  robustness::AttackOptions options = arguments.options;
  options.keep_trajectory = options.attack == "pgd" && !arguments.out.empty();
  const auto attack = robustness::MakeAttack(options, MakeSpace(arguments));
  const AttackRunResult run =
      robustness::RunAttackInBatches(*attack, *model, input, arguments.batch);
  const nlohmann::json summary = Summary(arguments, run);
  Print(arguments, run, summary);
  if (!arguments.json.empty()) base::WriteFile(arguments.json, summary.dump(1) + "\n");
  if (!arguments.out.empty())
    model::WriteSafetensors(
        arguments.out,
        robustness::AttackTensors(arguments.options, *model, input, run, arguments.batch),
        {{"model", model->spec().name}, {"attack", base::FieldsToJson(arguments.options).dump()}});
}

}  // namespace

void AddRobustAttack(CLI::App& robust) {
  auto arguments = std::make_shared<AttackArguments>();
  CLI::App* command = robust.add_subcommand(
      "attack", "Attack labelled images; prints clean and robust accuracy, writes what was found");
  AddClassifierOptions(*command, arguments->model);
  AddImageOptions(*command, arguments->images);
  command->add_option("--out", arguments->out,
                      "write the perturbed images to this safetensors file");
  command->add_option("--json", arguments->json, "write the figures to this file");
  command->add_option("--transform", arguments->transform,
                      "attack the parameters of this transform (or chain, stain+jpeg), not pixels");
  command->add_flag("--bounded,!--no-bounded", arguments->bounded,
                    "keep the transform's parameters within their range");
  command->add_flag("--relative,!--no-relative", arguments->relative,
                    "budget and step in half ranges of each parameter, not its own units");
  command->add_flag("--compat-reet", arguments->reet, "transforms as the REET package has them");
  command->add_option("--target", arguments->target, "class that the targeted objectives aim at")
      ->capture_default_str();
  command->add_option("--batch", arguments->batch, "images at a time")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  BindOptions(*command, arguments->options, "Attack");
  AcceptFraction(*command, "--epsilon");
  AcceptFraction(*command, "--step");
  command->callback([arguments] { RunAttack(*arguments); });
}

}  // namespace assay::app
