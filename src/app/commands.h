// The subcommands of `assay`. Each function adds one to the parser, with its options and what it runs.
#pragma once

#include <CLI/CLI.hpp>

namespace assay::app {

void AddDoctor(CLI::App& app);
void AddModel(CLI::App& app);
void AddNeurons(CLI::App& app);

}  // namespace assay::app
