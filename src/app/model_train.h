// `assay model train` and `assay model evaluate`: the shipped default models, made and judged.
#pragma once

#include <CLI/CLI.hpp>

namespace assay::app {

void AddModelTraining(CLI::App& model);

}  // namespace assay::app
