// Runs about the units of an image classifier: `assay neurons embed --images` makes them, `show`
// draws them.
#pragma once

#include <optional>
#include <string>

#include "data/tile_dataset.h"
#include "neurons/feature_clusters.h"
#include "neurons/graph_run.h"
#include "neurons/image_embedding.h"

namespace assay::app {

// Whether the folder holds such a run. False where there is none.
bool IsImageRun(const std::string& run);

struct ImageEmbedArguments {
  std::string run, classifier, tiles;  // the last two may be empty for a run that has them
  std::string json, device = "cpu";
  bool restart = false;
  data::TileOptions tile_options;
  neurons::UnitSelection selection;
  neurons::EmbedOptions embed;
  neurons::ClusterOptions clusters;
};
// Makes the run or goes on with it; prints the table of layers. Throws kUsage when the run is about
// something else or was made with other options.
void EmbedImages(const ImageEmbedArguments& arguments);

struct PatchOptions {
  int edge_px = 96;  // of a patch
  int most = 40;     // patches of a cluster
};
struct ImageShowArguments {
  std::string run;
  base::UnitId unit;
  std::string html, png;  // page and contact sheet to write; empty: none
  PatchOptions patches;
};
// A summary on the terminal, or the files asked for. Throws kNotFound for a unit without
// embeddings, and kBadInput when the tiles are not those that were embedded.
void ShowImageUnit(const ImageShowArguments& arguments);

// A PNG of the unit's patches, the largest cluster first under its title, or those of one cluster;
// throws as ShowImageUnit does, kNotFound as well for a cluster that there is not.
std::string DrawUnitSheet(const store::RunStore& store, base::UnitId unit,
                          std::optional<int> cluster, const PatchOptions& options);

// The manifest's entry about a layer, and back. locations: rows and columns of its output.
struct RecordedLayer {
  model::ImageLayer about;
  std::array<int64_t, 2> locations{1, 1};
};
nlohmann::json DescribeLayer(const RecordedLayer& layer);
RecordedLayer ReadLayer(const nlohmann::json& json);

// "layer1.0.conv1: 3 x 3 convolution, stride 2"
std::string LayerTitle(const model::ImageLayer& layer);

}  // namespace assay::app
