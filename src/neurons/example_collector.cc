#include "neurons/example_collector.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/rng.h"
#include "model/token_batch.h"

namespace assay::neurons {
namespace {

using model::HookPoint;

constexpr float kNotCounted = std::numeric_limits<float>::quiet_NaN();

at::Tensor PaddedIds(std::span<const store::Sequence> window, std::span<const size_t> rows,
                     at::Device device) {
  std::vector<std::span<const int32_t>> tokens;
  for (const size_t row : rows) tokens.emplace_back(window[row].tokens);
  return model::PadRight(tokens, device);
}

// Groups rows, shortest first, into batches of about `limit` tokens with padding.
std::vector<std::vector<size_t>> GroupByLength(std::span<const store::Sequence> window,
                                               int64_t limit) {
  std::vector<size_t> order(window.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return window[a].tokens.size() < window[b].tokens.size();
  });
  std::vector<std::vector<size_t>> batches;
  for (const size_t row : order) {
    const auto length = static_cast<int64_t>(window[row].tokens.size());
    if (batches.empty() || static_cast<int64_t>(batches.back().size() + 1) * length > limit)
      batches.emplace_back();
    batches.back().push_back(row);
  }
  return batches;
}

}  // namespace

ExampleCollector::ExampleCollector(const model::Transformer& model, const CollectOptions& options,
                                   int bos_tokens)
    : ExampleCollector(std::make_unique<model::TransformerNeurons>(model), options, bos_tokens) {}

ExampleCollector::ExampleCollector(const model::TokenUnits& units, const CollectOptions& options,
                                   int bos_tokens)
    : ExampleCollector(nullptr, units, options, bos_tokens) {}

ExampleCollector::ExampleCollector(std::unique_ptr<model::TokenUnits> owned,
                                   const CollectOptions& options, int bos_tokens)
    : ExampleCollector(nullptr, *owned, options, bos_tokens) {
  owned_ = std::move(owned);
}

ExampleCollector::ExampleCollector(std::nullptr_t, const model::TokenUnits& token_units,
                                   const CollectOptions& options, int bos_tokens)
    : units_(token_units), options_(options), bos_tokens_(bos_tokens) {
  base::ValidateFields(options);
  size_t units = 0;
  for (const int layer : units_.Layers()) {
    layer_begin_[layer] = units;
    units += static_cast<size_t>(units_.Units(layer));
  }
  totals_.resize(units);
  top_.resize(units);
  if (options.bottom) bottom_.resize(units);
}

ExampleCollector::~ExampleCollector() = default;

std::vector<HookPoint> ExampleCollector::ReadHooks() const {
  std::vector<HookPoint> hooks;
  for (const auto& [layer, begin] : layer_begin_) hooks.push_back(units_.ReadHook(layer));
  return hooks;
}

at::Tensor ExampleCollector::Activations(int layer, const at::Tensor& value) const {
  return units_.Activations(layer, value).to(at::kCPU, at::kFloat).contiguous();
}

int64_t ExampleCollector::FirstCounted(const store::Sequence&) const {
  return (options_.include_bos ? 0 : bos_tokens_) + options_.skip_positions;
}

void ExampleCollector::Add(store::Sequence sequence) {
  window_.push_back(std::move(sequence));
  // The window's statistics take about 64 MB; its size depends on the model only, so that sums add
  // up in a fixed order.
  const size_t rows = std::clamp<size_t>((64 << 20) / (totals_.size() * 28), 16, 512);
  if (window_.size() >= rows) RunWindow();
}

void ExampleCollector::RunWindow() {
  if (window_.empty()) return;
  window_statistics_.resize(window_.size());
  for (RowStatistics& row : window_statistics_) row.Resize(totals_.size());
  for (const auto& batch : GroupByLength(window_, options_.batch_tokens)) RunBatch(batch);
  for (size_t row = 0; row < window_.size(); ++row) {
    const int64_t begin = FirstCounted(window_[row]),
                  tokens = static_cast<int64_t>(window_[row].tokens.size());
    tokens_done_ += tokens;
    if (begin >= tokens) continue;
    const bool first = counted_tokens_ == 0;
    counted_tokens_ += tokens - begin;
    const RowStatistics& statistics = window_statistics_[row];
    for (size_t u = 0; u < totals_.size(); ++u) {
      Totals& totals = totals_[u];
      totals.sum += statistics.sum[u];
      totals.squares += statistics.squares[u];
      totals.maximum =
          first ? statistics.maximum[u] : std::max(totals.maximum, statistics.maximum[u]);
      totals.minimum =
          first ? statistics.minimum[u] : std::min(totals.minimum, statistics.minimum[u]);
      totals.positive += statistics.positive[u];
    }
    OfferSample(row);
  }
  sequences_done_ += static_cast<int64_t>(window_.size());
  window_.clear();
}

void ExampleCollector::RunBatch(std::span<const size_t> rows) {
  const c10::InferenceMode guard;
  const at::Tensor ids = PaddedIds(window_, rows, units_.device());
  units_.network().Forward({.ids = ids}, ReadHooks(),
                           [&](const HookPoint& hook, at::Tensor& value) {
                             const at::Tensor host = Activations(hook.layer, value);
                             TakeLayer(rows, hook.layer, host.data_ptr<float>(), host.size(1));
                           });
}

void ExampleCollector::TakeLayer(std::span<const size_t> rows, int layer, const float* data,
                                 int64_t tokens) {
  const int64_t units = units_.Units(layer);
  std::vector<std::vector<std::pair<size_t, int64_t>>> entered(
      static_cast<size_t>(at::get_num_threads()));  // row, evicted sequence
  constexpr int64_t kChunk = 256;  // units whose statistics stay in the first-level cache
  at::parallel_for(
      0, (units + kChunk - 1) / kChunk, 1, [&](int64_t begin_chunk, int64_t end_chunk) {
        auto& changes = entered[static_cast<size_t>(at::get_thread_num())];
        const int64_t first = begin_chunk * kChunk, last = std::min(units, end_chunk * kChunk);
        for (size_t r = 0; r < rows.size(); ++r) {
          const store::Sequence& sequence = window_[rows[r]];
          const int64_t begin = FirstCounted(sequence),
                        length = static_cast<int64_t>(sequence.tokens.size());
          if (begin >= length) continue;
          const float* row = data + static_cast<int64_t>(r) * tokens * units;
          RowStatistics& statistics = window_statistics_[rows[r]];
          for (int64_t chunk = first; chunk < last; chunk += kChunk) {
            ReduceRow(row, units, begin, length, chunk, std::min(last, chunk + kChunk),
                      UnitIndex(layer, 0), statistics);
          }
          for (int64_t u = first; u < last; ++u) {
            const size_t unit = UnitIndex(layer, u);
            const auto offer = [&](std::vector<Entry>& kept, float value, int32_t pivot,
                                   float sign) {
              const bool full = static_cast<int>(kept.size()) == options_.top;
              if (full &&
                  (sign * value < sign * kept.back().activation ||
                   (value == kept.back().activation && sequence.id > kept.back().sequence))) {
                return;
              }
              const int64_t evicted = full ? kept.back().sequence : -1;
              Offer(kept, sequence, value, pivot, sign, row + u, units);
              changes.emplace_back(rows[r], evicted);
            };
            offer(top_[unit], statistics.maximum[unit], statistics.argmax[unit], 1.0F);
            if (options_.bottom)
              offer(bottom_[unit], statistics.minimum[unit], statistics.argmin[unit], -1.0F);
          }
        }
      });
  for (const auto& changes : entered) {
    for (const auto& [row, evicted] : changes) UseSequence(window_[row]);
  }
  for (const auto& changes : entered) {
    for (const auto& [row, evicted] : changes) {
      if (evicted >= 0) ReleaseSequence(evicted);
    }
  }
}

void ExampleCollector::Offer(std::vector<Entry>& kept, const store::Sequence& sequence, float value,
                             int32_t pivot, float sign, const float* column, int64_t stride) {
  Entry entry;
  // In a full list the new one takes the last one's place and its memory.
  if (static_cast<int>(kept.size()) == options_.top) {
    entry = std::move(kept.back());
    kept.pop_back();
  }
  entry.activation = value;
  entry.sequence = sequence.id;
  entry.pivot = pivot;
  entry.activations.assign(sequence.tokens.size(), kNotCounted);
  for (size_t t = static_cast<size_t>(FirstCounted(sequence)); t < entry.activations.size(); ++t) {
    entry.activations[t] = column[static_cast<int64_t>(t) * stride];
  }
  const auto stronger = [sign](const Entry& a, const Entry& b) {
    return std::pair(-sign * a.activation, a.sequence) <
           std::pair(-sign * b.activation, b.sequence);
  };
  kept.insert(std::upper_bound(kept.begin(), kept.end(), entry, stronger), std::move(entry));
}

void ExampleCollector::UseSequence(const store::Sequence& sequence) {
  Kept& kept = sequences_[sequence.id];
  if (kept.uses++ == 0) kept.sequence = sequence;
}

void ExampleCollector::ReleaseSequence(int64_t id) {
  const auto found = sequences_.find(id);
  ASSAY_CHECK(found != sequences_.end());
  if (--found->second.uses == 0) sequences_.erase(found);
}

// The sample is the sequences with the smallest hash of (seed, id): uniform, and the same in
// whatever order they come.
void ExampleCollector::OfferSample(size_t row) {
  if (options_.sample == 0) return;
  const store::Sequence& sequence = window_[row];
  const uint64_t priority =
      base::Rng(options_.seed, "sample", static_cast<uint64_t>(sequence.id)).Next();
  if (static_cast<int>(sampled_.size()) == options_.sample) {
    if (priority >= sampled_.back().priority) return;
    sampled_.pop_back();
  }
  const RowStatistics& statistics = window_statistics_[row];
  Sampled sampled{priority, sequence, statistics.maximum, statistics.argmax};
  const auto before = [](const Sampled& a, const Sampled& b) { return a.priority < b.priority; };
  sampled_.insert(std::upper_bound(sampled_.begin(), sampled_.end(), sampled, before),
                  std::move(sampled));
}

std::vector<int64_t> ExampleCollector::SampledSequences() const {
  std::vector<int64_t> out;
  for (const Sampled& sampled : sampled_) out.push_back(sampled.sequence.id);
  std::sort(out.begin(), out.end());
  return out;
}

void ExampleCollector::WriteExamples(store::RunStore& store, base::UnitId unit,
                                     store::ExampleKind kind,
                                     const std::vector<Entry>& entries) const {
  for (size_t rank = 0; rank < entries.size(); ++rank) {
    const Entry& entry = entries[rank];
    store.Put(store::Example{unit, kind, 0, static_cast<int>(rank), entry.sequence, entry.pivot,
                             entry.activation, entry.activations});
  }
}

void ExampleCollector::Finish(store::RunStore& store) {
  RunWindow();
  if (counted_tokens_ == 0)
    base::Fail(base::ErrorKind::kBadInput,
               "no token of the text counts; is every sequence one token long?");
  for (const int layer : units_.Layers()) {
    const int units = static_cast<int>(units_.Units(layer));
    store.Transaction([&] {
      for (int u = 0; u < units; ++u) {
        const size_t at = UnitIndex(layer, u);
        const Totals& totals = totals_[at];
        const auto count = static_cast<double>(counted_tokens_);
        const double mean = totals.sum / count;
        store.Put(store::UnitStats{.unit = {layer, u},
                                   .tokens = counted_tokens_,
                                   .mean = mean,
                                   .variance = std::max(0.0, totals.squares / count - mean * mean),
                                   .maximum = totals.maximum,
                                   .minimum = totals.minimum,
                                   .firing_rate = static_cast<double>(totals.positive) / count});
        WriteExamples(store, {layer, u}, store::ExampleKind::kTop, top_[at]);
        if (options_.bottom)
          WriteExamples(store, {layer, u}, store::ExampleKind::kBottom, bottom_[at]);
      }
    });
  }
  store.Transaction([&] {
    for (const auto& [id, kept] : sequences_) store.Put(kept.sequence);
    for (const Sampled& sampled : sampled_) {
      if (!sequences_.contains(sampled.sequence.id)) store.Put(sampled.sequence);
    }
  });
  WriteQuantiles(store);
}

void ExampleCollector::WriteQuantiles(store::RunStore& store) {
  const size_t count = sampled_.size();
  if (count == 0 || options_.per_bin == 0) return;
  struct Choice {
    int unit, bin, rank;
  };
  // chosen[layer][sampled]: which units show this sequence, and as what
  std::map<int, std::vector<std::vector<Choice>>> chosen;
  std::vector<base::UnitId> ids_of_units;
  for (const int layer : units_.Layers()) {
    chosen[layer].resize(count);
    for (int u = 0; u < units_.Units(layer); ++u) ids_of_units.push_back({layer, u});
  }
  std::vector<size_t> order(count);
  for (size_t unit = 0; unit < totals_.size(); ++unit) {
    for (size_t i = 0; i < count; ++i) order[i] = i;
    std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
      return std::pair(sampled_[a].maximum[unit], -sampled_[a].sequence.id) <
             std::pair(sampled_[b].maximum[unit], -sampled_[b].sequence.id);
    });
    for (int bin = 0; bin < options_.bins; ++bin) {
      const size_t begin = count * static_cast<size_t>(bin) / static_cast<size_t>(options_.bins);
      const size_t end = count * static_cast<size_t>(bin + 1) / static_cast<size_t>(options_.bins);
      const size_t kept = std::min(end - begin, static_cast<size_t>(options_.per_bin));
      for (size_t j = 0; j < kept; ++j) {  // evenly over the bin; rank 0 is the strongest
        const size_t at = begin + (2 * j + 1) * (end - begin) / (2 * kept);
        chosen[ids_of_units[unit].layer][order[at]].push_back(
            {ids_of_units[unit].index, bin, static_cast<int>(kept - 1 - j)});
      }
    }
  }
  std::vector<store::Sequence> sequences;
  for (const Sampled& sampled : sampled_) sequences.push_back(sampled.sequence);
  for (const auto& rows : GroupByLength(sequences, options_.batch_tokens)) {
    const c10::InferenceMode guard;
    const at::Tensor ids = PaddedIds(sequences, rows, units_.device());
    store.Transaction([&] {
      units_.network().Forward(
          {.ids = ids}, ReadHooks(), [&](const HookPoint& hook, at::Tensor& value) {
            const at::Tensor host = Activations(hook.layer, value);
            const int64_t units = host.size(2);
            for (size_t r = 0; r < rows.size(); ++r) {
              const Sampled& sampled = sampled_[rows[r]];
              const float* data =
                  host.data_ptr<float>() + static_cast<int64_t>(r) * host.size(1) * units;
              for (const Choice& choice : chosen[hook.layer][rows[r]]) {
                const size_t unit = UnitIndex(hook.layer, choice.unit);
                store::Example example{
                    {hook.layer, choice.unit},
                    store::ExampleKind::kQuantile,
                    choice.bin,
                    choice.rank,
                    sampled.sequence.id,
                    sampled.argmax[unit],
                    sampled.maximum[unit],
                    std::vector<float>(sampled.sequence.tokens.size(), kNotCounted)};
                for (size_t t = static_cast<size_t>(FirstCounted(sampled.sequence));
                     t < example.activations.size(); ++t) {
                  example.activations[t] = data[static_cast<int64_t>(t) * units + choice.unit];
                }
                store.Put(example);
              }
            }
          });
    });
  }
}

}  // namespace assay::neurons
