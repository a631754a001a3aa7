#include "neurons/input_vectors.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <limits>
#include <set>

#include "base/error.h"
#include "base/rng.h"
#include "model/token_batch.h"
#include "neurons/unit_statistics.h"

namespace assay::neurons {
namespace {

// [1, T] ids of one sequence.
at::Tensor IdsOf(const store::Sequence& sequence, at::Device device) {
  const std::span<const int32_t> row(sequence.tokens);
  return model::PadRight(std::span(&row, 1), device);
}

at::Tensor OnHost(const at::Tensor& value) { return value.to(at::kCPU, at::kFloat).contiguous(); }

std::vector<float> RowOf(const at::Tensor& matrix, int64_t row) {  // [T, d]
  const float* data = matrix.data_ptr<float>() + row * matrix.size(1);
  return {data, data + matrix.size(1)};
}

// Runs one sequence and gives, for each layer, activations [T, units] (if wanted) and inputs [T,
// d].
using LayerFunction =
    std::function<void(int layer, const at::Tensor& activations, const at::Tensor& inputs)>;

void RunSequence(const model::TokenUnits& model, const store::Sequence& sequence,
                 const std::set<int>& layers, bool with_activations,
                 const LayerFunction& function) {
  const c10::InferenceMode guard;
  std::vector<model::HookPoint> hooks;
  for (const int layer : layers) {
    hooks.push_back(model.InputHook(layer));
    if (with_activations) hooks.push_back(model.ReadHook(layer));
  }
  std::map<int, at::Tensor> inputs, activations;
  model.network().Forward(
      {.ids = IdsOf(sequence, model.device())}, hooks,
      [&](const model::HookPoint& hook, at::Tensor& value) {
        const int layer = hook.layer;
        if (hook == model.InputHook(layer)) inputs[layer] = OnHost(model.Inputs(layer, value)[0]);
        if (with_activations && hook == model.ReadHook(layer))
          activations[layer] = OnHost(model.Activations(layer, value)[0]);
        if (inputs.contains(layer) && (!with_activations || activations.contains(layer))) {
          function(layer, activations[layer], inputs[layer]);
          inputs.erase(layer);
          activations.erase(layer);
        }
      });
}

}  // namespace

std::vector<std::vector<ExampleInput>> StoredInputs(
    const store::RunStore& store, const model::TokenUnits& model, std::span<const UnitId> units,
    const std::function<bool(const store::Example&)>& wanted) {
  std::vector<std::vector<ExampleInput>> out(units.size());
  struct Place {
    size_t unit, example;
  };
  std::map<int64_t, std::vector<Place>> by_sequence;
  for (size_t u = 0; u < units.size(); ++u) {
    for (store::Example& example : store.GetExamples(units[u])) {
      if (!wanted(example)) continue;
      by_sequence[example.sequence].push_back({u, out[u].size()});
      out[u].push_back({std::move(example), {}});
    }
  }
  for (const auto& [id, places] : by_sequence) {
    std::set<int> layers;
    for (const Place& place : places) layers.insert(units[place.unit].layer);
    RunSequence(model, store.GetSequence(id), layers, false,
                [&](int layer, const at::Tensor&, const at::Tensor& inputs) {
                  for (const Place& place : places) {
                    if (units[place.unit].layer != layer) continue;
                    ExampleInput& example = out[place.unit][place.example];
                    example.input = RowOf(inputs, example.example.pivot);
                  }
                });
  }
  return out;
}

namespace {

// The examples of one unit with the smallest random priorities: a uniform sample.
struct Reservoir {
  double threshold = std::numeric_limits<double>::infinity();
  uint64_t stream = 0;
  struct Entry {
    uint64_t priority;
    ExampleInput example;
  };
  std::vector<Entry> entries;  // a heap, largest priority first
};

bool BySmallest(const Reservoir::Entry& a, const Reservoir::Entry& b) {
  return a.priority < b.priority;
}

class AboveCollector {
 public:
  AboveCollector(std::span<const UnitId> units, std::span<const double> maxima,
                 const AboveOptions& options)
      : units_(units), options_(options), reservoirs_(units.size()) {
    for (size_t u = 0; u < units.size(); ++u) {
      by_layer_[units[u].layer].push_back(u);
      if (maxima[u] > 0) reservoirs_[u].threshold = options.share * maxima[u];
      reservoirs_[u].stream =
          base::MixBits(options.seed ^ base::MixBits(static_cast<uint64_t>(units[u].layer) << 32 |
                                                     static_cast<uint32_t>(units[u].index)));
    }
  }

  // activations: [T, all units of the layer], inputs: [T, d]
  void Take(const store::Sequence& sequence, int layer, const at::Tensor& activations,
            const at::Tensor& inputs) {
    const int64_t tokens = activations.size(0), width = activations.size(1);
    if (tokens <= options_.first_counted) return;
    statistics_.Resize(static_cast<size_t>(width));
    const float* data = activations.data_ptr<float>();
    ReduceRow(data, width, options_.first_counted, tokens, 0, width, 0, statistics_);
    for (const size_t u : by_layer_.at(layer)) {
      const auto index = static_cast<size_t>(units_[u].index);
      Reservoir& reservoir = reservoirs_[u];
      if (statistics_.maximum[index] < reservoir.threshold) continue;
      const uint64_t priority =
          base::MixBits(reservoir.stream ^ static_cast<uint64_t>(sequence.id));
      const bool full = static_cast<int>(reservoir.entries.size()) >= options_.cap;
      if (full && priority >= reservoir.entries.front().priority) continue;
      if (full) {
        std::pop_heap(reservoir.entries.begin(), reservoir.entries.end(), BySmallest);
        reservoir.entries.pop_back();
      }
      ExampleInput found;
      found.example = {units_[u],
                       store::ExampleKind::kAbove,
                       0,
                       0,
                       sequence.id,
                       statistics_.argmax[index],
                       statistics_.maximum[index],
                       {}};
      found.example.activations.assign(static_cast<size_t>(tokens),
                                       std::numeric_limits<float>::quiet_NaN());
      for (int64_t t = options_.first_counted; t < tokens; ++t)
        found.example.activations[static_cast<size_t>(t)] = data[t * width + units_[u].index];
      found.input = RowOf(inputs, found.example.pivot);
      reservoir.entries.push_back({priority, std::move(found)});
      std::push_heap(reservoir.entries.begin(), reservoir.entries.end(), BySmallest);
      used_ = true;
    }
  }

  // Whether an example of the last sequence was kept, for a while at least.
  bool TakeUsed() { return std::exchange(used_, false); }

  std::vector<std::vector<ExampleInput>> Finish() {
    std::vector<std::vector<ExampleInput>> out(units_.size());
    for (size_t u = 0; u < units_.size(); ++u) {
      for (Reservoir::Entry& entry : reservoirs_[u].entries)
        out[u].push_back(std::move(entry.example));
      std::sort(out[u].begin(), out[u].end(), [](const ExampleInput& a, const ExampleInput& b) {
        return std::pair(-a.example.activation, a.example.sequence) <
               std::pair(-b.example.activation, b.example.sequence);
      });
      for (size_t i = 0; i < out[u].size(); ++i) out[u][i].example.rank = static_cast<int>(i);
    }
    return out;
  }

 private:
  std::span<const UnitId> units_;
  AboveOptions options_;
  std::vector<Reservoir> reservoirs_;
  std::map<int, std::vector<size_t>> by_layer_;
  RowStatistics statistics_;
  bool used_ = false;
};

}  // namespace

std::vector<std::vector<ExampleInput>> InputsAbove(const SequenceStream& text,
                                                   const model::TokenUnits& model,
                                                   std::span<const UnitId> units,
                                                   std::span<const double> maxima,
                                                   const AboveOptions& options,
                                                   std::map<int64_t, store::Sequence>& sequences) {
  ASSAY_CHECK(units.size() == maxima.size());
  std::set<int> layers;
  for (const UnitId unit : units) layers.insert(unit.layer);
  AboveCollector collector(units, maxima, options);
  std::map<int64_t, store::Sequence> seen;
  while (auto sequence = text()) {
    RunSequence(model, *sequence, layers, true,
                [&](int layer, const at::Tensor& activations, const at::Tensor& inputs) {
                  collector.Take(*sequence, layer, activations, inputs);
                });
    if (collector.TakeUsed()) seen.emplace(sequence->id, std::move(*sequence));
  }
  std::vector<std::vector<ExampleInput>> out = collector.Finish();
  for (const auto& examples : out) {
    for (const ExampleInput& example : examples) {
      const auto found = seen.find(example.example.sequence);
      if (found != seen.end()) sequences.insert(seen.extract(found));
    }
  }
  return out;
}

}  // namespace assay::neurons
