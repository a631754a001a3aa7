// Training of sparse autoencoders against the bare matrix products that a step needs (goal: at most
// twice their time): encode, decode, and the three products of the gradients; with the embedding
// loss five more of the same size (two for the cosines, two for their gradient, one for the running
// means). One thread; times are of the processor.
//   sae_bench [--full]     --full: also 768 x 6144
#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <fmt/core.h>

#include <string>

#include "bench/measured.h"
#include "training/sae_trainer.h"

namespace {

using namespace assay;  // a program of its own, not a header

void Compare(int64_t d, int64_t features, int64_t rows) {
  constexpr int kRepeats = 5;
  const at::Tensor data = at::randn({4 * rows, d});
  const at::Tensor x = data.narrow(0, 0, rows).contiguous(), w = at::randn({d, features}),
                   v = at::randn({features, d}), f = at::randn({rows, features});
  const double products = bench::BestSeconds(kRepeats, [&] {
    at::mm(x, w);      // encode
    at::mm(f, v);      // decode
    at::mm(x, v.t());  // gradient of the features
    at::mm(f.t(), x);  // of the decoder
    at::mm(x.t(), f);  // of the encoder
  });
  for (const std::string kind : {"standard", "topk", "embedding"}) {
    training::SaeTrainer trainer(
        data, {.kind = kind, .features = features, .batch = rows, .steps = 1000, .dead_steps = 0});
    const double step = bench::BestSeconds(kRepeats, [&] { trainer.Step(); });
    const int times = kind == "embedding" ? 2 : 1;
    fmt::print("{:9} d {} features {}: {:7.0f} vectors/s, {:.2f} times its {:2} bare products\n",
               kind, d, features, static_cast<double>(rows) / step, step / (times * products),
               5 * times);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const c10::InferenceMode guard;
  model::KeepLargeBlocks();
  model::SetThreads(1);
  Compare(192, 1536, 2048);
  if (bench::HasFlag({argv + 1, static_cast<size_t>(argc - 1)}, "--full")) Compare(768, 6144, 2048);
}
