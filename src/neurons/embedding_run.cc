#include "neurons/embedding_run.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <chrono>
#include <set>

#include "base/error.h"
#include "neurons/cluster_labels.h"

namespace assay::neurons {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

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
    ReadSequences();
    ClusterAndStore(store_,
                    {.model = context_.model,
                     .units = units_,
                     .inputs = inputs_,
                     .label = [this](auto members, auto& cluster) { Label(members, cluster); },
                     .write_examples = [this](size_t unit) { WriteExamples(inputs_[unit]); }},
                    clusters_, progress);
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

  void Label(std::span<const ExampleInput* const> members, store::FeatureCluster& cluster) const {
    std::vector<LabelledExample> examples;
    for (const ExampleInput* member : members) examples.push_back(Labelled(*member));
    ClusterLabel label = labeller_.Label(examples);
    cluster.activating = std::move(label.activating);
    cluster.context = std::move(label.context);
    cluster.label = std::move(label.text);
  }

  void WriteExamples(const std::vector<ExampleInput>& inputs) {
    for (const ExampleInput& input : inputs) {
      if (input.example.kind != store::ExampleKind::kAbove) continue;
      store_.Put(input.example);
      if (written_.insert(input.example.sequence).second)
        store_.Put(sequences_.at(input.example.sequence));
    }
  }

  store::RunStore& store_;
  std::span<const UnitId> units_;
  const EmbedOptions& options_;
  const ClusterOptions& clusters_;
  const EmbedContext& context_;
  std::vector<std::vector<ExampleInput>> inputs_;
  std::map<int64_t, store::Sequence> sequences_;
  std::set<int64_t> written_;
  ClusterLabeller labeller_{context_.token_texts, static_cast<size_t>(context_.first_counted)};
};

// How many of the units from `begin` on are done together: whole layers where one fits into the
// memory, else a part of a layer.
size_t BlockEnd(std::span<const UnitId> units, size_t begin, const EmbedOptions& options,
                const EmbedContext& context) {
  const int64_t width = context.model.InputWeights(units[begin].layer).size(1);
  const int64_t unit_bytes = (width * 4 + 600) * options.cap;  // vector, activations, record
  const auto fitting = static_cast<size_t>(std::max<int64_t>(1, context.memory_bytes / unit_bytes));
  if (units.size() - begin <= fitting) return units.size();
  size_t end = begin + fitting;
  while (end > begin && units[end - 1].layer == units[end].layer) --end;
  return end > begin ? end : begin + fitting;
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
