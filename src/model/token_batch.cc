#include "model/token_batch.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "base/error.h"

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

void CheckSegments(std::span<const Segment> segments, int64_t tokens) {
  int64_t end = 0;
  int depth = std::numeric_limits<int>::max();
  for (size_t i = 0; i < segments.size(); ++i) {
    const Segment& segment = segments[i];
    ASSAY_CHECK(segment.begin == end && segment.count > 0 && segment.depth <= depth);
    end += segment.count;
    depth = segment.depth;
    ASSAY_CHECK(segment.parent < static_cast<int>(i) &&
                (segment.parent < 0 ? segment.position == 0 : segment.position > 0));
    if (segment.parent < 0) continue;
    const Segment& parent = segments[static_cast<size_t>(segment.parent)];
    ASSAY_CHECK(segment.position <= parent.position + parent.count);
  }
  ASSAY_CHECK(end == tokens);
}

}  // namespace assay::model
