// `assay neurons embed`: what made each neuron fire, in clusters, and how polysemantic it is.
#include <fmt/core.h>

#include <map>
#include <memory>

#include "app/commands.h"
#include "app/image_run.h"
#include "app/loaded_units.h"
#include "app/machine.h"
#include "app/measure_table.h"
#include "app/neurons_run.h"
#include "app/option_binding.h"
#include "app/terminal.h"
#include "base/file.h"
#include "model/process_setup.h"
#include "neurons/graph_run.h"

namespace assay::app {
namespace {

using base::ErrorKind;
using base::Fail;

struct EmbedArguments {
  std::string run, model, json, device = "cpu", dtype = "float32";
  std::string images, tiles;
  data::TileOptions tile_options;
  bool restart = false;
  neurons::UnitSelection selection;
  neurons::EmbedOptions embed;
  neurons::ClusterOptions clusters;
};

// All units that a whole-run selection may name: an `above` pass needs statistics, not examples.
std::vector<base::UnitId> Wanted(const store::RunStore& store, const EmbedArguments& arguments) {
  std::vector<base::UnitId> known = store.UnitsWithStats();
  if (known.empty()) known = store.UnitsWithExamples();
  return neurons::SelectUnits(arguments.selection, known);
}

// Options of language models say nothing about images: given, they are a mistake.
void RunImageEmbed(const EmbedArguments& arguments) {
  if (!arguments.model.empty() || arguments.embed.gated_input != "gate" ||
      arguments.embed.centred || arguments.dtype != "float32") {
    Fail(ErrorKind::kUsage,
         "--model, --gated-input, --centred and --dtype are for language models; an image "
         "classifier is given by --images");
  }
  EmbedImages({.run = arguments.run,
               .classifier = arguments.images,
               .tiles = arguments.tiles,
               .json = arguments.json,
               .device = arguments.device,
               .restart = arguments.restart,
               .tile_options = arguments.tile_options,
               .selection = arguments.selection,
               .embed = arguments.embed,
               .clusters = arguments.clusters});
}

void RunEmbed(const EmbedArguments& arguments) {
  WarnAboutBlas();
  model::UseOneBlasThread();
  base::ValidateFields(arguments.embed);
  base::ValidateFields(arguments.clusters);
  if (!arguments.images.empty() || IsImageRun(arguments.run)) return RunImageEmbed(arguments);
  if (!arguments.tiles.empty()) Fail(ErrorKind::kUsage, "--tiles needs --images");
  store::RunStore store = OpenForWriting(arguments.run);
  const auto loaded =
      LoadRunUnits(store, arguments.model, arguments.device, arguments.dtype, arguments.embed);
  const std::vector<base::UnitId> units = Wanted(store, arguments);
  const nlohmann::json manifest = {{"options", base::FieldsToJson(arguments.embed)},
                                   {"clusters", base::FieldsToJson(arguments.clusters)},
                                   {"units", loaded->units->Description()},
                                   {"dtype", arguments.dtype}};
  if (const auto earlier = store.Manifest("embed");
      earlier && *earlier != manifest && !arguments.restart) {
    Fail(ErrorKind::kUsage,
         "{}: its embeddings were made with other options; give the same ones to go on, or "
         "--restart to throw them away. They were: {}",
         arguments.run, earlier->dump());
  }
  if (arguments.restart) store.DropEmbeddings();
  store.PutManifest("embed", manifest);
  const neurons::EmbedTimes times =
      neurons::EmbedUnits(store, units, arguments.embed, arguments.clusters,
                          {.model = *loaded->units,
                           .open_text = [&] { return OpenRunText(store, loaded->model); },
                           .token_texts = store.TokenTexts(),
                           .first_counted = RunFirstCounted(store)},
                          TerminalProgress());
  const std::vector<store::UnitMeasures> measures = store.GetMeasures();
  fmt::print("{}", MeasureTable(measures, loaded->units->Description()));
  if (times.units > 0) {
    fmt::print(
        "{} {} with {} examples in {:.1f} s: {:.0f} a second, {:.0f}% of the time in the model\n",
        times.units, loaded->units->Description(), times.examples, times.seconds,
        static_cast<double>(times.units) / times.seconds,
        100 * times.model_seconds / times.seconds);
  }
  if (!arguments.json.empty()) {
    base::WriteFile(arguments.json, MeasureJson(store, measures).dump(1) + "\n");
    fmt::print("wrote {}\n", arguments.json);
  }
}

}  // namespace

void AddNeuronsEmbed(CLI::App& neurons) {
  auto arguments = std::make_shared<EmbedArguments>();
  CLI::App* command = neurons.add_subcommand(
      "embed",
      "Cluster each neuron's examples by what made it fire, and measure how polysemantic it is; "
      "goes on where an interrupted run stopped. With --images: the units of an image classifier");
  command->add_option("--run", arguments->run, "run folder; with --images it is made")->required();
  command->add_option("--images", arguments->images,
                      "an image classifier, TorchScript (.pt) or built-in (.safetensors): its "
                      "convolutions and linear layers are the layers, tiles the examples");
  command->add_option("--tiles", arguments->tiles,
                      "with --images: tiles, as a folder, manifest, .npz, .npy or .h5");
  BindOptions(*command, arguments->tile_options, "With --images");
  command->add_option("--model", arguments->model,
                      "model folder; absent: the one the run was collected with");
  command->add_option("--layers", arguments->selection.layers, "layers, for example 0,2-3");
  command->add_option("--units", arguments->selection.units, "neurons, for example 2:15,3:0-99");
  command
      ->add_option("--sample", arguments->selection.sample,
                   "this many neurons of each layer, at random")
      ->check(CLI::PositiveNumber);
  command->add_option("--seed", arguments->selection.seed, "of --sample")->capture_default_str();
  command->add_option("--json", arguments->json, "write measures and clusters to this file");
  command->add_flag("--restart", arguments->restart, "throw away the embeddings that the run has");
  AddDeviceOptions(*command, arguments->device, arguments->dtype);
  BindOptions(*command, arguments->embed, "Examples");
  BindOptions(*command, arguments->clusters, "Clusters");
  command->callback([arguments] { RunEmbed(*arguments); });
}

}  // namespace assay::app
