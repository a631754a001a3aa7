#include "model/fused_attention.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <cmath>
#include <ostream>
#include <vector>

#include "model/attention.h"
#include "model/model_testing.h"

namespace assay::model {
namespace {

struct Shape {
  std::vector<Segment> segments;
  int64_t heads, groups, width;
  int window = 0;
};

std::ostream& operator<<(std::ostream& out, const Shape& s) {
  for (const Segment& segment : s.segments) {
    out << segment.begin << "+" << segment.count << "@" << segment.parent << ":" << segment.position
        << " ";
  }
  return out << "H" << s.heads << " K" << s.groups << " E" << s.width << " window " << s.window;
}

// Prompts of equal length without prefixes.
std::vector<Segment> Rows(int64_t rows, int64_t tokens) {
  std::vector<Segment> out;
  for (int64_t row = 0; row < rows; ++row) out.push_back({.begin = row * tokens, .count = tokens});
  return out;
}

// The definition, one number at a time. q: [N, H, E]; k, v: [N, K, E]; returns [N, H, E] float64.
at::Tensor SlowAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                         double scale, const Shape& shape) {
  const at::Tensor q64 = q.to(at::kDouble).contiguous(), k64 = k.to(at::kDouble).contiguous(),
                   v64 = v.to(at::kDouble).contiguous();
  const auto q_at = q64.accessor<double, 3>(), k_at = k64.accessor<double, 3>(),
             v_at = v64.accessor<double, 3>();
  at::Tensor out = at::zeros(q.sizes(), at::kDouble);
  auto out_at = out.accessor<double, 3>();
  const int64_t shared = shape.heads / shape.groups;
  for (const Segment& segment : shape.segments) {
    std::vector<int64_t> prompt;  // its tokens so far, found through its parents
    for (int64_t j = 0; j < segment.position; ++j) {
      const Segment* holder = &shape.segments[static_cast<size_t>(segment.parent)];
      while (j < holder->position) holder = &shape.segments[static_cast<size_t>(holder->parent)];
      prompt.push_back(holder->begin + j - holder->position);
    }
    for (int64_t t = 0; t < segment.count; ++t) {
      const int64_t token = segment.begin + t;
      prompt.push_back(token);
      const auto position = static_cast<int64_t>(prompt.size()) - 1;
      for (int64_t h = 0; h < shape.heads; ++h) {
        double sum = 0;
        for (int64_t j = 0; j <= position; ++j) {
          if (shape.window > 0 && position - j >= shape.window) continue;
          const int64_t key = prompt[static_cast<size_t>(j)];
          double dot = 0;
          for (int64_t e = 0; e < shape.width; ++e)
            dot += q_at[token][h][e] * k_at[key][h / shared][e];
          const double weight = std::exp(scale * dot);
          sum += weight;
          for (int64_t e = 0; e < shape.width; ++e)
            out_at[token][h][e] += weight * v_at[key][h / shared][e];
        }
        for (int64_t e = 0; e < shape.width; ++e) out_at[token][h][e] /= sum;
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
  const int64_t tokens = s.segments.back().begin + s.segments.back().count;
  // As the forward has them: parts of one tensor.
  const at::Tensor qkv = at::randn({tokens, s.heads + 2 * s.groups, s.width}) * 1.5;
  const at::Tensor q = qkv.narrow(1, 0, s.heads), k = qkv.narrow(1, s.heads, s.groups),
                   v = qkv.narrow(1, s.heads + s.groups, s.groups);
  const double scale = 1 / std::sqrt(static_cast<double>(s.width));
  ASSERT_TRUE(CanFuseAttention(q, k, v));
  const at::Tensor slow = SlowAttention(q, k, v, scale, s);
  const at::Tensor fast = FusedCausalAttention(q, k, v, scale, s.window, s.segments);
  EXPECT_LT(LargestDifference(fast, slow), 4e-6);
  const at::Tensor plain = FusedCausalAttention(q.contiguous(), k.contiguous(), v.contiguous(),
                                                scale, s.window, s.segments);
  EXPECT_EQ(LargestDifference(fast, plain), 0) << "strides change nothing";
  EXPECT_LT(LargestDifference(PackedAttention(q, k, v, scale, s.window, s.segments), slow), 4e-6);
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, FusedAttentionTest,
    testing::Values(
        Shape{Rows(1, 1), 1, 1, 1}, Shape{Rows(2, 5), 3, 3, 7}, Shape{Rows(1, 16), 4, 4, 8},
        Shape{Rows(3, 17), 2, 2, 5}, Shape{Rows(2, 40), 8, 8, 16}, Shape{Rows(1, 63), 2, 2, 64},
        // Grouped queries.
        Shape{Rows(2, 9), 4, 2, 8}, Shape{Rows(2, 12), 8, 1, 4},
        // Prompts of different lengths; with shared beginnings.
        Shape{{{0, 3}, {3, 17}, {20, 1}}, 2, 2, 8}, Shape{{{0, 20}, {20, 1, 0, 19}}, 2, 2, 8},
        Shape{{{0, 9},
               {9, 33},
               {42, 3, 1, 30},
               {45, 2, 0, 9},
               {47, 5, 2, 31},
               {52, 2, 4, 12},
               {54, 1, 5, 14}},
              4,
              2,
              6},
        Shape{{{0, 698}, {698, 2, 0, 698}}, 2, 2, 8},
        // Windows: one key, fewer than the tokens, exactly the tokens, more; with a prefix.
        Shape{Rows(1, 10), 2, 2, 8, 1}, Shape{Rows(2, 19), 2, 2, 8, 4},
        Shape{Rows(1, 10), 2, 2, 8, 10}, Shape{Rows(1, 10), 2, 2, 8, 99},
        Shape{{{0, 40}, {40, 5, 0, 35}, {45, 3, 1, 38}}, 4, 2, 8, 7}));

TEST(FusedAttentionTest, LargeScoresNeitherOverflowNorLoseTheWinner) {
  const c10::InferenceMode guard;
  const at::Tensor q = at::full({3, 1, 2}, 100.0F);
  at::Tensor k = at::zeros({3, 1, 2});
  k.select(0, 0).fill_(100.0F);   // a score of 20,000
  k.select(0, 1).fill_(-100.0F);  // and one of -20,000
  const at::Tensor v = at::arange(6, at::kFloat).view({3, 1, 2});
  const at::Tensor out = FusedCausalAttention(q, k, v, 1.0, 0, Rows(1, 3));
  EXPECT_LT(LargestDifference(out, v.narrow(0, 0, 1).expand({3, 1, 2})), 1e-6);
}

TEST(FusedAttentionTest, ResultDoesNotDependOnTheNumberOfThreads) {
  const c10::InferenceMode guard;
  at::manual_seed(3);
  const at::Tensor q = at::randn({16 * 30, 4, 16}), k = at::randn({16 * 30, 4, 16}),
                   v = at::randn({16 * 30, 4, 16});
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const at::Tensor one = FusedCausalAttention(q, k, v, 0.25, 0, Rows(16, 30));
  at::set_num_threads(2);
  const at::Tensor two = FusedCausalAttention(q, k, v, 0.25, 0, Rows(16, 30));
  at::set_num_threads(threads);
  EXPECT_TRUE(at::equal(one, two));
}

TEST(FusedAttentionTest, IsNotUsedWhereGradientsOrOtherTypesAreAskedFor) {
  const at::Tensor plain = at::randn({4, 2, 8});
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
