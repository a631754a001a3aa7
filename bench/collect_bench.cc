// Collecting every neuron's examples against the bare forward of the same batches. Goal: 85% of its
// tokens/s. (Writing the examples at the end takes its time once, whatever the length of the text.)
//   collect_bench [--full]
#include <fmt/core.h>

#include "bench/measured.h"
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

void BareForward(const Transformer& model, int64_t count, int64_t tokens, int64_t rows) {
  const c10::InferenceMode guard;
  const auto deepest = assay::model::ActivationHook(model.config().layers - 1, model.config());
  const at::Tensor ids = assay::bench::RandomTokens(count, tokens, model.config().vocab);
  for (int64_t i = 0; i < count; i += rows)
    model.Read({.ids = ids.narrow(0, i, std::min(rows, count - i))}, deepest);
}

void Measure(const std::string& name, const Transformer& model, int64_t count, int64_t tokens,
             int64_t rows) {
  const auto sequences = RandomSequences(count, tokens, model.config().vocab);
  BareForward(model, rows, tokens, rows);
  const double forward_before =
      assay::bench::Seconds([&] { BareForward(model, count, tokens, rows); });
  assay::bench::ResetPeakMemory();
  assay::neurons::ExampleCollector collector(
      model, {.batch_tokens = static_cast<int>(rows == 1 ? 1 : rows * tokens)}, 0);
  // The collector works window by window: time counts to the end of the last whole one.
  double collect = 0;
  int64_t collected = 0;
  const double start = assay::bench::Now();
  for (const Sequence& sequence : sequences) {
    collector.Add(sequence);
    if (collector.sequences_done() == collected) continue;
    collected = collector.sequences_done();
    collect = assay::bench::Now() - start;
  }
  const double peak = assay::bench::PeakMemoryMb();
  const double forward =
      (forward_before + assay::bench::Seconds([&] { BareForward(model, count, tokens, rows); })) /
      2;
  const double rate = static_cast<double>(count * tokens) / forward,
               collect_rate = static_cast<double>(collected * tokens) / collect;
  fmt::print(
      "{:<22} {:3} x {:3} tokens a forward: forward {:7.0f} tokens/s, collection {:7.0f}, share "
      "{:3.0f}%; peak {:5.0f} MB\n",
      name, rows, tokens, rate, collect_rate, 100 * collect_rate / rate, peak);
}

}  // namespace

int main(int argc, char** argv) {
  assay::model::PrepareProcess();
  const bool full = assay::bench::HasFlag({argv + 1, static_cast<size_t>(argc - 1)}, "--full");
  fmt::print("Collection of all neurons, {} threads (goal: 85% of the bare forward)\n",
             assay::model::Threads());
  const Transformer shipped = Transformer::Load(ASSAY_SOURCE_DIR "/models/assay-solu-6l");
  Measure("default model", shipped, full ? 4096 : 1536, 128, 1);
  Measure("default model", shipped, full ? 4096 : 1536, 128, 8);
  const Transformer gpt2 = assay::bench::GptTwoSmall();
  Measure("GPT-2 small's shape", gpt2, full ? 650 : 195, 128, 1);
  if (full) Measure("GPT-2 small's shape", gpt2, 650, 128, 8);
  return 0;
}
