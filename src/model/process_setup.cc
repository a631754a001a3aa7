#include "model/process_setup.h"

#include <ATen/Parallel.h>
#include <dlfcn.h>
#include <malloc.h>

#include <cstdlib>

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

void PrepareProcess() {
  KeepLargeBlocks();
  if (std::getenv("OPENBLAS_NUM_THREADS") == nullptr) SetOpenBlasThreads(Threads());
}

}  // namespace assay::model
