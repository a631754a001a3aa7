// Training of sparse autoencoders against the bare matrix products that a step needs (goal: at most
// twice their time): encode, decode, and the three products of the gradients.
#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <fmt/core.h>

#include <algorithm>
#include <chrono>

#include "training/sae_trainer.h"

namespace {

using namespace assay;  // a program of its own, not a header

double BestSeconds(const std::function<void()>& work) {
  double best = 1e30;
  for (int i = 0; i < 10; ++i) {
    const auto start = std::chrono::steady_clock::now();
    work();
    best = std::min(
        best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

}  // namespace

int main() {
  const c10::InferenceMode guard;
  constexpr int64_t kBatch = 2048;
  for (const auto& [d, features] : {std::pair<int64_t, int64_t>{192, 1536}, {768, 6144}}) {
    const at::Tensor data = at::randn({4 * kBatch, d});
    const at::Tensor x = data.narrow(0, 0, kBatch).contiguous(), w = at::randn({d, features}),
                     v = at::randn({features, d}), f = at::randn({kBatch, features});
    const double bare = BestSeconds([&] {
      at::mm(x, w);      // encode
      at::mm(f, v);      // decode
      at::mm(x, v.t());  // gradient of the features
      at::mm(f.t(), x);  // of the decoder
      at::mm(x.t(), f);  // of the encoder
    });
    for (const char* kind : {"standard", "topk", "embedding"}) {
      training::SaeTrainer trainer(
          data,
          {.kind = kind, .features = features, .batch = kBatch, .steps = 1000, .dead_steps = 0});
      const double step = BestSeconds([&] { trainer.Step(); });
      fmt::print("{:9} d {} features {}: {:7.0f} vectors/s, {:.2f} times the bare products\n", kind,
                 d, features, static_cast<double>(kBatch) / step, step / bare);
    }
  }
}
