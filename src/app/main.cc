#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "app/commands.h"
#include "base/error.h"
#include "model/process_setup.h"

int main(int argc, char** argv) {
  assay::model::PrepareProcess(argv);
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
  assay::app::AddRobust(app);
  assay::app::AddServe(app);
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
