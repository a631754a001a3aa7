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

bool HasAvx512() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
#else
  return false;
#endif
}

bool OpenBlasSeesHaswell() {
  void* symbol = ::dlsym(RTLD_DEFAULT, "openblas_get_corename");
  if (symbol == nullptr) return false;
  const std::string_view core = reinterpret_cast<const char* (*)()>(symbol)();
  return core == "Haswell" || core == "Zen";
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

void RestartWithEnvironment(char** argv) {
  bool restart = false;
  if (std::getenv("GOMP_SPINCOUNT") == nullptr && std::getenv("OMP_WAIT_POLICY") == nullptr) {
    ::setenv("GOMP_SPINCOUNT", "0", 1);
    restart = true;
  }
  if (HasAvx512()) {
    ::setenv("ATEN_CPU_CAPABILITY", "avx512", 0);
    if (std::getenv("OPENBLAS_CORETYPE") == nullptr && OpenBlasSeesHaswell()) {
      ::setenv("OPENBLAS_CORETYPE", "SkylakeX", 1);
      restart = true;
    }
  }
  if (restart) ::execv("/proc/self/exe", argv);  // returns only if it cannot: then at the old speed
}

void PrepareProcess(char** argv) {
  RestartWithEnvironment(argv);
  KeepLargeBlocks();
  if (std::getenv("OPENBLAS_NUM_THREADS") == nullptr) SetOpenBlasThreads(Threads());
}

}  // namespace assay::model
