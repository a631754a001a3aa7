// What `assay serve` does with models: a text tried now, a graph built now, an attack evaluated
// now. Models are loaded when they are first needed and kept. Thread-safe.
#pragma once

#include <string>

#include "serve/service.h"

namespace assay::app {

// `device` and `dtype` as for the other commands; `model` empty: the one each run was collected
// with.
serve::ModelWork ServedModels(const std::string& model, const std::string& device,
                              const std::string& dtype);

}  // namespace assay::app
