// The forward pass against the machine: arithmetic rate of a GPT-2-small-shaped model as a share of
// the matrix-product rate measured beside it. Goal: 60%.
//   forward_bench [--full]
#include <fmt/core.h>

#include "bench/measured.h"

namespace {

using assay::bench::BestSeconds;
using assay::model::Transformer;

// Floating-point operations of one forward: two a weight and token for every matrix, and
// attention's two products (over the whole square: how much of the masked half is computed is the
// engine's affair).
double Flops(const assay::model::TransformerConfig& config, int64_t rows, int64_t tokens,
             bool head) {
  const double d = config.d_model, mlp = config.d_mlp, all = static_cast<double>(rows * tokens);
  const double block = 4 * d * d + 2 * d * mlp;
  const double attention = 2 * static_cast<double>(tokens) * d;
  return 2 * all * (config.layers * (block + attention) + (head ? d * config.vocab : 0));
}

void Measure(const Transformer& model, int64_t rows, int64_t tokens, bool head) {
  const c10::InferenceMode guard;
  const auto& config = model.config();
  const at::Tensor ids = assay::bench::RandomTokens(rows, tokens, config.vocab);
  const auto hook =
      head ? assay::model::ParseHook("logits", config)
           : assay::model::BlockHook(assay::model::HookSite::kResidPost, config.layers - 1, config);
  assay::bench::ResetPeakMemory();
  // Before and after: a neighbour on the machine slows both alike.
  const double before = assay::bench::SgemmGflops(rows * tokens, config.d_model, config.d_mlp);
  const double seconds = BestSeconds(2, [&] { model.Read({.ids = ids}, hook); });
  const double sgemm =
      std::max(before, assay::bench::SgemmGflops(rows * tokens, config.d_model, config.d_mlp));
  const double rate = Flops(config, rows, tokens, head) / seconds / 1e9;
  fmt::print(
      "{:3} x {:4} tokens {:<13} {:8.0f} tokens/s  {:6.1f} GFLOP/s  sgemm {:6.1f}  share {:3.0f}%  "
      "peak {:5.0f} MB\n",
      rows, tokens, head ? "with logits" : "blocks only",
      static_cast<double>(rows * tokens) / seconds, rate, sgemm, 100 * rate / sgemm,
      assay::bench::PeakMemoryMb());
}

}  // namespace

int main(int argc, char** argv) {
  assay::model::PrepareProcess(argv);
  assay::bench::PrintLoad();
  const bool full = assay::bench::HasFlag({argv + 1, static_cast<size_t>(argc - 1)}, "--full");
  const Transformer model = assay::bench::GptTwoSmall();
  const int threads = assay::bench::AllThreads();
  for (const int used : {1, threads}) {
    assay::model::SetThreads(used);
    fmt::print("GPT-2 small's shape, random weights, float32, {} thread{} (goal: 60% of sgemm)\n",
               used, used == 1 ? "" : "s");
    for (const auto& [rows, tokens] : {std::pair<int64_t, int64_t>{1, 256}, {8, 128}, {4, 512}}) {
      if (!full && (rows == 4 || (used > 1 && rows != 8))) continue;
      Measure(model, rows, tokens, false);
      if (full || used == 1) Measure(model, rows, tokens, true);
    }
    if (threads == 1) break;
  }
  return 0;
}
