#include "model/fused_attention.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "base/clones.h"
#include "base/error.h"

namespace assay::model {
namespace {

// e^x for x <= 0, relative error below 2e-7: 2^n * p(f) with |f| <= ln2 / 2 (Cody-Waite split,
// degree-6 Taylor). Written so that the compiler can run it on many values at once.
inline float ExpNonPositive(float x) {
  x = std::max(x, -87.0F);
  const float n = std::floor(x * 1.44269504F + 0.5F);
  const float f = (x - n * 0.693359375F) + n * 2.12194440e-4F;
  float p = 1.0F / 720;
  p = p * f + 1.0F / 120;
  p = p * f + 1.0F / 24;
  p = p * f + 1.0F / 6;
  p = p * f + 0.5F;
  p = p * f + 1.0F;
  p = p * f + 1.0F;
  return p * std::bit_cast<float>((static_cast<int32_t>(n) + 127) << 23);
}

struct HeadView {  // one query head of one segment
  const float* q;
  float* out;
  int64_t q_stride, out_stride;
};

// What a segment's queries attend to, for one key head: padded to whole vectors.
struct KeysAndValues {
  int64_t total = 0, padded = 0;
  std::vector<float> keys;    // [E, padded], so that the loop over keys is contiguous
  std::vector<float> values;  // [total, E]
};

void Gather(const at::Tensor& k, const at::Tensor& v, std::span<const Segment> segments, int index,
            int64_t group, KeysAndValues& out) {
  const Segment& segment = segments[static_cast<size_t>(index)];
  const int64_t width = k.size(2);
  out.total = segment.position + segment.count;
  out.padded = (out.total + 15) / 16 * 16;
  out.keys.resize(static_cast<size_t>(width * out.padded));
  out.values.resize(static_cast<size_t>(out.total * width));
  const float* k_data = k.data_ptr<float>() + group * k.stride(1);
  const float* v_data = v.data_ptr<float>() + group * v.stride(1);
  const int64_t k_stride = k.stride(0), v_stride = v.stride(0);
  ForTokensOf(segments, index, [&](int64_t position, int64_t token) {
    const float* key = k_data + token * k_stride;
    for (int64_t e = 0; e < width; ++e)
      out.keys[static_cast<size_t>(e * out.padded + position)] = key[e];
    std::copy_n(v_data + token * v_stride, width, out.values.data() + position * width);
  });
}

constexpr int64_t kLanes = 16;  // keys at a time; loops over so many become vector instructions

// The queries are the last `queries` of all tokens. kWidth: the head's width where it is known to
// the compiler, else 0. scores: room for `padded`.
template <int64_t kWidth>
[[gnu::always_inline]] inline void AttendHeadOf(const HeadView& head, const KeysAndValues& seen,
                                                int64_t queries, int64_t head_width, float scale,
                                                int64_t window, float* scores) {
  const int64_t width = kWidth > 0 ? kWidth : head_width;
  const float* keys = seen.keys.data();
  const float* values = seen.values.data();
  for (int64_t t = 0; t < queries; ++t) {
    const int64_t end = seen.total - queries + t + 1;
    const int64_t begin = window > 0 ? std::max<int64_t>(0, end - window) : 0;
    const float* q = head.q + t * head.q_stride;
    float largest[kLanes], sum[kLanes] = {};
    std::fill_n(largest, kLanes, -std::numeric_limits<float>::infinity());
    for (int64_t j = begin / kLanes * kLanes; j < end; j += kLanes) {
      float dot[kLanes] = {};
      for (int64_t e = 0; e < width; ++e) {
        const float factor = q[e] * scale;
        const float* row = keys + e * seen.padded + j;
        for (int64_t i = 0; i < kLanes; ++i) dot[i] += factor * row[i];
      }
      for (int64_t i = 0; i < kLanes; ++i) {
        const bool visible = j + i >= begin && j + i < end;
        dot[i] = visible ? dot[i] : -std::numeric_limits<float>::infinity();
        largest[i] = dot[i] > largest[i] ? dot[i] : largest[i];
        scores[j + i] = dot[i];
      }
    }
    const float most = *std::max_element(largest, largest + kLanes);
    for (int64_t j = begin / kLanes * kLanes; j < end; j += kLanes) {
      for (int64_t i = 0; i < kLanes; ++i) {
        scores[j + i] = ExpNonPositive(scores[j + i] - most);  // 1e-38 where hidden
        sum[i] += scores[j + i];
      }
    }
    const float inverse = 1 / std::accumulate(sum, sum + kLanes, 0.0F);
    float* out = head.out + t * head.out_stride;
    if constexpr (kWidth > 0) {
      float total[kWidth] = {};
      for (int64_t j = begin; j < end; ++j) {
        for (int64_t e = 0; e < kWidth; ++e) total[e] += scores[j] * values[j * kWidth + e];
      }
      for (int64_t e = 0; e < kWidth; ++e) out[e] = total[e] * inverse;
    } else {
      std::fill_n(out, width, 0.0F);
      for (int64_t j = begin; j < end; ++j) {
        for (int64_t e = 0; e < width; ++e) out[e] += scores[j] * values[j * width + e];
      }
      for (int64_t e = 0; e < width; ++e) out[e] *= inverse;
    }
  }
}

ASSAY_CLONES void AttendHead(const HeadView& head, const KeysAndValues& seen, int64_t queries,
                             int64_t width, float scale, int64_t window, float* scores) {
  switch (width) {
    case 8:
      return AttendHeadOf<8>(head, seen, queries, width, scale, window, scores);
    case 16:
      return AttendHeadOf<16>(head, seen, queries, width, scale, window, scores);
    case 48:
      return AttendHeadOf<48>(head, seen, queries, width, scale, window, scores);
    case 64:
      return AttendHeadOf<64>(head, seen, queries, width, scale, window, scores);
    default:
      return AttendHeadOf<0>(head, seen, queries, width, scale, window, scores);
  }
}

}  // namespace

bool CanFuseAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  return q.is_cpu() && q.scalar_type() == at::kFloat && q.stride(-1) == 1 && k.stride(-1) == 1 &&
         v.stride(-1) == 1 &&
         !(at::GradMode::is_enabled() &&
           (q.requires_grad() || k.requires_grad() || v.requires_grad()));
}

at::Tensor FusedCausalAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                double scale, int window, std::span<const Segment> segments) {
  const int64_t heads = q.size(1), width = q.size(2), groups = k.size(1), shared = heads / groups;
  ASSAY_CHECK(heads % groups == 0 && v.sizes() == k.sizes() && k.size(2) == width);
  at::Tensor out = at::empty({q.size(0), heads, width}, q.options());
  auto* out_data = out.data_ptr<float>();
  const auto items = static_cast<int64_t>(segments.size()) * groups;
  const int64_t mean_tokens =
      q.size(0) / std::max<int64_t>(1, static_cast<int64_t>(segments.size()));
  const int64_t grain =
      std::max<int64_t>(1, 32768 / (shared * mean_tokens * mean_tokens * width + 1));
  at::parallel_for(0, items, grain, [&](int64_t begin, int64_t end) {
    KeysAndValues seen;
    std::vector<float> scores;
    for (int64_t i = begin; i < end; ++i) {
      const Segment& segment = segments[static_cast<size_t>(i / groups)];
      Gather(k, v, segments, static_cast<int>(i / groups), i % groups, seen);
      scores.resize(static_cast<size_t>(seen.padded));
      for (int64_t h = i % groups * shared; h < (i % groups + 1) * shared; ++h) {
        const HeadView head{
            .q = q.data_ptr<float>() + segment.begin * q.stride(0) + h * q.stride(1),
            .out = out_data + (segment.begin * heads + h) * width,
            .q_stride = q.stride(0),
            .out_stride = heads * width};
        AttendHead(head, seen, segment.count, width, static_cast<float>(scale), window,
                   scores.data());
      }
    }
  });
  return out;
}

}  // namespace assay::model
