#include <fmt/core.h>
#include <malloc.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "app/commands.h"
#include "base/error.h"

namespace {

// Activations are large and short-lived. By default glibc gives each back to the kernel and takes
// fresh pages for the next, which doubles the time of a forward; with these limits the memory is
// used again.
void KeepLargeBlocks() {
  ::mallopt(M_MMAP_THRESHOLD, 1 << 30);
  ::mallopt(M_TRIM_THRESHOLD, 2047 << 20);
  ::mallopt(M_TOP_PAD, 64 << 20);
}

}  // namespace

int main(int argc, char** argv) {
  KeepLargeBlocks();
  CLI::App app(
      "Assay: what does each unit of a network respond to, and how little does it take to fool it?",
      "assay");
  app.set_version_flag("--version", ASSAY_VERSION);
  app.require_subcommand(1);
  app.get_formatter()->column_width(34);
  assay::app::AddDoctor(app);
  assay::app::AddModel(app);
  assay::app::AddNeurons(app);
  assay::app::AddSae(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : assay::base::ExitCode(assay::base::ErrorKind::kUsage);
  } catch (const assay::base::Error& error) {
    fmt::print(stderr, "assay: {}: {}\n", assay::base::ErrorKindName(error.kind()), error.what());
    return assay::base::ExitCode(error.kind());
  } catch (const std::exception& error) {
    fmt::print(stderr, "assay: unexpected: {}\n", error.what());
    return assay::base::ExitCode(assay::base::ErrorKind::kInternal);
  }
  return 0;
}
