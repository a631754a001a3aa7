// One streaming pass over text for all units of all layers: each unit's strongest examples, a
// uniform sample of sequences, and statistics. Ties go to the earlier sequence. The result does not
// depend on libtorch's threads, nor on how sequences are handed over (the BLAS is to have one
// thread: model/process_setup.h). With batch_tokens > 1 several sequences share a forward, and a
// value can differ in its last bits with the row it has in the matrix products (OpenBLAS computes
// edge rows differently): near-ties can then fall either way, so the option is part of what makes
// two collections the same. Memory: about units * top * sequence tokens * 4 bytes, whatever the
// length of the text. Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/options.h"
#include "model/inspectable_model.h"
#include "neurons/unit_statistics.h"
#include "store/run_store.h"

namespace assay::neurons {

struct CollectOptions {
  int top = 20;
  bool bottom = false;
  int sample = 200;
  int bins = 10;
  int per_bin = 2;
  bool include_bos = false;
  int skip_positions = 0;
  int batch_tokens = 1;
  uint64_t seed = 1;

  template <typename Visitor>
  void VisitFields(Visitor&& visit) {
    using base::Between;
    visit("top", top, "strongest examples kept for each neuron", Between(1, 1000));
    visit("bottom", bottom, "also keep the most negative examples");
    visit("sample", sample, "sequences in the uniform random sample", Between(0, 100000));
    visit("bins", bins, "quantile bins of the sample", Between(1, 100));
    visit("per-bin", per_bin, "examples kept of each bin for each neuron", Between(0, 100));
    visit("include-bos", include_bos, "count the BOS token's activation like any other");
    visit("skip-positions", skip_positions, "tokens after BOS that do not count (attention sinks)",
          Between(0, 1024));
    visit("batch-tokens", batch_tokens,
          "tokens a forward, about; 1: a sequence at a time, so that a value depends on it alone",
          Between(1, 1 << 24));
    visit("seed", seed, "of the random sample");
  }
};

class ExampleCollector {
 public:
  // Of the neurons of `model`, or of other units; borrowed. bos_tokens: 1 when sequences begin with
  // BOS, else 0.
  ExampleCollector(const model::Transformer& model, const CollectOptions& options, int bos_tokens);
  ExampleCollector(const model::TokenUnits& units, const CollectOptions& options, int bos_tokens);
  ~ExampleCollector();

  // Takes sequences in the order of their ids. Buffers up to a window, so that lengths can be
  // grouped.
  void Add(store::Sequence sequence);

  // Runs what is buffered, chooses the quantile examples, and writes everything: sequences,
  // statistics, examples.
  void Finish(store::RunStore& store);

  // State after the last full window, for resuming: Restore() and then Add() from sequence
  // `sequences_done()` on gives the same result as an uninterrupted pass.
  int64_t sequences_done() const { return sequences_done_; }
  int64_t tokens_done() const { return tokens_done_; }
  void Save(const std::string& path) const;
  void Restore(const std::string& path);

  // The sequences of the uniform sample, ascending by id.
  std::vector<int64_t> SampledSequences() const;

 private:
  struct Entry {  // one kept example of one unit
    float activation = 0;
    int64_t sequence = 0;
    int32_t pivot = 0;
    std::vector<float> activations;
  };
  struct Totals {
    double sum = 0, squares = 0;
    float maximum = 0, minimum = 0;
    int64_t positive = 0;
  };
  struct Sampled {
    uint64_t priority = 0;
    store::Sequence sequence;
    std::vector<float> maximum;   // by unit
    std::vector<int32_t> argmax;  // by unit
  };
  struct Kept {
    store::Sequence sequence;
    int64_t uses = 0;
  };

  void RunWindow();
  void RunBatch(std::span<const size_t> rows);  // indices into window_
  void TakeLayer(std::span<const size_t> rows, int layer, const float* data, int64_t tokens);
  void Offer(std::vector<Entry>& kept, const store::Sequence& sequence, float value, int32_t pivot,
             float sign, const float* column, int64_t stride);
  void UseSequence(const store::Sequence& sequence);
  void ReleaseSequence(int64_t id);
  void OfferSample(size_t row);
  void WriteQuantiles(store::RunStore& store);
  void WriteExamples(store::RunStore& store, base::UnitId unit, store::ExampleKind kind,
                     const std::vector<Entry>& entries) const;
  int64_t FirstCounted(const store::Sequence& sequence) const;
  size_t UnitIndex(int layer, int64_t unit) const {
    return layer_begin_.at(layer) + static_cast<size_t>(unit);
  }
  ExampleCollector(std::unique_ptr<model::TokenUnits> owned, const CollectOptions& options,
                   int bos_tokens);
  ExampleCollector(std::nullptr_t, const model::TokenUnits& units, const CollectOptions& options,
                   int bos_tokens);
  std::vector<model::HookPoint> ReadHooks() const;
  at::Tensor Activations(int layer, const at::Tensor& value) const;  // [rows, T, units] on the CPU

  std::unique_ptr<model::TokenUnits> owned_;  // the neurons, when only a network was given
  const model::TokenUnits& units_;
  std::map<int, size_t> layer_begin_;  // index of a layer's first unit
  CollectOptions options_;
  int bos_tokens_;
  int64_t sequences_done_ = 0, tokens_done_ = 0, counted_tokens_ = 0;
  std::vector<store::Sequence> window_;
  std::vector<RowStatistics> window_statistics_;  // one a row of the window, all units
  std::vector<Totals> totals_;                    // by unit
  std::vector<std::vector<Entry>> top_, bottom_;  // by unit, strongest first
  std::vector<Sampled> sampled_;                  // ascending by priority
  std::map<int64_t, Kept> sequences_;             // those that an example uses
};

}  // namespace assay::neurons
