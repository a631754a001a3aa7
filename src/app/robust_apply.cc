// `assay robust apply`: a transform with given parameters, or a corruption, on a file of images.
#include <ATen/ATen.h>
#include <fmt/core.h>

#include <memory>
#include <utility>

#include "app/commands.h"
#include "base/error.h"
#include "model/safetensors.h"
#include "robustness/transform_file.h"
#include "transforms/corruption.h"

namespace assay::app {
namespace {

using base::ErrorKind;
using base::Fail;
using transforms::ParameterSpec;

struct ApplyArguments {
  std::string input, output, transform, corruption, compat = "none", padding = "zero";
  int64_t size = 224;
  int severity = 3;
  bool list = false;
};

transforms::TransformOptions Options(const ApplyArguments& arguments) {
  return {.compatibility = arguments.compat == "reet" ? transforms::Compatibility::kReet
                                                      : transforms::Compatibility::kNone,
          .padding = arguments.padding == "reflect" ? transforms::Padding::kReflect
                                                    : transforms::Padding::kZero};
}

void PrintWritten(const ApplyArguments& arguments, const at::Tensor& output) {
  fmt::print("{}: {} images of {} x {} px\n", arguments.output, output.size(0), output.size(3),
             output.size(2));
}

std::string ValuesText(const std::vector<double>& values) {
  std::string text;
  for (const double value : values) text += fmt::format("{}{:.4g}", text.empty() ? "" : " ", value);
  return text;
}

void ListTransforms(const ApplyArguments& arguments) {
  const auto options = Options(arguments);
  fmt::print("Transforms, compatibility {}; ranges for tiles of {} x {} px, image values 0 to 1.\n",
             arguments.compat, arguments.size, arguments.size);
  for (const std::string& name : transforms::TransformNames(options.compatibility)) {
    const auto transform =
        transforms::MakeTransform(name, {.compatibility = options.compatibility});
    for (const ParameterSpec& spec : transform->Parameters(arguments.size, arguments.size)) {
      fmt::print("{:<15} {:<12} [{}]  {} to {}  (identity {})  {}{}\n", name, spec.name,
                 fmt::join(spec.shape, ", "), ValuesText(spec.low), ValuesText(spec.high),
                 ValuesText(spec.identity), spec.unit,
                 spec.differentiable ? "" : "; not differentiable");
    }
  }
}

void ListCorruptions() {
  fmt::print("\nCorruptions (--corruption), severity 1 to 5:\n");
  for (const transforms::Corruption& corruption : transforms::Corruptions())
    fmt::print("{:<18} {:<28}  {}\n", corruption.name,
               ValuesText({corruption.severities.begin(), corruption.severities.end()}),
               corruption.what);
}

void ApplyCorruption(const ApplyArguments& arguments) {
  if (arguments.compat == "reet")
    Fail(ErrorKind::kUsage, "robust apply: the package reet has no corruptions");
  const at::Tensor output =
      robustness::ApplyCorruptionFile(arguments.input, arguments.corruption, arguments.severity);
  model::WriteSafetensors(
      arguments.output, {{"output", output}},
      {{"corruption", arguments.corruption}, {"severity", std::to_string(arguments.severity)}});
  PrintWritten(arguments, output);
}

void RunApply(const ApplyArguments& arguments) {
  if (arguments.list) {
    ListTransforms(arguments);
    if (arguments.compat != "reet") ListCorruptions();
    return;
  }
  if (arguments.transform.empty() == arguments.corruption.empty())
    Fail(ErrorKind::kUsage, "robust apply: give either --transform or --corruption (or --list)");
  for (const auto& [option, value] :
       {std::pair{"IN.safetensors", &arguments.input}, std::pair{"--out", &arguments.output}}) {
    if (value->empty()) Fail(ErrorKind::kUsage, "robust apply: {} is required (or --list)", option);
  }
  if (!arguments.corruption.empty()) return ApplyCorruption(arguments);
  const auto options = Options(arguments);
  const at::Tensor output = robustness::ApplyTransformFile(
      {.input = arguments.input, .transform = arguments.transform, .options = options});
  model::WriteSafetensors(
      arguments.output, {{"output", output}},
      {{"transform", robustness::MakeNamedTransform(arguments.transform, options)->name()},
       {"compat", arguments.compat},
       {"padding", arguments.padding}});
  PrintWritten(arguments, output);
}

}  // namespace

void AddRobustApply(CLI::App& robust) {
  auto arguments = std::make_shared<ApplyArguments>();
  CLI::App* command = robust.add_subcommand(
      "apply", "Apply a transform with given parameters, or a corruption, to a file of images");
  command->add_option("input", arguments->input,
                      "safetensors file: `input` [B, 3, H, W] and one tensor a parameter");
  command->add_option("--transform", arguments->transform,
                      "its name, or names joined by + (see --list)");
  command->add_option("--corruption", arguments->corruption,
                      "its name (see --list); IN needs no parameters");
  command->add_option("--severity", arguments->severity, "of the corruption, 1 to 5")
      ->check(CLI::Range(1, 5))
      ->capture_default_str();
  command->add_option("--out", arguments->output, "safetensors file to write: `output`");
  command
      ->add_option("--compat", arguments->compat,
                   "reet: the arithmetic of the reference code, values 0 to 255; none: continuous, "
                   "values 0 to 1")
      ->check(CLI::IsMember({"none", "reet"}))
      ->capture_default_str();
  command
      ->add_option("--padding", arguments->padding,
                   "what lies outside the image for rotate, crop and zoom")
      ->check(CLI::IsMember({"zero", "reflect"}))
      ->capture_default_str();
  command->add_flag("--list", arguments->list,
                    "print transforms, parameters and ranges, and corruptions");
  command->add_option("--size", arguments->size, "side of the tiles for --list, px")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  command->callback([arguments] { RunApply(*arguments); });
}

}  // namespace assay::app
