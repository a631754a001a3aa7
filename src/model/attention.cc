#include "model/attention.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>
#include <vector>

namespace assay::model {
namespace {

constexpr float kHidden = -std::numeric_limits<float>::infinity();

// Where a packed batch's tokens go when every segment is a row of its own.
struct Padding {
  at::Tensor queries;  // [segments * T]: token of each place; 0 on padding
  at::Tensor keys;     // [segments * S]: the prefix's tokens and its own
  at::Tensor places;   // [N]: place of each token among the queries
  at::Tensor mask;     // [segments, 1, 1, T, S]
};

Padding PadSegments(std::span<const Segment> segments, int window, const at::Tensor& like) {
  int64_t longest = 0, keys = 0, tokens = 0;
  for (const Segment& segment : segments) {
    longest = std::max(longest, segment.count);
    keys = std::max(keys, segment.position + segment.count);
    tokens += segment.count;
  }
  const auto rows = static_cast<int64_t>(segments.size());
  std::vector<int64_t> query(static_cast<size_t>(rows * longest), 0),
      key(static_cast<size_t>(rows * keys), 0), place(static_cast<size_t>(tokens));
  std::vector<float> mask(static_cast<size_t>(rows * longest * keys), 0.0F);
  for (int64_t row = 0; row < rows; ++row) {
    const Segment& segment = segments[static_cast<size_t>(row)];
    ForTokensOf(segments, static_cast<int>(row), [&](int64_t position, int64_t token) {
      key[static_cast<size_t>(row * keys + position)] = token;
    });
    for (int64_t t = 0; t < segment.count; ++t) {
      const int64_t at = row * longest + t, position = segment.position + t;
      query[static_cast<size_t>(at)] = segment.begin + t;
      place[static_cast<size_t>(segment.begin + t)] = at;
      for (int64_t j = 0; j < keys; ++j) {
        if (j > position || (window > 0 && position - j >= window))
          mask[static_cast<size_t>(at * keys + j)] = kHidden;
      }
    }
  }
  const auto upload = [&](const auto& values, at::ScalarType type) {
    return at::tensor(values).to(like.device(), type);
  };
  return {upload(query, at::kLong), upload(key, at::kLong), upload(place, at::kLong),
          upload(mask, like.scalar_type()).view({rows, 1, 1, longest, keys})};
}

}  // namespace

at::Tensor AttentionPattern(const at::Tensor& q, const at::Tensor& k, double scale,
                            const at::Tensor& mask) {
  const int64_t batch = q.size(0), queries = q.size(1), heads = q.size(2), width = q.size(3),
                keys = k.size(1), groups = k.size(2), shared = heads / groups;
  // The queries of a key head's heads are one matrix.
  const at::Tensor grouped =
      (q.transpose(1, 2) * scale).reshape({batch * groups, shared * queries, width});
  const at::Tensor turned =
      k.transpose(1, 2).reshape({batch * groups, keys, width}).transpose(1, 2);
  at::Tensor scores = at::bmm(grouped, turned).view({batch, groups, shared, queries, keys});
  if (mask.defined()) scores = scores + mask;
  return at::softmax(scores, -1).view({batch, heads, queries, keys});
}

at::Tensor ApplyPattern(const at::Tensor& pattern, const at::Tensor& v) {
  const int64_t batch = pattern.size(0), heads = pattern.size(1), queries = pattern.size(2),
                keys = pattern.size(3), groups = v.size(2), width = v.size(3);
  return at::bmm(pattern.reshape({batch * groups, heads / groups * queries, keys}),
                 v.transpose(1, 2).reshape({batch * groups, keys, width}))
      .view({batch, heads, queries, width})
      .transpose(1, 2);
}

at::Tensor CausalMask(int64_t tokens, int window, const at::TensorOptions& options) {
  const at::Tensor key = at::arange(tokens, options.dtype(at::kLong)), query = key.unsqueeze(1);
  at::Tensor hidden = key > query;
  if (window > 0) hidden = hidden.logical_or(query - key >= window);
  return at::zeros({tokens, tokens}, options).masked_fill(hidden, kHidden);
}

at::Tensor PackedAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                           double scale, int window, std::span<const Segment> segments) {
  const Padding padding = PadSegments(segments, window, q);
  const auto rows = static_cast<int64_t>(segments.size());
  const auto gather = [&](const at::Tensor& x, const at::Tensor& index) {
    return x.index_select(0, index).view({rows, -1, x.size(1), x.size(2)});
  };
  const at::Tensor pattern =
      AttentionPattern(gather(q, padding.queries), gather(k, padding.keys), scale, padding.mask);
  return ApplyPattern(pattern, gather(v, padding.keys))
      .reshape({-1, q.size(1), q.size(2)})
      .index_select(0, padding.places);
}

}  // namespace assay::model
