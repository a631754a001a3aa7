// `assay robust tiles`: a whole slide cut into a folder of tiles.
#include <fmt/core.h>

#include <memory>

#include "app/commands.h"
#include "app/option_binding.h"
#include "app/terminal.h"
#include "base/error.h"
#include "data/slide_tiles.h"

namespace assay::app {
namespace {

struct TilesArguments {
  std::string slide, out, label;
  int64_t limit = 0;
  data::SlideOptions options;
};

void RunTiles(const TilesArguments& arguments) {
  const data::Slide slide = data::Slide::Open(arguments.slide, arguments.options);
  if (slide.places().empty()) {
    base::Fail(base::ErrorKind::kBadInput, "{}: no tile of {} pixels has {:.0f}% tissue",
               arguments.slide, arguments.options.tile_px, 100 * arguments.options.min_tissue);
  }
  const auto all = static_cast<int64_t>(slide.places().size());
  base::Progress progress("cut", "tiles",
                          arguments.limit > 0 ? std::min(arguments.limit, all) : all,
                          TerminalProgress());
  const int64_t count = data::WriteSlideTiles(slide, arguments.out, arguments.limit,
                                              arguments.label, [&](int64_t) { progress.Add(1); });
  progress.Finish();
  fmt::print("{}: {} x {} px of {:.4g} microns\n", arguments.slide, slide.width(), slide.height(),
             slide.microns_per_pixel());
  fmt::print(
      "wrote {} of {} tiles with tissue to {}: tiles/ ({} px of {:g} microns), manifest.csv{}\n",
      count, all, arguments.out, arguments.options.tile_px, arguments.options.microns_per_pixel,
      arguments.label.empty() ? " (no labels)" : fmt::format(" (label '{}')", arguments.label));
}

}  // namespace

void AddRobustTiles(CLI::App& robust) {
  auto arguments = std::make_shared<TilesArguments>();
  CLI::App* command = robust.add_subcommand(
      "tiles", "Cut a whole slide into PNG tiles where there is tissue, with a manifest");
  command->add_option("slide", arguments->slide, "any file that OpenSlide opens")->required();
  command->add_option("--out", arguments->out, "folder to write")->required();
  command->add_option("--limit", arguments->limit, "at most this many, evenly spread; 0: all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--label", arguments->label,
                      "class of all tiles, for the manifest; without: no labels");
  BindOptions(*command, arguments->options, "Tiles");
  command->callback([arguments] { RunTiles(*arguments); });
}

}  // namespace assay::app
