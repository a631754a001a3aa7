// `assay sae`: sparse autoencoders.
#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <fmt/core.h>

#include <memory>

#include "app/commands.h"
#include "app/machine.h"
#include "base/error.h"
#include "model/safetensors.h"
#include "model/sparse_autoencoder.h"

namespace assay::app {
namespace {

using base::ErrorKind;
using base::Fail;

struct ApplyArguments {
  std::string folder, in, out;
};

void RunApply(const ApplyArguments& arguments) {
  WarnAboutBlas();
  const auto autoencoder = model::SparseAutoencoder::Load(arguments.folder);
  const auto file = model::SafetensorsFile::Open(arguments.in);
  const at::Tensor input = file.Read("input");  // [..., d_in]
  if (!at::isFloatingType(input.scalar_type())) {
    Fail(ErrorKind::kBadInput, "{}: 'input' has type {}; expected floating-point numbers",
         arguments.in, at::toString(input.scalar_type()));
  }
  const c10::InferenceMode guard;
  const model::SaeResult result = autoencoder.Apply(input.to(at::kFloat));
  model::WriteSafetensors(arguments.out, {{"feature_acts", result.feature_acts},
                                          {"reconstruction", result.reconstruction}});
  const auto rows = static_cast<double>(result.feature_acts.numel()) /
                    static_cast<double>(autoencoder.config().d_sae);
  fmt::print("{:.0f} vectors, {:.1f} active features a vector; wrote {}\n", rows,
             rows > 0 ? (result.feature_acts > 0).sum().item<double>() / rows : 0.0, arguments.out);
}

}  // namespace

void AddSae(CLI::App& app) {
  CLI::App* sae = app.add_subcommand(
      "sae", "Sparse autoencoders in the layout of SAELens: apply, train, evaluate");
  sae->require_subcommand(1);
  auto arguments = std::make_shared<ApplyArguments>();
  CLI::App* apply = sae->add_subcommand("apply", "Features and reconstruction of given vectors");
  apply->add_option("DIR", arguments->folder, "folder with cfg.json and sae_weights.safetensors")
      ->required();
  apply->add_option("IN", arguments->in, "safetensors file with a tensor `input` [..., d_in]")
      ->required();
  apply
      ->add_option("--out", arguments->out,
                   "safetensors file to write: `feature_acts`, `reconstruction`")
      ->required();
  apply->callback([arguments] { RunApply(*arguments); });
  AddSaeTrain(*sae);
  AddSaeEvaluate(*sae);
}

}  // namespace assay::app
