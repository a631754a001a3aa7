// What the benchmark programs share: a clock, the machine's own matrix-product rate, peak memory,
// and sizes. Figures are ratios within one run, because absolute times on shared machines mean
// little.
#pragma once

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>
#include <thread>

#include "model/process_setup.h"
#include "model/transformer.h"
#include "training/lm_trainer.h"

namespace assay::bench {

// Seconds on the clock; with one thread seconds of the processor, so that other programs' share of
// the machine does not count. (Time in the store is then computation only, without waiting for the
// disk.)
inline double Now() {
  if (model::Threads() == 1) {
    timespec now{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
  }
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// What the machine has, hyper-threads included; libtorch's default is one a physical core.
inline int AllThreads() { return static_cast<int>(std::thread::hardware_concurrency()); }

template <typename Work>
double Seconds(Work&& work) {
  const double start = Now();
  work();
  return Now() - start;
}

// The shortest of `repeats` runs: what the work costs when nothing else disturbs it.
template <typename Work>
double BestSeconds(int repeats, Work&& work) {
  double best = Seconds(work);
  for (int i = 1; i < repeats; ++i) best = std::min(best, Seconds(work));
  return best;
}

// GFLOP/s of the float32 product [rows, inner] x [inner, columns] with the threads now set.
inline double SgemmGflops(int64_t rows, int64_t inner, int64_t columns) {
  const c10::InferenceMode guard;
  const at::Tensor a = at::rand({rows, inner}), b = at::rand({inner, columns});
  at::Tensor c = at::empty({rows, columns});
  const double seconds = BestSeconds(8, [&] { at::mm_out(c, a, b); });
  return 2.0 * static_cast<double>(rows * inner * columns) / seconds / 1e9;
}

// Peak resident memory of the process since the last call of ResetPeakMemory, in MB (Linux).
inline void ResetPeakMemory() { std::ofstream("/proc/self/clear_refs") << 5; }
inline double PeakMemoryMb() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stod(line.substr(6)) / 1024;
  }
  return 0;
}

// Programs that were running when the benchmark began, this one left out: with more of them than
// processors, wall times (of several threads above all) measure the neighbours.
inline void PrintLoad() {
  double load = 0;
  std::ifstream("/proc/loadavg") >> load;
  std::printf("load of the machine before: %.1f on %d processors%s\n", load, AllThreads(),
              load > 0.5 * AllThreads() ? "; figures for several threads mean little" : "");
}

inline bool HasFlag(std::span<char*> arguments, std::string_view flag) {
  return std::any_of(arguments.begin(), arguments.end(),
                     [flag](const char* argument) { return flag == argument; });
}

// GPT-2 small's shape with random weights.
inline model::Transformer GptTwoSmall() {
  const auto config = model::ParseTransformerConfig({{"model_type", "gpt2"},
                                                     {"vocab_size", 50257},
                                                     {"n_layer", 12},
                                                     {"n_embd", 768},
                                                     {"n_head", 12},
                                                     {"n_positions", 1024}},
                                                    "GPT-2 small");
  return {config, training::InitialWeights(config, 1)};
}

inline at::Tensor RandomTokens(int64_t rows, int64_t tokens, int64_t vocab) {
  at::manual_seed(1);
  return at::randint(vocab, {rows, tokens}, at::kLong);
}

}  // namespace assay::bench
