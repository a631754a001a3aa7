// What a program that runs models sets once, for the whole process, before the first forward.
#pragma once

namespace assay::model {

// Threads of libtorch and of its BLAS together: they keep separate counts, and a libtorch on one
// thread over OpenBLAS on two is slower than either alone. Default: libtorch's, one a physical
// core.
void SetThreads(int threads);
int Threads();

// The BLAS on one thread, whatever libtorch has: how OpenBLAS divides a product among threads
// decides how its sums are rounded, and so whether a result depends on the machine's number of
// cores.
void UseOneBlasThread();

// Activations are large and short-lived. By default glibc gives each back to the kernel and takes
// fresh pages for the next, which doubles the time of a forward; this keeps the memory for reuse.
void KeepLargeBlocks();

// What libraries read from the environment before main: the program sets it and starts itself
// again, once. Variables that are set stay in force.
// - OPENBLAS_CORETYPE: AVX-512 where the processor has it; an OpenBLAS that is older than the
//   processor takes it for a Haswell, at half the speed. (ATEN_CPU_CAPABILITY too: libtorch 1.13
//   stays at AVX2 unless it is asked.)
// - GOMP_SPINCOUNT: libtorch's threads do not wait in a loop for the next piece of work. The BLAS
// has
//   threads of its own, which would find the processors taken: two threads were slower than one.
void RestartWithEnvironment(char** argv);

// RestartWithEnvironment, KeepLargeBlocks, and the same number of threads for both libraries.
// OPENBLAS_NUM_THREADS and OMP_NUM_THREADS, where set, stay in force for their own library.
void PrepareProcess(char** argv);

}  // namespace assay::model
