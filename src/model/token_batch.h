// Token sequences of different lengths as one batch for a causal model. Thread-safe.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

namespace assay::model {

// [rows, longest row] int64 on `device`, padded on the right with id 0: a causal model's values on
// a row's own tokens do not depend on what follows.
at::Tensor PadRight(std::span<const std::span<const int32_t>> rows, at::Device device);

}  // namespace assay::model
