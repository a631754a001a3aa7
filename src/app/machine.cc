#include "app/machine.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <dlfcn.h>
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>

#include "base/error.h"
#include "model/process_setup.h"

namespace assay::app {
namespace fs = std::filesystem;
namespace {

double MatrixProductGflops() {
  const c10::InferenceMode guard;
  constexpr int kSide = 1024;
  const at::Tensor a = at::rand({kSide, kSide}), b = at::rand({kSide, kSide});
  double best = 0;
  for (int repeat = 0; repeat < 6; ++repeat) {
    const auto start = std::chrono::steady_clock::now();
    const at::Tensor c = at::mm(a, b);
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    best = std::max(best, 2.0 * kSide * kSide * kSide / seconds / 1e9);
  }
  return best;
}

std::optional<fs::path> ShippedModel(const char* name) {
  std::vector<fs::path> roots;
  if (const char* given = std::getenv("ASSAY_MODELS")) roots.emplace_back(given);
  std::error_code code;
  const fs::path program = fs::read_symlink("/proc/self/exe", code);
  if (!code) roots.push_back(program.parent_path() / ".." / "share" / "assay" / "models");
  roots.emplace_back(ASSAY_SOURCE_DIR "/models");
  for (const fs::path& root : roots) {
    if (fs::exists(root / name / "config.json")) return fs::weakly_canonical(root / name);
  }
  return std::nullopt;
}

}  // namespace

std::string BlasLibrary() {
  // The library that holds the symbol libtorch calls, as the dynamic linker resolved it.
  if (void* symbol = ::dlsym(RTLD_DEFAULT, "sgemm_")) {
    Dl_info info{};
    if (::dladdr(symbol, &info) != 0 && info.dli_fname != nullptr) {
      std::error_code code;
      const fs::path real = fs::canonical(info.dli_fname, code);
      return code ? info.dli_fname : real.string();
    }
  }
  return "unknown (linked into libtorch)";
}

BlasReport MeasureBlas() {
  BlasReport report;
  report.library = BlasLibrary();
  report.threads = model::Threads();
  model::SetThreads(1);
  report.gflops_one_thread = MatrixProductGflops();
  model::SetThreads(report.threads);
  report.gflops = MatrixProductGflops();
  return report;
}

std::optional<std::string> BlasAdvice(const std::string& library) {
  if (library.find("openblas") != std::string::npos || library.find("mkl") != std::string::npos ||
      library.starts_with("unknown")) {
    return std::nullopt;
  }
  return fmt::format(
      "Matrix products run on {}, about 35 times slower than OpenBLAS.\n"
      "Install it:  apt-get install libopenblas0-pthread",
      library);
}

void WarnAboutBlas() {
  if (const auto advice = BlasAdvice(BlasLibrary())) fmt::print(stderr, "warning: {}\n", *advice);
}

std::optional<fs::path> DefaultModelFolder() { return ShippedModel("assay-solu-6l"); }
std::optional<fs::path> DefaultSubstitutesFolder() { return ShippedModel("assay-mlm"); }

fs::path ResolveModel(const std::string& name) {
  if (!name.empty() && name != "default") {
    if (!fs::is_directory(name))
      base::Fail(base::ErrorKind::kNotFound, "{}: no such model folder", name);
    return name;
  }
  if (const auto shipped = DefaultModelFolder()) return *shipped;
  base::Fail(base::ErrorKind::kNotFound,
             "the shipped default model is not installed; set ASSAY_MODELS to the folder models/ "
             "or give --model");
}

}  // namespace assay::app
