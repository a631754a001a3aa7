// Which patients train and which validate. Thread-safe.
#pragma once

#include <cstdint>
#include <vector>

#include "data/tile.h"

namespace assay::robustness {

// Rows of the two parts of a set: whole patients go to one or the other, so that about `share` of
// the tiles validate, and of every class not much less, as far as patients allow. Tiles without a
// patient count as patients of their own; by_patient is false when there are only such.
struct PatientSplit {
  std::vector<int64_t> train, validation;
  bool by_patient = true;
};
// Throws kBadInput when there are fewer than two patients.
PatientSplit SplitByPatient(const std::vector<data::TileInfo>& infos, double share, uint64_t seed);

}  // namespace assay::robustness
