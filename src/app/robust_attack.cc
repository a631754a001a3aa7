// `assay robust attack`: one attack on labelled images.
#include <ATen/ATen.h>
#include <fmt/core.h>

#include <memory>
#include <optional>

#include "app/commands.h"
#include "app/fraction.h"
#include "app/option_binding.h"
#include "app/robust_images.h"
#include "app/terminal.h"
#include "app/tile_input.h"
#include "base/file.h"
#include "model/safetensors.h"
#include "robustness/attack_region.h"
#include "robustness/attack_run.h"
#include "robustness/clean_check.h"
#include "robustness/evaluation.h"
#include "robustness/transform_space.h"

namespace assay::app {
namespace {

using base::ErrorKind;
using base::Fail;
using robustness::AttackRunResult;

struct AttackArguments {
  TileArguments model;
  ImageArguments images;
  std::string out, json, transform, compat = "none";
  bool bounded = true, relative = true;
  int64_t batch = 64, target = 0;
  robustness::AttackOptions options;
};

std::shared_ptr<const robustness::ParameterSpace> MakeSpace(const AttackArguments& arguments) {
  if (arguments.transform.empty()) return robustness::MakePixelSpace();
  const transforms::TransformOptions options{
      .compatibility = arguments.compat == "reet" ? transforms::Compatibility::kReet
                                                  : transforms::Compatibility::kNone};
  return robustness::MakeTransformSpace(
      transforms::MakeTransform(arguments.transform, options),
      {.bounded = arguments.bounded, .relative = arguments.relative});
}

std::string Share(int64_t count, int64_t total) {
  return fmt::format("{:.4f}  ({}/{})", static_cast<double>(count) / static_cast<double>(total),
                     count, total);
}

bool IsTargeted(const AttackArguments& arguments) {
  return measure::IsTargeted(measure::ParseObjective(arguments.options.objective));
}

// What one unit of a distance is.
std::string DistanceUnit(const AttackArguments& arguments) {
  if (arguments.transform.empty()) return "of image values in [0, 1]";
  return arguments.relative ? "half ranges of the parameters" : "units of the parameters";
}

// Whom the attack is on: images whose label is the target have nowhere to be driven to.
struct Subjects {
  robustness::AttackInput input;
  int64_t at_target = 0;             // left out
  std::optional<std::string> doubt;  // about the clean accuracy of all the images
};

Subjects ChooseSubjects(const AttackArguments& arguments, const model::ImageClassifier& model,
                        const LabelledImages& images) {
  Subjects out{.input = {.images = images.images, .labels = images.labels}};
  robustness::CheckInput(out.input);
  const at::Tensor fooled = measure::Fooled(
      robustness::LogitsInBatches(model, images.images, arguments.batch), images.labels);
  out.doubt = robustness::ContradictionOf(model.spec(), fooled.logical_not().sum().item<int64_t>(),
                                          images.size());
  if (!IsTargeted(arguments)) return out;
  if (arguments.target < 0 || arguments.target >= model.classes())
    Fail(ErrorKind::kUsage, "--target is {}; the classifier has the classes 0 to {}",
         arguments.target, model.classes() - 1);
  const at::Tensor kept = (images.labels != arguments.target).nonzero().squeeze(1);
  out.at_target = images.size() - kept.numel();
  if (kept.numel() == 0)
    Fail(ErrorKind::kBadInput, "the label of all {} images is {}, the target", images.size(),
         arguments.target);
  out.input.images = images.images.index_select(0, kept);
  out.input.labels = images.labels.index_select(0, kept);
  out.input.targets = at::full_like(out.input.labels, arguments.target);
  return out;
}

// Of an attack at a target the figures are how many images are answered with it; of any other, how
// many are answered rightly.
nlohmann::json Summary(const AttackArguments& arguments, const Subjects& subjects,
                       const AttackRunResult& run) {
  const bool targeted = IsTargeted(arguments);
  const auto count = [&](const at::Tensor& fooled) {
    return (targeted ? fooled : fooled.logical_not()).sum().item<int64_t>();
  };
  std::vector<std::string> flags = run.result.health.Flags();
  if (subjects.doubt) flags.push_back(*subjects.doubt);
  nlohmann::json json = {{"model", arguments.model.model},
                         {"options", base::FieldsToJson(arguments.options)},
                         {"transform", arguments.transform},
                         {"images", run.size()},
                         {"forwards", run.result.calls.forwards},
                         {"backwards", run.result.calls.backwards},
                         {"model_seconds", run.result.calls.seconds},
                         {"seconds", run.seconds},
                         {"flags", flags}};
  if (targeted) {
    json["target"] = arguments.target;
    json["left_out_at_target"] = subjects.at_target;
  }
  // A success counts after storage when the stored image is still a success; the clean column is
  // the control.
  const auto add = [&](const char* name, const at::Tensor& fooled,
                       const robustness::StoredSuccess& stored) {
    const std::string key = fmt::format("{}_{}", name, targeted ? "at_target" : "right");
    json[key] = count(fooled);
    json[key + "_png"] = count(stored.png);
    json[key + "_jpeg90"] = count(stored.jpeg90);
    json[key + "_jpeg75"] = count(stored.jpeg75);
  };
  add("clean", run.clean_fooled, run.clean_stored);
  add(targeted ? "attacked" : "robust", run.result.fooled, run.stored);
  if (const auto median = run.MedianDistance()) {
    json["median_distance"] = *median;
    json["distance_unit"] = DistanceUnit(arguments);
  }
  return json;
}

void Print(const AttackArguments& arguments, const model::ImageSpec& spec,
           const AttackRunResult& run, const nlohmann::json& summary) {
  const bool targeted = summary.contains("target");
  const std::string target =
      targeted ? fmt::format("{} ({})", arguments.target,
                             spec.class_names[static_cast<size_t>(arguments.target)])
               : "";
  if (targeted)
    fmt::print("{} images; {} left out, whose label is the target\n", run.size(),
               summary.at("left_out_at_target").get<int64_t>());
  std::vector<std::vector<std::string>> rows = {{targeted ? "answered with " + target : "accuracy",
                                                 "clean", "after " + arguments.options.attack}};
  for (const auto& [label, suffix] :
       {std::pair{"as computed", ""}, std::pair{"stored as PNG", "_png"},
        std::pair{"stored as JPEG 90", "_jpeg90"}, std::pair{"stored as JPEG 75", "_jpeg75"}}) {
    const auto cell = [&, suffix = suffix](const char* name) {
      return Share(summary.at(fmt::format("{}{}", name, suffix)).get<int64_t>(), run.size());
    };
    rows.push_back({label, cell(targeted ? "clean_at_target" : "clean_right"),
                    cell(targeted ? "attacked_at_target" : "robust_right")});
  }
  fmt::print("{}", FormatTable(rows));
  if (summary.contains("median_distance")) {
    const double median = summary.at("median_distance");
    fmt::print("median {} distance over images that {}: {:.5g} {}\n", arguments.options.norm,
               targeted ? "are answered with the target and were not" : "were right and are fooled",
               median, DistanceUnit(arguments));
    if (arguments.transform.empty() && arguments.options.norm == "linf")
      fmt::print("  = {:.3g} grey levels of 255\n", median * 255);
    // The least change lies on the boundary, where rounding decides.
    const std::string& attack = arguments.options.attack;
    const auto lost =
        run.result.fooled.sum().item<int64_t>() - run.stored.png.sum().item<int64_t>();
    if ((attack == "ddn" || attack == "deepfool" || attack == "bisection") && lost > 0) {
      fmt::print("warning: the distance is before rounding, which undoes {} of the changes found\n",
                 lost);
    }
  }
  fmt::print("{} forwards, {} backwards of single images, {:.2f} s, {:.0f}% inside the model\n",
             run.result.calls.forwards, run.result.calls.backwards, run.seconds,
             100 * run.result.calls.seconds / run.seconds);
  for (const nlohmann::json& flag : summary.at("flags"))
    fmt::print("warning: {}\n", flag.get<std::string>());
}

void RunAttack(const AttackArguments& arguments) {
  const auto model = OpenClassifier(arguments.model);
  const LabelledImages images = ReadImages(arguments.images, model->spec());
  robustness::AttackOptions options = arguments.options;
  options.keep_trajectory = options.attack == "pgd" && !arguments.out.empty();
  const auto attack = robustness::MakeAttack(options, MakeSpace(arguments));
  const Subjects subjects = ChooseSubjects(arguments, *model, images);
  const robustness::AttackInput& input = subjects.input;
  const AttackRunResult run =
      robustness::RunAttackInBatches(*attack, *model, input, arguments.batch);
  nlohmann::json summary = Summary(arguments, subjects, run);
  summary.update(images.problem_counts);
  Print(arguments, model->spec(), run, summary);
  if (!images.problems.empty()) fmt::print("{}\n", images.problems);
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
  command->add_option("--compat", arguments->compat, "reet: transforms as that package has them")
      ->check(CLI::IsMember({"none", "reet"}))
      ->capture_default_str();
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
