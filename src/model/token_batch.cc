#include "model/token_batch.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <map>

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
  std::map<int64_t, const Segment*> whole;  // by begin: those that can be a prefix
  int64_t end = 0;
  int depth = std::numeric_limits<int>::max();
  for (const Segment& segment : segments) {
    ASSAY_CHECK(segment.begin == end && segment.count > 0 && segment.depth <= depth);
    end += segment.count;
    depth = segment.depth;
    if (segment.prefix_count == 0) whole[segment.begin] = &segment;
  }
  ASSAY_CHECK(end == tokens);
  for (const Segment& segment : segments) {
    if (segment.prefix_count == 0) continue;
    const auto prefix = whole.find(segment.prefix_begin);
    ASSAY_CHECK(prefix != whole.end() && segment.prefix_count > 0 &&
                segment.prefix_count <= prefix->second->count &&
                prefix->second->depth >= segment.depth);
  }
}

}  // namespace assay::model
