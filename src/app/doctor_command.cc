// `assay doctor`: what this machine and this build offer, and what to install where something is
// missing.
#include <ATen/ATen.h>
#include <faiss/Index.h>
#include <fmt/core.h>
#include <sqlite3.h>
#include <torch/version.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <spdlog/version.h>

#include <array>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <thread>

#include "app/commands.h"
#include "app/machine.h"
#include "app/terminal.h"

namespace assay::app {
namespace {

std::string Pcre2Version() {
  std::array<char, 64> text{};
  pcre2_config(PCRE2_CONFIG_VERSION, text.data());
  return text.data();
}

void RunDoctor() {
  const BlasReport blas = MeasureBlas();
  std::vector<std::vector<std::string>> rows = {{"what", "found"}};
  rows.push_back({"assay", fmt::format("{} ({})", ASSAY_VERSION, ASSAY_BUILD_TYPE)});
  rows.push_back({"libtorch", TORCH_VERSION});
  rows.push_back({"BLAS", blas.library});
  rows.push_back(
      {"matrix product, 1 thread", fmt::format("{:.0f} GFLOP/s", blas.gflops_one_thread)});
  if (blas.threads > 1) {
    rows.push_back({fmt::format("matrix product, {} threads", blas.threads),
                    fmt::format("{:.0f} GFLOP/s", blas.gflops)});
  }
  rows.push_back({"threads", fmt::format("{} (of {} processors)", blas.threads,
                                         std::thread::hardware_concurrency())});
  rows.push_back({"device", at::hasCUDA() ? "cpu, cuda" : "cpu (this libtorch has no CUDA)"});
  rows.push_back({"SQLite", sqlite3_libversion()});
  rows.push_back({"PCRE2", Pcre2Version()});
  rows.push_back({"fmt", fmt::format("{}.{}.{}", FMT_VERSION / 10000, FMT_VERSION / 100 % 100,
                                     FMT_VERSION % 100)});
  rows.push_back(
      {"spdlog", fmt::format("{}.{}.{}", SPDLOG_VER_MAJOR, SPDLOG_VER_MINOR, SPDLOG_VER_PATCH)});
  rows.push_back(
      {"nlohmann-json", fmt::format("{}.{}.{}", NLOHMANN_JSON_VERSION_MAJOR,
                                    NLOHMANN_JSON_VERSION_MINOR, NLOHMANN_JSON_VERSION_PATCH)});
  rows.push_back({"CLI11", CLI11_VERSION});
  rows.push_back({"FAISS", fmt::format("{}.{}.{}", FAISS_VERSION_MAJOR, FAISS_VERSION_MINOR,
                                       FAISS_VERSION_PATCH)});
  std::istringstream libraries(ASSAY_LIBRARIES);  // "NAME VERSION|NAME VERSION|..."
  for (std::string library; std::getline(libraries, library, '|');) {
    const size_t space = library.find(' ');
    rows.push_back({library.substr(0, space), library.substr(space + 1)});
  }
  rows.push_back({"default model", DefaultModelFolder().value_or("not found").string()});
  fmt::print("{}\n", FormatTable(rows));
  if (const auto advice = BlasAdvice(blas.library)) {
    fmt::print("{}\n", *advice);
  } else {
    fmt::print("Nothing to install.\n");
  }
}

}  // namespace

void AddDoctor(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "doctor", "What this machine and build offer: BLAS and its speed, device, library versions");
  command->callback(RunDoctor);
}

}  // namespace assay::app
