#include "model/fused_attention.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <bit>
#include <cmath>
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

struct HeadView {  // one query head with its key/value head
  const float *q, *v;
  int64_t q_stride, v_stride, out_stride;
  float* out;
};

// keys: [E, padded] transposed, so that the loop over keys is contiguous. scores: room for
// `padded`.
ASSAY_CLONES void AttendHead(const HeadView& head, const float* keys, int64_t padded,
                             int64_t queries, int64_t total, int64_t width, float scale,
                             int64_t window, float* scores) {
  for (int64_t t = 0; t < queries; ++t) {
    const int64_t end = total - queries + t + 1;
    const int64_t begin = window > 0 ? std::max<int64_t>(0, end - window) : 0;
    const float* q = head.q + t * head.q_stride;
    std::fill(scores + begin, scores + end, 0.0F);
    for (int64_t e = 0; e < width; ++e) {
      const float factor = q[e] * scale;
      const float* row = keys + e * padded;
      for (int64_t j = begin; j < end; ++j) scores[j] += factor * row[j];
    }
    float largest = scores[begin];
    for (int64_t j = begin; j < end; ++j) largest = std::max(largest, scores[j]);
    for (int64_t j = begin; j < end; ++j) scores[j] = ExpNonPositive(scores[j] - largest);
    float sum = 0;
    for (int64_t j = begin; j < end; ++j) sum += scores[j];
    float* out = head.out + t * head.out_stride;
    std::fill(out, out + width, 0.0F);
    for (int64_t j = begin; j < end; ++j) {
      const float weight = scores[j];
      const float* v = head.v + j * head.v_stride;
      for (int64_t e = 0; e < width; ++e) out[e] += weight * v[e];
    }
    const float inverse = 1 / sum;
    for (int64_t e = 0; e < width; ++e) out[e] *= inverse;
  }
}

}  // namespace

bool CanFuseAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  const bool usable = q.is_cpu() && q.scalar_type() == at::kFloat && q.stride(-1) == 1 &&
                      k.stride(-1) == 1 && v.stride(-1) == 1 &&
                      !(at::GradMode::is_enabled() &&
                        (q.requires_grad() || k.requires_grad() || v.requires_grad()));
  // Beyond this the blocked matrix product wins (bench/forward_bench).
  return usable && q.size(2) * q.size(3) <= 128 * 32;
}

at::Tensor FusedCausalAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                double scale, int window) {
  const int64_t batch = q.size(0), heads = q.size(1), queries = q.size(2), width = q.size(3),
                groups = k.size(1), total = k.size(2);
  ASSAY_CHECK(total >= queries && heads % groups == 0 && v.sizes() == k.sizes() &&
              k.size(0) == batch && k.size(3) == width);
  at::Tensor out = at::empty({batch, queries, heads, width}, q.options());
  const int64_t padded = (total + 15) / 16 * 16, shared = heads / groups;
  const float* q_data = q.data_ptr<float>();
  const float* k_data = k.data_ptr<float>();
  const float* v_data = v.data_ptr<float>();
  auto* out_data = out.data_ptr<float>();
  const int64_t grain = std::max<int64_t>(1, 32768 / (shared * queries * total * width + 1));
  at::parallel_for(0, batch * groups, grain, [&](int64_t begin, int64_t end) {
    std::vector<float> keys(static_cast<size_t>(width * padded)),
        scores(static_cast<size_t>(padded));
    for (int64_t i = begin; i < end; ++i) {
      const int64_t b = i / groups, g = i % groups;
      const float* k_head = k_data + b * k.stride(0) + g * k.stride(1);
      for (int64_t j = 0; j < total; ++j) {
        for (int64_t e = 0; e < width; ++e)
          keys[static_cast<size_t>(e * padded + j)] = k_head[j * k.stride(2) + e];
      }
      for (int64_t h = g * shared; h < (g + 1) * shared; ++h) {
        const HeadView head{.q = q_data + b * q.stride(0) + h * q.stride(1),
                            .v = v_data + b * v.stride(0) + g * v.stride(1),
                            .q_stride = q.stride(2),
                            .v_stride = v.stride(2),
                            .out_stride = heads * width,
                            .out = out_data + (b * queries * heads + h) * width};
        AttendHead(head, keys.data(), padded, queries, total, width, static_cast<float>(scale),
                   window, scores.data());
      }
    }
  });
  return out;
}

}  // namespace assay::model
