#include "model/fused_attention.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <cmath>
#include <ostream>
#include <vector>

#include "model/model_testing.h"

namespace assay::model {
namespace {

struct Shape {
  int64_t batch, heads, groups, queries, total, width;
  int window;
};

std::ostream& operator<<(std::ostream& out, const Shape& s) {
  return out << "B" << s.batch << " H" << s.heads << " K" << s.groups << " T" << s.queries << " S"
             << s.total << " E" << s.width << " window " << s.window;
}

// The definition, one number at a time. q: [B, H, T, E]; k, v: [B, K, S, E]; returns [B, T, H, E]
// float64.
at::Tensor SlowAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                         double scale, int window) {
  const int64_t batch = q.size(0), heads = q.size(1), queries = q.size(2), width = q.size(3),
                total = k.size(2), shared = heads / k.size(1);
  const at::Tensor q64 = q.to(at::kDouble).contiguous(), k64 = k.to(at::kDouble).contiguous(),
                   v64 = v.to(at::kDouble).contiguous();
  const auto q_at = q64.accessor<double, 4>(), k_at = k64.accessor<double, 4>(),
             v_at = v64.accessor<double, 4>();
  at::Tensor out = at::zeros({batch, queries, heads, width}, at::kDouble);
  auto out_at = out.accessor<double, 4>();
  for (int64_t b = 0; b < batch; ++b) {
    for (int64_t h = 0; h < heads; ++h) {
      for (int64_t t = 0; t < queries; ++t) {
        const int64_t position = total - queries + t;
        std::vector<double> weights(static_cast<size_t>(total), 0.0);
        double sum = 0;
        for (int64_t j = 0; j <= position; ++j) {
          if (window > 0 && position - j >= window) continue;
          double dot = 0;
          for (int64_t e = 0; e < width; ++e) dot += q_at[b][h][t][e] * k_at[b][h / shared][j][e];
          sum += weights[static_cast<size_t>(j)] = std::exp(scale * dot);
        }
        for (int64_t j = 0; j < total; ++j) {
          for (int64_t e = 0; e < width; ++e) {
            out_at[b][t][h][e] += weights[static_cast<size_t>(j)] / sum * v_at[b][h / shared][j][e];
          }
        }
      }
    }
  }
  return out;
}

class FusedAttentionTest : public testing::TestWithParam<Shape> {};

TEST_P(FusedAttentionTest, EqualsTheDefinition) {
  const c10::InferenceMode guard;
  const Shape s = GetParam();
  at::manual_seed(7);
  // As the forward has them: [B, T, H, E] seen as [B, H, T, E].
  const at::Tensor q = at::randn({s.batch, s.queries, s.heads, s.width}).transpose(1, 2) * 2;
  const at::Tensor k = at::randn({s.batch, s.total, s.groups, s.width}).transpose(1, 2);
  const at::Tensor v = at::randn({s.batch, s.total, s.groups, s.width}).transpose(1, 2);
  const double scale = 1 / std::sqrt(static_cast<double>(s.width));
  ASSERT_TRUE(CanFuseAttention(q, k, v));
  const at::Tensor fast = FusedCausalAttention(q, k, v, scale, s.window);
  EXPECT_LT(LargestDifference(fast, SlowAttention(q, k, v, scale, s.window)), 2e-6);
  const at::Tensor plain =
      FusedCausalAttention(q.contiguous(), k.contiguous(), v.contiguous(), scale, s.window);
  EXPECT_EQ(LargestDifference(fast, plain), 0) << "strides change nothing";
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, FusedAttentionTest,
    testing::Values(
        Shape{1, 1, 1, 1, 1, 1, 0}, Shape{2, 3, 3, 5, 5, 7, 0}, Shape{1, 4, 4, 16, 16, 8, 0},
        Shape{3, 2, 2, 17, 17, 5, 0}, Shape{2, 8, 8, 40, 40, 16, 0}, Shape{1, 2, 2, 63, 63, 64, 0},
        // Grouped queries.
        Shape{2, 4, 2, 9, 9, 8, 0}, Shape{2, 8, 1, 12, 12, 4, 0},
        // A cached prefix.
        Shape{2, 2, 2, 1, 20, 8, 0}, Shape{1, 4, 2, 3, 33, 6, 0}, Shape{1, 2, 2, 2, 700, 8, 0},
        // Windows: one key, fewer than the tokens, exactly the tokens, more; with a prefix.
        Shape{1, 2, 2, 10, 10, 8, 1}, Shape{2, 2, 2, 19, 19, 8, 4}, Shape{1, 2, 2, 10, 10, 8, 10},
        Shape{1, 2, 2, 10, 10, 8, 99}, Shape{2, 4, 2, 5, 40, 8, 7}));

TEST(FusedAttentionTest, LargeScoresNeitherOverflowNorLoseTheWinner) {
  const c10::InferenceMode guard;
  const at::Tensor q = at::full({1, 1, 3, 2}, 100.0F);
  at::Tensor k = at::zeros({1, 1, 3, 2});
  k.select(2, 0).fill_(100.0F);   // a score of 20,000
  k.select(2, 1).fill_(-100.0F);  // and one of -20,000
  const at::Tensor v = at::arange(6, at::kFloat).view({1, 1, 3, 2});
  const at::Tensor out = FusedCausalAttention(q, k, v, 1.0, 0);
  EXPECT_LT(LargestDifference(out, v.select(2, 0).view({1, 1, 1, 2}).expand({1, 3, 1, 2})), 1e-6);
}

TEST(FusedAttentionTest, ResultDoesNotDependOnTheNumberOfThreads) {
  const c10::InferenceMode guard;
  at::manual_seed(3);
  const at::Tensor q = at::randn({16, 4, 30, 16}), k = at::randn({16, 4, 30, 16}),
                   v = at::randn({16, 4, 30, 16});
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const at::Tensor one = FusedCausalAttention(q, k, v, 0.25, 0);
  at::set_num_threads(2);
  const at::Tensor two = FusedCausalAttention(q, k, v, 0.25, 0);
  at::set_num_threads(threads);
  EXPECT_TRUE(at::equal(one, two));
}

TEST(FusedAttentionTest, IsNotUsedWhereGradientsOrOtherTypesAreAskedFor) {
  const at::Tensor plain = at::randn({1, 2, 4, 8});
  EXPECT_TRUE(CanFuseAttention(plain, plain, plain));
  const at::Tensor half = plain.to(at::kBFloat16);
  EXPECT_FALSE(CanFuseAttention(half, half, half));
  const at::Tensor wanted = plain.clone().requires_grad_();
  EXPECT_FALSE(CanFuseAttention(plain, wanted, plain));
  const c10::InferenceMode guard;
  EXPECT_TRUE(CanFuseAttention(plain, wanted, plain));
}

}  // namespace
}  // namespace assay::model
