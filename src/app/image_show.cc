#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "app/cluster_records.h"
#include "app/image_run.h"
#include "app/neurons_run.h"
#include "app/terminal.h"
#include "base/error.h"
#include "base/file.h"
#include "data/contact_sheet.h"
#include "data/tile_image.h"
#include "view/image_unit_page.h"

namespace assay::app {

namespace fs = std::filesystem;
using base::ErrorKind;
using base::Fail;

namespace {

// A unit of the run and the tiles of its examples.
class ShownUnit {
 public:
  ShownUnit(const store::RunStore& store, base::UnitId unit)
      : store_(store),
        unit_(unit),
        about_(RequireManifest(store, "tiles", "assay neurons embed --images")),
        tiles_(OpenTiles(about_)),
        embedding_(store.GetEmbedding(unit)),
        clusters_(store.GetClusters(unit)) {
    const nlohmann::json model = *store.Manifest("model");
    name_ = fs::path(model.at("folder").get<std::string>()).stem().string();
    const nlohmann::json& layers = model.at("layers");
    if (unit.layer < 0 || static_cast<size_t>(unit.layer) >= layers.size() || !embedding_)
      Fail(ErrorKind::kNotFound, "the run knows nothing about unit {}", base::ToString(unit));
    layer_ = ReadLayer(layers[static_cast<size_t>(unit.layer)]);
    for (store::Example& example : store.GetExamples(unit))
      examples_.emplace(store::ExampleKey{example.kind, example.bin, example.rank}, example);
  }

  const store::RunStore& store() const { return store_; }
  base::UnitId unit() const { return unit_; }
  const std::string& name() const { return name_; }
  const model::ImageLayer& layer() const { return layer_.about; }
  const std::vector<store::FeatureCluster>& clusters() const { return clusters_; }
  std::vector<store::Example> Examples() const {
    std::vector<store::Example> out;
    for (const auto& [key, example] : examples_) out.push_back(example);
    return out;
  }
  const store::Example& Member(const store::FeatureCluster& cluster, size_t at) const {
    const auto& keys = embedding_->examples;
    const auto found = examples_.find(keys.at(static_cast<size_t>(cluster.members.at(at))));
    if (found == examples_.end())
      Fail(ErrorKind::kBadInput, "unit {}: a cluster names an example that is missing",
           base::ToString(unit_));
    return found->second;
  }

  model::PixelBox SeenBy(const store::Example& example) const {
    return model::SeenAt(layer_.about, example.pivot, layer_.locations[1], Height(), Width());
  }
  int64_t Height() const { return about_.at("height").get<int64_t>(); }
  int64_t Width() const { return about_.at("width").get<int64_t>(); }

  data::Tile Read(const store::Example& example) {
    const store::Sequence row = store_.GetSequence(example.sequence);
    std::optional<data::Tile> tile;
    if (row.id < tiles_.size() && tiles_.info(row.id).name == row.source)
      tile = tiles_.Read(row.id);
    if (!tile || tile->height != Height() || tile->width != Width()) {
      Fail(ErrorKind::kBadInput, "{}: tile {} of the run is not '{}' any more",
           about_.at("path").get<std::string>(), row.id, row.source);
    }
    return std::move(*tile);
  }
  data::Tile Patch(const store::Example& example, const data::Tile& tile, int edge_px) const {
    const model::PixelBox box =
        model::ReachAt(layer_.about, example.pivot, layer_.locations[1], Height(), Width());
    return data::CutPatch(tile, {box.top, box.left, box.bottom, box.right}, edge_px);
  }
  std::string ClassOf(const data::Tile& tile) const {
    const auto& names = tiles_.class_names();
    return tile.label >= 0 && static_cast<size_t>(tile.label) < names.size()
               ? names[static_cast<size_t>(tile.label)]
               : "";
  }

  // "15 x 15 of 50 x 50 pixels"
  std::string Seen() const {
    const auto extent = [](const model::PixelReach& reach, int64_t size) {
      return reach.whole ? size : std::min(size, reach.high - reach.low + 1);
    };
    return fmt::format("{} x {} of {} x {} pixels", extent(layer_.about.rows, Height()),
                       extent(layer_.about.columns, Width()), Height(), Width());
  }

 private:
  static data::TileDataset OpenTiles(const nlohmann::json& about) {
    data::TileOptions options;
    options.split = about.at("split").get<std::string>();
    options.other_size = about.at("other_size").get<std::string>();
    options.microns_per_pixel = about.value("mpp", 0.0);  // runs before slides could be read
    options.slide_microns_per_pixel = about.value("slide_mpp", 0.0);
    options.channels = about.at("channels").get<int>();
    options.height = about.at("height").get<int>();
    options.width = about.at("width").get<int>();
    options.class_names = about.at("class_names").get<std::vector<std::string>>();
    return data::TileDataset::Open(about.at("path").get<std::string>(), options);
  }

  const store::RunStore& store_;
  base::UnitId unit_;
  nlohmann::json about_;
  data::TileDataset tiles_;
  std::optional<store::Embedding> embedding_;
  std::vector<store::FeatureCluster> clusters_;
  std::string name_;
  RecordedLayer layer_;
  std::map<store::ExampleKey, store::Example> examples_;
};

constexpr int kColumns = 10;

// Of one cluster: without its title, and no wider than needed.
std::string DrawSheet(ShownUnit& shown, std::optional<int> only, const PatchOptions& options) {
  std::vector<data::SheetRow> rows;
  for (const store::FeatureCluster* cluster : LargestFirst(shown.clusters())) {
    if (only && cluster->cluster != *only) continue;
    const size_t all = cluster->members.size(),
                 count = std::min(all, static_cast<size_t>(options.most));
    data::SheetRow row;
    if (!only) {
      row.title = fmt::format("#{}: {} tile{}{}  {}", cluster->cluster, all, all == 1 ? "" : "s",
                              count < all ? fmt::format(", {} shown", count) : "", cluster->label);
    }
    for (size_t i = 0; i < count; ++i) {
      const store::Example& example = shown.Member(*cluster, i);
      row.patches.push_back(shown.Patch(example, shown.Read(example), options.edge_px));
    }
    rows.push_back(std::move(row));
  }
  if (rows.empty()) {
    Fail(ErrorKind::kNotFound, "unit {} has no {} to show", base::ToString(shown.unit()),
         only ? fmt::format("cluster {}", *only) : "examples");
  }
  const int columns =
      only ? std::clamp(static_cast<int>(rows.front().patches.size()), 1, kColumns) : kColumns;
  return data::EncodePng(data::DrawContactSheet(rows, columns));
}

void WritePage(ShownUnit& shown, const ImageShowArguments& arguments) {
  view::NeuronRecords records{.unit = shown.unit(), .examples = shown.Examples()};
  const auto draw = [&](const store::Example& example, std::string_view rank) {
    const data::Tile tile = shown.Read(example);
    const model::PixelBox box = shown.SeenBy(example);
    return view::WritePatchFigure(
        {.png = data::EncodePng(shown.Patch(example, tile, arguments.patches.edge_px)),
         .edge_px = arguments.patches.edge_px,
         .rank = std::string(rank),
         .activation = example.activation,
         .tile = tile.name,
         .place = fmt::format("rows {} to {}, columns {} to {}", box.top, box.bottom - 1, box.left,
                              box.right - 1),
         .label = shown.ClassOf(tile)});
  };
  const auto href = [&](base::UnitId other) {
    const std::string file = fmt::format("{}_{}.html", other.layer, other.index);
    return fs::exists(fs::path(arguments.html).parent_path() / file) ? file + "#clusters"
                                                                     : std::string();
  };
  base::WriteFile(
      arguments.html,
      view::WriteImageUnitPage({.unit = shown.unit(),
                                .model = shown.name(),
                                .layer = LayerTitle(shown.layer()),
                                .stats = shown.store().GetStats(shown.unit()),
                                .seen = shown.Seen(),
                                .clusters_html = ClusterTabsHtml(shown.store(), records, {}, href,
                                                                 {draw, arguments.patches.most})}));
  fmt::print("wrote {}\n", arguments.html);
}

void PrintSummary(const ShownUnit& shown) {
  fmt::print("{} unit {}  ({}; a location sees {})\n", shown.name(), base::ToString(shown.unit()),
             LayerTitle(shown.layer()), shown.Seen());
  if (const auto stats = shown.store().GetStats(shown.unit())) {
    fmt::print(
        "largest pre-activation {:.3f}, mean {:.3f}, above zero at {:.1f}% of {} locations\n",
        stats->maximum, stats->mean, 100 * stats->firing_rate, stats->tokens);
  }
  fmt::print("{}", ClusterSummary(shown.store(), shown.unit(), "tiles", "classes"));
}

}  // namespace

std::string DrawUnitSheet(const store::RunStore& store, base::UnitId unit,
                          std::optional<int> cluster, const PatchOptions& options) {
  ShownUnit shown(store, unit);
  return DrawSheet(shown, cluster, options);
}

void ShowImageUnit(const ImageShowArguments& arguments) {
  const store::RunStore store = store::RunStore::Open(arguments.run, store::RunStore::Mode::kRead);
  ShownUnit shown(store, arguments.unit);
  if (arguments.html.empty() && arguments.png.empty()) return PrintSummary(shown);
  if (!arguments.png.empty()) {
    base::WriteFile(arguments.png, DrawSheet(shown, std::nullopt, arguments.patches));
    fmt::print("wrote {}\n", arguments.png);
  }
  if (!arguments.html.empty()) WritePage(shown, arguments);
}

}  // namespace assay::app
