// Facts about the machine that commands need: the BLAS in use, and where the shipped models are.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace assay::app {

struct BlasReport {
  std::string library;  // the file that serves matrix products
  int threads = 0;
  double gflops_one_thread = 0, gflops = 0;  // float32 product of 1024 x 1024 matrices
};

std::string BlasLibrary();
BlasReport MeasureBlas();  // takes about a second

// What to install when matrix products run on the reference BLAS, about 35 times slower than
// OpenBLAS.
std::optional<std::string> BlasAdvice(const std::string& library);

// Prints that advice on standard error, if there is any. Called before long work.
void WarnAboutBlas();

// models/ of the installation or of the source tree: $ASSAY_MODELS, beside the program, or where it
// was built.
std::optional<std::filesystem::path> DefaultModelFolder();
std::optional<std::filesystem::path> DefaultSubstitutesFolder();

// "default" or "" -> the shipped folder; anything else is a path. Throws kNotFound.
std::filesystem::path ResolveModel(const std::string& name);

}  // namespace assay::app
