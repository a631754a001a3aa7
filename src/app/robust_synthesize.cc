// `assay robust synthesize`: generated tiles with known nuclei.
#include <fmt/core.h>

#include <memory>

#include "app/commands.h"
#include "app/option_binding.h"
#include "app/terminal.h"
#include "data/synthetic_tissue.h"

namespace assay::app {
namespace {

struct SynthesizeArguments {
  std::string out;
  data::SynthesisOptions options;
};

void RunSynthesize(const SynthesizeArguments& arguments) {
  base::Progress progress("synthesize", "tiles", arguments.options.tiles, TerminalProgress());
  data::WriteSyntheticTiles(arguments.options, arguments.out, [&](int64_t) { progress.Add(1); });
  progress.Finish();
  fmt::print(
      "wrote {} tiles of {} patients to {}: tiles/, masks/ (16-bit label maps), manifest.csv, "
      "nuclei.csv\nThey are generated: for demonstration, and for the exact place of every "
      "nucleus.\n",
      arguments.options.tiles,
      std::min<int64_t>(arguments.options.patients, arguments.options.tiles), arguments.out);
}

}  // namespace

void AddRobustSynthesize(CLI::App& robust) {
  auto arguments = std::make_shared<SynthesizeArguments>();
  CLI::App* command = robust.add_subcommand(
      "synthesize", "Generate tiles that look like H&E, with a mask of every nucleus");
  command->add_option("--out", arguments->out, "folder to write")->required();
  BindOptions(*command, arguments->options, "Tiles");
  command->callback([arguments] { RunSynthesize(*arguments); });
}

}  // namespace assay::app
