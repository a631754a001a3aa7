#include "neurons/embedding_run.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <set>

#include "base/error.h"
#include "neurons/cluster_labels.h"

namespace assay::neurons {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::span<const float> RowOf(std::span<const float> matrix, size_t row, size_t width) {
  return matrix.subspan(row * width, width);
}

std::vector<float> Copy(std::span<const float> values) { return {values.begin(), values.end()}; }

double MeanCosineToOthers(std::span<const float> vectors, size_t width,
                          const std::vector<int>& members) {
  if (members.size() < 2) return 1;
  const auto norm = [](std::span<const float> v) {
    double sum = 0;
    for (const float x : v) sum += static_cast<double>(x) * x;
    return std::sqrt(sum);
  };
  const auto central = RowOf(vectors, static_cast<size_t>(members[0]), width);
  double sum = 0;
  for (size_t m = 1; m < members.size(); ++m) {
    const auto other = RowOf(vectors, static_cast<size_t>(members[m]), width);
    double dot = 0;
    for (size_t i = 0; i < width; ++i) dot += static_cast<double>(central[i]) * other[i];
    sum += dot / (norm(central) * norm(other));
  }
  return sum / static_cast<double>(members.size() - 1);
}

}  // namespace

UnitEmbedding EmbedUnit(UnitId unit, std::span<const ExampleInput> inputs,
                        std::span<const float> weight, const ClusterOptions& options) {
  const size_t width = weight.size();
  UnitEmbedding out{.embedding = {.unit = unit, .dims = static_cast<int>(width)}};
  std::vector<const ExampleInput*> used;
  for (const ExampleInput& input : inputs) {
    ASSAY_CHECK(input.input.size() == width);
    const size_t begin = out.embedding.vectors.size();
    bool zero = true;
    for (size_t i = 0; i < width; ++i) {
      out.embedding.vectors.push_back(input.input[i] * weight[i]);
      zero = zero && out.embedding.vectors.back() == 0;
    }
    if (zero) {  // no direction: only the bias spoke
      out.embedding.vectors.resize(begin);
      continue;
    }
    used.push_back(&input);
    out.embedding.examples.push_back({input.example.kind, input.example.bin, input.example.rank});
  }
  const uint64_t stream =
      static_cast<uint64_t>(unit.layer) << 32 | static_cast<uint32_t>(unit.index);
  const FeatureClusters found =
      FindClusters(out.embedding.vectors, static_cast<int64_t>(width), options, stream,
                   "embeddings of unit " + base::ToString(unit));
  for (size_t c = 0; c < found.members.size(); ++c) {
    const std::vector<int>& members = found.members[c];
    store::FeatureCluster cluster{
        .unit = unit,
        .cluster = static_cast<int>(c),
        .members = members,
        .cohesion = MeanCosineToOthers(out.embedding.vectors, width, members)};
    const auto central = static_cast<size_t>(members.front());
    cluster.central_input = used[central]->input;
    cluster.central_embedding = Copy(RowOf(out.embedding.vectors, central, width));
    cluster.mean_input.assign(width, 0);
    for (const int member : members) {
      for (size_t i = 0; i < width; ++i) {
        cluster.mean_input[i] +=
            used[static_cast<size_t>(member)]->input[i] / static_cast<float>(members.size());
      }
    }
    out.clusters.push_back(std::move(cluster));
  }
  const ClusterMeasures& measures = found.measures;
  out.measures = {.unit = unit,
                  .examples = measures.examples,
                  .clusters = measures.clusters,
                  .mean_distance = measures.mean_distance,
                  .max_distance = measures.max_distance,
                  .intra = measures.intra,
                  .inter = measures.inter,
                  .polysemanticity = measures.polysemanticity,
                  .stability = found.stability,
                  .cut = found.cut,
                  .cut_reason = found.reason};
  if (found.polysemanticity_interval) {
    out.measures.polysemanticity_low = found.polysemanticity_interval->low;
    out.measures.polysemanticity_high = found.polysemanticity_interval->high;
  }
  return out;
}

namespace {

// The units of one or more whole layers: as many as fit into the memory that is allowed.
class LayerBlock {
 public:
  LayerBlock(store::RunStore& store, std::span<const UnitId> units, const EmbedOptions& options,
             const ClusterOptions& clusters, const EmbedContext& context)
      : store_(store), units_(units), options_(options), clusters_(clusters), context_(context) {}

  int64_t CollectInputs() {
    int64_t examples = 0;
    if (options_.examples == "above") {
      std::vector<double> maxima;
      for (const UnitId unit : units_) {
        const auto stats = store_.GetStats(unit);
        maxima.push_back(stats ? stats->maximum : 0);
      }
      inputs_ = InputsAbove(context_.open_text(), context_.model, units_, maxima,
                            {.share = options_.share,
                             .cap = options_.cap,
                             .first_counted = context_.first_counted,
                             .seed = options_.seed},
                            sequences_);
    } else {
      inputs_ = Stored([&](const store::Example& example) {
        return (example.kind == store::ExampleKind::kTop ||
                example.kind == store::ExampleKind::kGiven) &&
               example.rank < options_.cap && example.activation > 0;
      });
    }
    if (options_.quantiles) {
      auto more = Stored([](const store::Example& example) {
        return example.kind == store::ExampleKind::kQuantile && example.activation > 0;
      });
      for (size_t u = 0; u < units_.size(); ++u)
        std::move(more[u].begin(), more[u].end(), std::back_inserter(inputs_[u]));
    }
    for (const auto& of_unit : inputs_) examples += static_cast<int64_t>(of_unit.size());
    return examples;
  }

  void Cluster(base::Progress& progress) {
    constexpr size_t kPart = 256;  // units in one transaction
    std::map<int, std::vector<float>> weights;
    for (const UnitId unit : units_) {
      if (weights.contains(unit.layer)) continue;
      const at::Tensor matrix =
          context_.model.InputWeights(unit.layer).detach().to(at::kCPU, at::kFloat).contiguous();
      width_ = static_cast<size_t>(matrix.size(1));
      weights[unit.layer].assign(matrix.data_ptr<float>(),
                                 matrix.data_ptr<float>() + matrix.numel());
    }
    ReadSequences();
    for (size_t begin = 0; begin < units_.size(); begin += kPart) {
      const size_t end = std::min(units_.size(), begin + kPart);
      std::vector<UnitEmbedding> done(end - begin);
      at::parallel_for(
          static_cast<int64_t>(begin), static_cast<int64_t>(end), 1, [&](int64_t a, int64_t b) {
            for (auto u = static_cast<size_t>(a); u < static_cast<size_t>(b); ++u) {
              done[u - begin] = EmbedUnit(
                  units_[u], inputs_[u],
                  RowOf(weights.at(units_[u].layer), static_cast<size_t>(units_[u].index), width_),
                  clusters_);
            }
          });
      for (size_t i = 0; i < done.size(); ++i) Label(inputs_[begin + i], done[i]);
      store_.Transaction([&] {
        for (size_t i = 0; i < done.size(); ++i) Write(inputs_[begin + i], done[i]);
      });
      progress.Add(static_cast<int64_t>(end - begin));
    }
  }

 private:
  std::vector<std::vector<ExampleInput>> Stored(
      const std::function<bool(const store::Example&)>& wanted) const {
    return StoredInputs(store_, context_.model, units_, wanted);
  }

  // Sequences of stored examples, and every context as the background of labels.
  void ReadSequences() {
    for (const auto& of_unit : inputs_) {
      for (const ExampleInput& input : of_unit) {
        const int64_t id = input.example.sequence;
        if (!sequences_.contains(id)) sequences_.emplace(id, store_.GetSequence(id));
        labeller_.AddToBackground(Labelled(input));
      }
    }
  }

  LabelledExample Labelled(const ExampleInput& input) const {
    return {sequences_.at(input.example.sequence).tokens, static_cast<size_t>(input.example.pivot)};
  }

  void Label(const std::vector<ExampleInput>& inputs, UnitEmbedding& of_unit) const {
    std::map<store::ExampleKey, const ExampleInput*> by_key;
    for (const ExampleInput& input : inputs)
      by_key[{input.example.kind, input.example.bin, input.example.rank}] = &input;
    for (store::FeatureCluster& cluster : of_unit.clusters) {
      std::vector<LabelledExample> examples;
      for (const int member : cluster.members)
        examples.push_back(
            Labelled(*by_key.at(of_unit.embedding.examples[static_cast<size_t>(member)])));
      ClusterLabel label = labeller_.Label(examples);
      cluster.activating = std::move(label.activating);
      cluster.context = std::move(label.context);
      cluster.label = std::move(label.text);
    }
  }

  void Write(const std::vector<ExampleInput>& inputs, const UnitEmbedding& of_unit) {
    for (const ExampleInput& input : inputs) {
      if (input.example.kind != store::ExampleKind::kAbove) continue;
      store_.Put(input.example);
      if (written_.insert(input.example.sequence).second)
        store_.Put(sequences_.at(input.example.sequence));
    }
    store_.Put(of_unit.embedding);
    for (const store::FeatureCluster& cluster : of_unit.clusters) store_.Put(cluster);
    store_.Put(of_unit.measures);
  }

  store::RunStore& store_;
  std::span<const UnitId> units_;
  const EmbedOptions& options_;
  const ClusterOptions& clusters_;
  const EmbedContext& context_;
  std::vector<std::vector<ExampleInput>> inputs_;
  std::map<int64_t, store::Sequence> sequences_;
  std::set<int64_t> written_;
  size_t width_ = 0;
  ClusterLabeller labeller_{context_.token_texts, static_cast<size_t>(context_.first_counted)};
};

// How many of the units from `begin` on are done together: whole layers, at least one.
size_t BlockEnd(std::span<const UnitId> units, size_t begin, const EmbedOptions& options,
                const EmbedContext& context) {
  const int64_t width = context.model.InputWeights(units[begin].layer).size(1);
  const int64_t unit_bytes = (width * 4 + 600) * options.cap;  // vector, activations, record
  size_t end = begin;
  while (end < units.size()) {
    size_t layer_end = end;
    while (layer_end < units.size() && units[layer_end].layer == units[end].layer) ++layer_end;
    if (end > begin && static_cast<int64_t>(layer_end - begin) * unit_bytes > context.memory_bytes)
      break;
    end = layer_end;
  }
  return end;
}

}  // namespace

EmbedTimes EmbedUnits(store::RunStore& store, std::span<const UnitId> units,
                      const EmbedOptions& options, const ClusterOptions& clusters,
                      const EmbedContext& context, const base::Progress::Reporter& report) {
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
  for (size_t begin = 0; begin < missing.size();) {
    const size_t end = BlockEnd(missing, begin, options, context);
    LayerBlock block(store, std::span(missing).subspan(begin, end - begin), options, clusters,
                     context);
    const auto collect_start = Clock::now();
    times.examples += block.CollectInputs();
    times.model_seconds += SecondsSince(collect_start);
    block.Cluster(progress);
    begin = end;
  }
  progress.Finish();
  times.seconds = SecondsSince(start);
  return times;
}

}  // namespace assay::neurons
