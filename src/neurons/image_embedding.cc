#include "neurons/image_embedding.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <set>

#include "base/error.h"
#include "base/rng.h"

namespace assay::neurons {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kMostBatch = 16, kSample = 200;
constexpr int kBins = 10, kPerBin = 2;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// What one location sums up to, over all tiles, for all units of a layer.
struct LayerTotals {
  at::Tensor maximum, minimum;        // [units] float
  at::Tensor sum, squares, positive;  // [units] double
  int64_t locations = 0;

  void Add(const at::Tensor& values) {  // [B, units, L]
    const at::Tensor top = values.amax({0, 2}), bottom = values.amin({0, 2});
    const std::vector<int64_t> places = {0, 2};  // images and locations
    const at::Tensor wide = values.to(at::kDouble);
    if (!sum.defined()) {
      maximum = top;
      minimum = bottom;
      sum = squares = positive = at::zeros({values.size(1)}, at::kDouble);
    }
    maximum = at::maximum(maximum, top);
    minimum = at::minimum(minimum, bottom);
    sum = sum + wide.sum(places);
    squares = squares + wide.square().sum(places);
    positive = positive + (values > 0).sum(places).to(at::kDouble);
    locations += values.size(0) * values.size(2);
  }
  store::UnitStats Of(UnitId unit) const {
    const auto count = static_cast<double>(locations);
    const double mean = sum[unit.index].item<double>() / count;
    return {.unit = unit,
            .tokens = locations,
            .mean = mean,
            .variance = std::max(0.0, squares[unit.index].item<double>() / count - mean * mean),
            .maximum = maximum[unit.index].item<double>(),
            .minimum = minimum[unit.index].item<double>(),
            .firing_rate = positive[unit.index].item<double>() / count};
  }
};

// The examples of one unit with the smallest keys.
struct Kept {
  struct Entry {
    double key;
    ExampleInput example;
  };
  std::vector<Entry> entries;  // a heap, largest key first

  static bool ByKey(const Entry& a, const Entry& b) { return a.key < b.key; }
  bool Wants(double key, int cap) const {
    return static_cast<int>(entries.size()) < cap || key < entries.front().key;
  }
  void Add(double key, ExampleInput example, int cap) {
    if (static_cast<int>(entries.size()) >= cap) {
      std::pop_heap(entries.begin(), entries.end(), ByKey);
      entries.pop_back();
    }
    entries.push_back({key, std::move(example)});
    std::push_heap(entries.begin(), entries.end(), ByKey);
  }
};

// Some units, tiles read twice.
class TileBlock {
 public:
  TileBlock(store::RunStore& store, std::span<const UnitId> units, int64_t batch,
            const EmbedOptions& options, const ImageEmbedContext& context)
      : store_(store), units_(units), batch_(batch), options_(options), context_(context) {
    for (size_t u = 0; u < units.size(); ++u) {
      if (layers_.empty() || layers_.back() != units[u].layer) layers_.push_back(units[u].layer);
      by_layer_[units[u].layer].push_back(u);
    }
    std::vector<int64_t> order;
    for (int64_t tile = 0; tile < context.tiles; ++tile) order.push_back(tile);
    base::Rng(options.seed, "image sample").Shuffle(order);
    order.resize(static_cast<size_t>(std::min(context.tiles, kSample)));
    sampled_.insert(order.begin(), order.end());
  }

  int64_t CollectInputs() {
    std::map<int, LayerTotals> totals;
    std::vector<std::vector<std::pair<float, int64_t>>> sample(units_.size());
    ForEachBatch([&](const std::vector<data::Tile>&, const std::vector<int64_t>& ids, size_t layer,
                     const model::LayerValues&, const at::Tensor& values) {
      totals[layers_[layer]].Add(values);
      if (!options_.quantiles) return;
      const at::Tensor largest = values.amax(2);  // [B, units]
      for (size_t b = 0; b < ids.size(); ++b) {
        if (!sampled_.contains(ids[b])) continue;
        for (const size_t u : by_layer_.at(layers_[layer]))
          sample[u].emplace_back(At(largest, b, u), ids[b]);
      }
    });
    if (totals.empty()) {
      base::Fail(base::ErrorKind::kBadInput, "none of the {} tiles can be used", context_.tiles);
    }
    for (const UnitId unit : units_) stats_.push_back(totals.at(unit.layer).Of(unit));
    ChooseQuantiles(sample);
    std::vector<Kept> kept(units_.size());
    quantiles_.resize(units_.size());
    ForEachBatch([&](const std::vector<data::Tile>& tiles, const std::vector<int64_t>& ids,
                     size_t layer, const model::LayerValues& run, const at::Tensor& values) {
      const auto [largest, where] = values.max(2);  // [B, units]
      for (size_t b = 0; b < ids.size(); ++b) {
        bool used = false;
        for (const size_t u : by_layer_.at(layers_[layer])) {
          const float activation = At(largest, b, u);
          const auto example = [&](store::ExampleKind kind, int bin, int rank) {
            const int64_t location =
                where
                    .data_ptr<int64_t>()[static_cast<int64_t>(b) * where.size(1) + units_[u].index];
            used = true;
            return ExampleInput{
                {units_[u], kind, bin, rank, ids[b], static_cast<int>(location), activation, {}},
                context_.model.InputAt(layers_[layer], run, static_cast<int64_t>(b),
                                       units_[u].index, location)};
          };
          if (IsExample(u, activation)) {
            const double key = KeyOf(u, ids[b], activation);
            if (kept[u].Wants(key, options_.cap))
              kept[u].Add(key, example(ExampleKindOfRun(), 0, 0), options_.cap);
          }
          if (const auto chosen = chosen_.find({u, ids[b]}); chosen != chosen_.end()) {
            quantiles_[u].push_back(example(store::ExampleKind::kQuantile, chosen->second.first,
                                            chosen->second.second));
          }
        }
        if (used) Remember(tiles[b], ids[b]);
      }
    });
    return Arrange(kept);
  }

  void ClusterAll(const ClusterOptions& clusters, base::Progress& progress) {
    ClusterAndStore(store_,
                    {.model = context_.model,
                     .units = units_,
                     .inputs = inputs_,
                     .label = [this](auto members, auto& cluster) { Label(members, cluster); },
                     .write_examples = [this](size_t unit) { Write(unit); }},
                    clusters, progress);
  }

 private:
  using OnLayer = std::function<void(
      const std::vector<data::Tile>& tiles, const std::vector<int64_t>& ids, size_t layer,
      const model::LayerValues& run, const at::Tensor& values)>;  // values: [B, units, L]

  void ForEachBatch(const OnLayer& use) const {
    std::vector<data::Tile> tiles;
    std::vector<int64_t> ids;
    const auto flush = [&] {
      if (tiles.empty()) return;
      std::vector<at::Tensor> images;
      for (const data::Tile& tile : tiles)
        images.push_back(PixelsOf(tile, context_.low, context_.high));
      const auto runs = context_.model.Run(at::stack(images), layers_);
      for (size_t layer = 0; layer < layers_.size(); ++layer)
        use(tiles, ids, layer, runs[layer],
            context_.model.ByLocation(layers_[layer], runs[layer].output));
      tiles.clear();
      ids.clear();
    };
    for (int64_t index = 0; index < context_.tiles; ++index) {
      auto tile = context_.read(index);
      if (!tile) continue;
      tiles.push_back(std::move(*tile));
      ids.push_back(index);
      if (static_cast<int64_t>(tiles.size()) == batch_) flush();
    }
    flush();
  }

  // Of [B, units], for the block's unit u.
  float At(const at::Tensor& values, size_t b, size_t u) const {
    return values.data_ptr<float>()[static_cast<int64_t>(b) * values.size(1) + units_[u].index];
  }

  store::ExampleKind ExampleKindOfRun() const {
    return options_.examples == "top" ? store::ExampleKind::kTop : store::ExampleKind::kAbove;
  }
  bool IsExample(size_t u, float activation) const {
    const double maximum = stats_[u].maximum;
    return maximum > 0 &&
           (options_.examples == "top" ? activation > 0 : activation >= options_.share * maximum);
  }
  // Small keys stay: strong activations, or a random number of the unit and the tile.
  double KeyOf(size_t u, int64_t tile, float activation) const {
    if (options_.examples == "top") return -static_cast<double>(activation);
    const uint64_t unit =
        static_cast<uint64_t>(units_[u].layer) << 32 | static_cast<uint32_t>(units_[u].index);
    const uint64_t bits = base::MixBits(base::MixBits(options_.seed ^ base::MixBits(unit)) ^
                                        static_cast<uint64_t>(tile));
    return static_cast<double>(bits >> 11);
  }

  // As collection of text does: the sample ordered by activation, evenly from each bin.
  void ChooseQuantiles(std::vector<std::vector<std::pair<float, int64_t>>>& sample) {
    for (size_t u = 0; u < sample.size(); ++u) {
      std::sort(sample[u].begin(), sample[u].end());
      const size_t count = sample[u].size();
      for (size_t bin = 0; bin < kBins; ++bin) {
        const size_t begin = count * bin / kBins, end = count * (bin + 1) / kBins;
        const size_t kept = std::min<size_t>(end - begin, kPerBin);
        for (size_t j = 0; j < kept; ++j) {
          const auto& [activation, tile] =
              sample[u][begin + (2 * j + 1) * (end - begin) / (2 * kept)];
          if (activation > 0)
            chosen_[{u, tile}] = {static_cast<int>(bin), static_cast<int>(kept - 1 - j)};
        }
      }
    }
  }

  int64_t Arrange(std::vector<Kept>& kept) {
    int64_t examples = 0;
    inputs_.resize(units_.size());
    for (size_t u = 0; u < units_.size(); ++u) {
      for (Kept::Entry& entry : kept[u].entries) inputs_[u].push_back(std::move(entry.example));
      std::sort(inputs_[u].begin(), inputs_[u].end(), [](const auto& a, const auto& b) {
        return std::pair(-a.example.activation, a.example.sequence) <
               std::pair(-b.example.activation, b.example.sequence);
      });
      for (size_t i = 0; i < inputs_[u].size(); ++i)
        inputs_[u][i].example.rank = static_cast<int>(i);
      std::sort(quantiles_[u].begin(), quantiles_[u].end(), [](const auto& a, const auto& b) {
        return std::pair(a.example.bin, a.example.rank) < std::pair(b.example.bin, b.example.rank);
      });
      std::move(quantiles_[u].begin(), quantiles_[u].end(), std::back_inserter(inputs_[u]));
      examples += static_cast<int64_t>(inputs_[u].size());
    }
    return examples;
  }

  void Remember(const data::Tile& tile, int64_t id) {
    tiles_.try_emplace(id, store::Sequence{.id = id, .source = tile.name, .document = tile.label});
  }

  void Label(std::span<const ExampleInput* const> members, store::FeatureCluster& cluster) const {
    std::vector<int64_t> classes;
    for (const ExampleInput* member : members)
      classes.push_back(tiles_.at(member->example.sequence).document);
    cluster.label = ClassLabel(classes, context_.class_names);
  }

  void Write(size_t u) {
    store_.Put(stats_[u]);
    for (const ExampleInput& input : inputs_[u]) {
      store_.Put(input.example);
      if (written_.insert(input.example.sequence).second)
        store_.Put(tiles_.at(input.example.sequence));
    }
  }

  store::RunStore& store_;
  std::span<const UnitId> units_;
  int64_t batch_;
  const EmbedOptions& options_;
  const ImageEmbedContext& context_;
  std::vector<int> layers_;
  std::map<int, std::vector<size_t>> by_layer_;
  std::set<int64_t> sampled_;
  std::vector<store::UnitStats> stats_;
  std::map<std::pair<size_t, int64_t>, std::pair<int, int>> chosen_;  // bin and rank
  std::vector<std::vector<ExampleInput>> quantiles_, inputs_;
  std::map<int64_t, store::Sequence> tiles_;
  std::set<int64_t> written_;
};

// Units from `begin` on that fit into the memory: at least one. Layer by layer, since deeper
// layers need longer runs.
struct BlockSize {
  size_t end = 0;
  int64_t batch = 1;
};
BlockSize SizeOf(std::span<const UnitId> units, size_t begin, const EmbedOptions& options,
                 const ImageEmbedContext& context, const std::map<int, int64_t>& layer_bytes) {
  BlockSize out{.end = begin};
  const int64_t examples = options.cap + (options.quantiles ? kBins * kPerBin : 0);
  int64_t vectors = 0, activations = 0;
  int layer = -1;
  int64_t unit_bytes = 0;
  for (; out.end < units.size(); ++out.end) {
    const bool is_new = units[out.end].layer != layer;
    if (is_new) {
      layer = units[out.end].layer;
      unit_bytes = examples * (context.model.InputWeights(layer).size(1) * 4 + 200);
    }
    const int64_t more = is_new ? layer_bytes.at(layer) : 0;
    if (out.end > begin && (vectors + unit_bytes > context.memory_bytes ||
                            (activations + more) * 4 > context.memory_bytes))
      break;
    vectors += unit_bytes;
    activations += more;
  }
  out.batch =
      std::clamp<int64_t>(context.memory_bytes / std::max<int64_t>(1, activations), 1, kMostBatch);
  return out;
}

std::optional<data::Tile> FirstUsable(const ImageEmbedContext& context) {
  for (int64_t index = 0; index < context.tiles; ++index) {
    if (auto tile = context.read(index)) return tile;
  }
  return std::nullopt;
}

}  // namespace

at::Tensor PixelsOf(const data::Tile& tile, double low, double high) {
  const at::Tensor bytes = at::from_blob(const_cast<uint8_t*>(tile.pixels.data()),
                                         {tile.height, tile.width, tile.channels}, at::kByte);
  return (bytes.permute({2, 0, 1}).to(at::kFloat) * ((high - low) / 255) + low).contiguous();
}

std::string ClassLabel(std::span<const int64_t> classes, std::span<const std::string> names) {
  std::map<int64_t, int> counts;
  for (const int64_t label : classes) {
    if (label >= 0) ++counts[label];
  }
  std::vector<std::pair<int, int64_t>> order;
  for (const auto& [label, count] : counts) order.emplace_back(-count, label);
  std::sort(order.begin(), order.end());
  std::string out;
  for (size_t i = 0; i < std::min<size_t>(order.size(), 3); ++i) {
    const auto label = static_cast<size_t>(order[i].second);
    out += fmt::format("{}{} {}", out.empty() ? "" : " / ",
                       label < names.size() ? names[label] : fmt::format("class {}", label),
                       -order[i].first);
  }
  return out;
}

std::map<int, std::array<int64_t, 2>> LocationsOf(const model::ImageUnits& model,
                                                  std::span<const int> layers,
                                                  const at::Tensor& image) {
  std::map<int, std::array<int64_t, 2>> out;
  for (const int layer : layers) {
    const at::Tensor output = model.Run(image, {layer})[0].output;
    out[layer] = model.At(layer).convolution
                     ? std::array<int64_t, 2>{output.size(2), output.size(3)}
                     : std::array<int64_t, 2>{model.ByLocation(layer, output).size(2), 1};
  }
  return out;
}

EmbedTimes EmbedImageUnits(store::RunStore& store, std::span<const UnitId> units,
                           const EmbedOptions& options, const ClusterOptions& clusters,
                           const ImageEmbedContext& context,
                           const base::Progress::Reporter& report) {
  base::ValidateFields(options);
  base::ValidateFields(clusters);
  const c10::InferenceMode guard;
  const auto start = Clock::now();
  const std::vector<UnitId> stored = store.UnitsWithMeasures();
  const std::set<UnitId> done(stored.begin(), stored.end());
  std::vector<UnitId> missing;
  for (const UnitId unit : units) {
    if (!done.contains(unit)) missing.push_back(unit);
  }
  base::Progress progress("embed", "units", static_cast<int64_t>(units.size()), report,
                          static_cast<int64_t>(units.size() - missing.size()));
  EmbedTimes times{.units = static_cast<int64_t>(missing.size())};
  std::map<int, int64_t> layer_bytes;  // of one tile: input and output
  if (!missing.empty()) {
    const auto first = FirstUsable(context);
    if (!first)
      base::Fail(base::ErrorKind::kBadInput, "none of the {} tiles can be used", context.tiles);
    const at::Tensor image = PixelsOf(*first, context.low, context.high).unsqueeze(0);
    for (const UnitId unit : missing) {
      if (layer_bytes.contains(unit.layer)) continue;
      const model::LayerValues values = context.model.Run(image, {unit.layer})[0];
      layer_bytes[unit.layer] = 4 * (values.input.numel() + values.output.numel());
    }
  }
  for (size_t begin = 0; begin < missing.size();) {
    const BlockSize size = SizeOf(missing, begin, options, context, layer_bytes);
    TileBlock block(store, std::span(missing).subspan(begin, size.end - begin), size.batch, options,
                    context);
    const auto collect_start = Clock::now();
    times.examples += block.CollectInputs();
    times.model_seconds += SecondsSince(collect_start);
    block.ClusterAll(clusters, progress);
    begin = size.end;
  }
  progress.Finish();
  times.seconds = SecondsSince(start);
  return times;
}

}  // namespace assay::neurons
