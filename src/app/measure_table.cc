#include "app/measure_table.h"

#include <fmt/core.h>

#include <filesystem>
#include <map>
#include <optional>

#include "app/terminal.h"

namespace assay::app {
namespace {

class Mean {
 public:
  void Add(const std::optional<double>& value) {
    if (!value) return;
    sum_ += *value;
    ++count_;
  }
  std::string Text() const { return count_ == 0 ? "-" : fmt::format("{:.3f}", sum_ / count_); }

 private:
  double sum_ = 0;
  int count_ = 0;
};

nlohmann::json OrNull(const std::optional<double>& value) {
  return value ? nlohmann::json(*value) : nlohmann::json();
}

}  // namespace

store::RunStore OpenForWriting(const std::string& run) {
  // Reading an old run would ask for a migration, which writing does.
  if (!std::filesystem::exists(std::filesystem::path(run) / "assay.db"))
    store::RunStore::Open(run, store::RunStore::Mode::kRead);
  return store::RunStore::Open(run, store::RunStore::Mode::kWrite);
}

std::string MeasureTable(std::span<const store::UnitMeasures> measures, const std::string& units,
                         std::span<const std::string> layer_names) {
  struct Layer {
    int units = 0, measured = 0, single = 0, clusters = 0;
    Mean examples, mean, max, intra, inter, polysemanticity, stability;
  };
  std::map<int, Layer> layers;
  for (const store::UnitMeasures& row : measures) {
    Layer& layer = layers[row.unit.layer];
    ++layer.units;
    if (row.examples < 2) continue;  // nothing to compare: they do not count as monosemantic
    ++layer.measured;
    layer.clusters += row.clusters;
    layer.single += row.clusters == 1 ? 1 : 0;
    layer.examples.Add(row.examples);
    layer.mean.Add(row.mean_distance);
    layer.max.Add(row.max_distance);
    layer.intra.Add(row.intra);
    layer.inter.Add(row.inter);
    layer.polysemanticity.Add(row.polysemanticity);
    layer.stability.Add(row.stability);
  }
  std::vector<std::vector<std::string>> rows = {
      {"layer", units, ">= 2 examples", "examples", "clusters", "one cluster", "mean dist.",
       "max dist.", "intra", "inter", "polysem.", "stability"}};
  for (const auto& [number, layer] : layers) {
    const bool named = static_cast<size_t>(number) < layer_names.size();
    rows.push_back(
        {named ? fmt::format("{} {}", number, layer_names[static_cast<size_t>(number)])
               : fmt::format("{}", number),
         fmt::format("{}", layer.units), fmt::format("{}", layer.measured), layer.examples.Text(),
         layer.measured == 0
             ? "-"
             : fmt::format("{:.2f}", static_cast<double>(layer.clusters) / layer.measured),
         fmt::format("{}", layer.single), layer.mean.Text(), layer.max.Text(), layer.intra.Text(),
         layer.inter.Text(), layer.polysemanticity.Text(), layer.stability.Text()});
  }
  return FormatTable(rows);
}

nlohmann::json MeasureJson(const store::RunStore& store,
                           std::span<const store::UnitMeasures> measures) {
  nlohmann::json out = nlohmann::json::array();
  for (const store::UnitMeasures& row : measures) {
    nlohmann::json clusters = nlohmann::json::array();
    for (const store::FeatureCluster& cluster : store.GetClusters(row.unit)) {
      clusters.push_back({{"size", cluster.members.size()},
                          {"label", cluster.label},
                          {"cohesion", cluster.cohesion},
                          {"central_example", cluster.members.front()}});
    }
    nlohmann::json interval;
    if (row.polysemanticity_low) interval = {*row.polysemanticity_low, *row.polysemanticity_high};
    out.push_back({{"unit", base::ToString(row.unit)},
                   {"examples", row.examples},
                   {"clusters", row.clusters},
                   {"mean_distance", OrNull(row.mean_distance)},
                   {"max_distance", OrNull(row.max_distance)},
                   {"intra", OrNull(row.intra)},
                   {"inter", OrNull(row.inter)},
                   {"polysemanticity", OrNull(row.polysemanticity)},
                   {"polysemanticity_interval", interval},
                   {"stability", OrNull(row.stability)},
                   {"cut", row.cut},
                   {"cut_reason", row.cut_reason},
                   {"cluster_list", clusters}});
  }
  return out;
}

}  // namespace assay::app
