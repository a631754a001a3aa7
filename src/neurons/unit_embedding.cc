#include "neurons/unit_embedding.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/error.h"

namespace assay::neurons {
namespace {

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

// [units, d] of a layer, on the host.
struct LayerWeights {
  std::vector<float> values;
  size_t width = 0;
};

LayerWeights WeightsOf(const model::InspectableModel& model, int layer) {
  const at::Tensor matrix =
      model.InputWeights(layer).detach().to(at::kCPU, at::kFloat).contiguous();
  return {{matrix.data_ptr<float>(), matrix.data_ptr<float>() + matrix.numel()},
          static_cast<size_t>(matrix.size(1))};
}

void LabelClusters(const InputBlock& block, size_t unit, UnitEmbedding& of_unit) {
  std::map<store::ExampleKey, const ExampleInput*> by_key;
  for (const ExampleInput& input : block.inputs[unit])
    by_key[{input.example.kind, input.example.bin, input.example.rank}] = &input;
  for (store::FeatureCluster& cluster : of_unit.clusters) {
    std::vector<const ExampleInput*> members;
    for (const int member : cluster.members)
      members.push_back(by_key.at(of_unit.embedding.examples[static_cast<size_t>(member)]));
    block.label(members, cluster);
  }
}

}  // namespace

void ClusterAndStore(store::RunStore& store, const InputBlock& block, const ClusterOptions& options,
                     base::Progress& progress) {
  constexpr size_t kPart = 256;  // units in one transaction
  std::map<int, LayerWeights> weights;
  for (const UnitId unit : block.units) {
    if (!weights.contains(unit.layer)) weights[unit.layer] = WeightsOf(block.model, unit.layer);
  }
  for (size_t begin = 0; begin < block.units.size(); begin += kPart) {
    const size_t end = std::min(block.units.size(), begin + kPart);
    std::vector<UnitEmbedding> done(end - begin);
    at::parallel_for(
        static_cast<int64_t>(begin), static_cast<int64_t>(end), 1, [&](int64_t a, int64_t b) {
          for (auto u = static_cast<size_t>(a); u < static_cast<size_t>(b); ++u) {
            const LayerWeights& layer = weights.at(block.units[u].layer);
            done[u - begin] = EmbedUnit(
                block.units[u], block.inputs[u],
                RowOf(layer.values, static_cast<size_t>(block.units[u].index), layer.width),
                options);
          }
        });
    for (size_t i = 0; i < done.size(); ++i) LabelClusters(block, begin + i, done[i]);
    store.Transaction([&] {
      for (size_t i = 0; i < done.size(); ++i) {
        block.write_examples(begin + i);
        store.Put(done[i].embedding);
        for (const store::FeatureCluster& cluster : done[i].clusters) store.Put(cluster);
        store.Put(done[i].measures);
      }
    });
    progress.Add(static_cast<int64_t>(end - begin));
  }
}

}  // namespace assay::neurons
