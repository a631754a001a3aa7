#include "model/process_setup.h"

#include <ATen/Parallel.h>
#include <dlfcn.h>
#include <malloc.h>
#include <unistd.h>

#include <cstdlib>
#include <string_view>

namespace assay::model {
namespace {

// OpenBLAS is found at run time: libtorch may use another BLAS, which then follows OpenMP's count.
void SetOpenBlasThreads(int threads) {
  if (void* symbol = ::dlsym(RTLD_DEFAULT, "openblas_set_num_threads"))
    reinterpret_cast<void (*)(int)>(symbol)(threads);
}

}  // namespace

void SetThreads(int threads) {
  at::set_num_threads(threads);
  SetOpenBlasThreads(threads);
}

void UseOneBlasThread() { SetOpenBlasThreads(1); }

int Threads() { return at::get_num_threads(); }

void KeepLargeBlocks() {
  ::mallopt(M_MMAP_THRESHOLD, 1 << 30);
  ::mallopt(M_TRIM_THRESHOLD, 2047 << 20);
  ::mallopt(M_TOP_PAD, 64 << 20);
}

void UseWidestVectors([[maybe_unused]] char** argv) {
#if defined(__x86_64__)
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512dq") ||
      !__builtin_cpu_supports("avx512bw") || !__builtin_cpu_supports("avx512vl"))
    return;
  ::setenv("ATEN_CPU_CAPABILITY", "avx512", 0);
  void* symbol = ::dlsym(RTLD_DEFAULT, "openblas_get_corename");
  if (symbol == nullptr || std::getenv("OPENBLAS_CORETYPE") != nullptr) return;
  const std::string_view core = reinterpret_cast<const char* (*)()>(symbol)();
  if (core != "Haswell" && core != "Zen") return;
  ::setenv("OPENBLAS_CORETYPE", "SkylakeX", 0);
  ::execv("/proc/self/exe", argv);  // returns only if it cannot: then at the old speed
#endif
}

void PrepareProcess(char** argv) {
  UseWidestVectors(argv);
  KeepLargeBlocks();
  if (std::getenv("OPENBLAS_NUM_THREADS") == nullptr) SetOpenBlasThreads(Threads());
}

}  // namespace assay::model
