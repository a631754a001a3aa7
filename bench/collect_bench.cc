// Collecting every neuron's examples against the bare forward of the same batches, one thread on
// the processor's clock. Goal: 85% of its tokens/s. (Writing the examples at the end takes its time
// once, whatever the length of the text.)
//   collect_bench [--full]
#include <fmt/core.h>

#include "bench/measured.h"
#include "model/token_batch.h"
#include "neurons/example_collector.h"

namespace {

using assay::model::Transformer;
using assay::store::Sequence;

std::vector<Sequence> RandomSequences(int64_t count, int64_t tokens, int vocab) {
  const at::Tensor ids = assay::bench::RandomTokens(count, tokens, vocab);
  const auto* data = ids.data_ptr<int64_t>();
  std::vector<Sequence> out;
  for (int64_t i = 0; i < count; ++i)
    out.push_back({i, "random", i, 0, {data + i * tokens, data + (i + 1) * tokens}});
  return out;
}

void BareForward(const Transformer& model, std::span<const Sequence> sequences, int64_t rows) {
  const c10::InferenceMode guard;
  const auto deepest = assay::model::ActivationHook(model.config().layers - 1, model.config());
  for (size_t i = 0; i < sequences.size(); i += static_cast<size_t>(rows)) {
    std::vector<std::span<const int32_t>> batch;
    for (size_t r = i; r < std::min(sequences.size(), i + static_cast<size_t>(rows)); ++r)
      batch.emplace_back(sequences[r].tokens);
    model.Read({.ids = assay::model::PadRight(batch, at::kCPU)}, deepest);
  }
}

// Window by window, as the collector works: a bare forward of the window's sequences, then the
// collector's, so that a neighbour on the machine slows both alike.
void Measure(const std::string& name, const Transformer& model, int64_t windows, int64_t tokens,
             int64_t rows) {
  assay::neurons::ExampleCollector collector(
      model, {.batch_tokens = static_cast<int>(rows == 1 ? 1 : rows * tokens)}, 0);
  const auto sequences = RandomSequences(512 * windows, tokens, model.config().vocab);
  BareForward(model, {sequences.data(), static_cast<size_t>(rows)}, rows);
  assay::bench::ResetPeakMemory();
  double forward = 0, collect = 0;
  size_t begin = 0;
  for (int64_t window = 0; window < windows; ++window) {
    size_t end = begin;
    collect += assay::bench::Seconds([&] {
      const int64_t done = collector.sequences_done();
      while (collector.sequences_done() == done) collector.Add(sequences[end++]);
    });
    forward += assay::bench::Seconds(
        [&] { BareForward(model, std::span(sequences).subspan(begin, end - begin), rows); });
    begin = end;
  }
  const auto all = static_cast<double>(static_cast<int64_t>(begin) * tokens);
  fmt::print(
      "{:<20} {:5} sequences of {:3}, {} a forward: forward {:7.0f} tokens/s, collection {:7.0f}, "
      "share {:3.0f}%; peak {:5.0f} MB\n",
      name, begin, tokens, rows, all / forward, all / collect, 100 * forward / collect,
      assay::bench::PeakMemoryMb());
}

}  // namespace

int main(int argc, char** argv) {
  assay::model::PrepareProcess(argv);
  assay::bench::PrintLoad();
  const bool full = assay::bench::HasFlag({argv + 1, static_cast<size_t>(argc - 1)}, "--full");
  assay::model::SetThreads(1);
  fmt::print("Collection of all neurons, 1 thread (goal: 85% of the bare forward)\n");
  const Transformer shipped = Transformer::Load(ASSAY_SOURCE_DIR "/models/assay-solu-6l");
  // The first sequences of a text enter every list of strongest examples, later ones rarely do:
  // what a text of hundreds of thousands of tokens costs shows after some windows.
  Measure("default model", shipped, full ? 8 : 3, 128, 1);
  if (!full) return 0;
  Measure("default model", shipped, 8, 128, 8);
  const Transformer gpt2 = assay::bench::GptTwoSmall();
  Measure("GPT-2 small's shape", gpt2, 8, 128, 1);
  Measure("GPT-2 small's shape", gpt2, 8, 128, 8);
  return 0;
}
