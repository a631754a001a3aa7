// What `assay serve` does with classifiers: a transform or an attack at a chosen strength,
// evaluated now on the tiles of a robustness run. The last classifier and its tiles are kept.
// Thread-safe.
#pragma once

#include <string>

#include "serve/service.h"

namespace assay::app {

// Registers the job "evaluate" and the list of what it can do. `device`: as for the other commands.
void AddServedEvaluation(serve::ModelWork& work, const std::string& device);

}  // namespace assay::app
