#include "model/token_batch.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace assay::model {

at::Tensor PadRight(std::span<const std::span<const int32_t>> rows, at::Device device) {
  size_t width = 0;
  for (const auto& row : rows) width = std::max(width, row.size());
  at::Tensor ids =
      at::zeros({static_cast<int64_t>(rows.size()), static_cast<int64_t>(width)}, at::kLong);
  auto* out = ids.data_ptr<int64_t>();
  for (size_t r = 0; r < rows.size(); ++r) {
    std::copy(rows[r].begin(), rows[r].end(), out + r * width);
  }
  return ids.to(device);
}

}  // namespace assay::model
