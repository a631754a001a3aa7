#include "measure/image_similarity.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "base/error.h"

namespace assay::measure {
namespace {

using base::ErrorKind;
using base::Fail;

void CheckSame(const at::Tensor& a, const at::Tensor& b) {
  if (a.sizes() == b.sizes()) return;
  Fail(ErrorKind::kBadInput, "pictures of different shapes are compared: {} and {} values",
       a.numel(), b.numel());
}

// [1, 1, side, side] float64, adds up to 1.
at::Tensor GaussianWindow(int64_t side) {
  constexpr double kSigmaPx = 1.5;
  const at::Tensor place =
      at::arange(side, at::kDouble) - static_cast<double>(side - 1) / 2;  // [side]
  at::Tensor line = (-place.square() / (2 * kSigmaPx * kSigmaPx)).exp();
  line = line / line.sum();
  return at::outer(line, line).reshape({1, 1, side, side});
}

// Ranks from 0, ties at their mean.
std::vector<double> Ranks(const std::vector<double>& values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] < values[b]; });
  std::vector<double> ranks(values.size());
  for (size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    const double mean = static_cast<double>(begin + end - 1) / 2;
    for (size_t i = begin; i < end; ++i) ranks[order[i]] = mean;
  }
  return ranks;
}

double Correlation(const std::vector<double>& a, const std::vector<double>& b) {
  const double n = static_cast<double>(a.size());
  const double mean_a = std::accumulate(a.begin(), a.end(), 0.0) / n;
  const double mean_b = std::accumulate(b.begin(), b.end(), 0.0) / n;
  double ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    ab += (a[i] - mean_a) * (b[i] - mean_b);
    aa += (a[i] - mean_a) * (a[i] - mean_a);
    bb += (b[i] - mean_b) * (b[i] - mean_b);
  }
  return aa > 0 && bb > 0 ? ab / std::sqrt(aa * bb) : 0;
}

// Indices of the k largest; of equals the first.
std::vector<size_t> Largest(const std::vector<double>& values, size_t k) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return values[a] > values[b]; });
  order.resize(k);
  std::sort(order.begin(), order.end());
  return order;
}

std::vector<double> Values(const at::Tensor& map) {
  const at::Tensor flat = map.to(at::kCPU, at::kDouble).contiguous();
  return {flat.data_ptr<double>(), flat.data_ptr<double>() + flat.numel()};
}

}  // namespace

at::Tensor Ssim(const at::Tensor& a, const at::Tensor& b) {
  CheckSame(a, b);
  const int64_t images = a.size(0), channels = a.size(1), height = a.size(2), width = a.size(3);
  int64_t side = std::min<int64_t>({11, height, width});
  if (side % 2 == 0) --side;
  const at::Tensor window = GaussianWindow(side).to(a.device());
  const auto blur = [&](const at::Tensor& x) { return at::conv2d(x, window); };
  const at::Tensor x = a.to(at::kDouble).reshape({images * channels, 1, height, width});
  const at::Tensor y = b.to(at::kDouble).reshape({images * channels, 1, height, width});
  const at::Tensor mean_x = blur(x), mean_y = blur(y);
  const at::Tensor var_x = blur(x * x) - mean_x.square(), var_y = blur(y * y) - mean_y.square();
  const at::Tensor cov = blur(x * y) - mean_x * mean_y;
  constexpr double kC1 = 0.01 * 0.01, kC2 = 0.03 * 0.03;
  const at::Tensor map = (2 * mean_x * mean_y + kC1) * (2 * cov + kC2) /
                         ((mean_x.square() + mean_y.square() + kC1) * (var_x + var_y + kC2));
  return map.reshape({images, -1}).mean(1);
}

at::Tensor CieLab(const at::Tensor& images) {
  if (images.dim() != 4 || images.size(1) != 3)
    Fail(ErrorKind::kBadInput, "CIELAB needs RGB images [B, 3, H, W]");
  const at::Tensor rgb = images.to(at::kDouble).clamp(0, 1);
  const at::Tensor linear =
      at::where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055).pow(2.4));
  const at::Tensor r = linear.select(1, 0), g = linear.select(1, 1), b = linear.select(1, 2);
  const auto f = [](const at::Tensor& t) {
    constexpr double kDelta = 6.0 / 29;
    return at::where(t > kDelta * kDelta * kDelta, t.clamp_min(1e-12).pow(1.0 / 3),
                     t / (3 * kDelta * kDelta) + 4.0 / 29);
  };
  // sRGB to XYZ (IEC 61966-2-1), each divided by the white of D65: the sum of its row.
  const at::Tensor x = f((0.4124564 * r + 0.3575761 * g + 0.1804375 * b) / 0.95047);
  const at::Tensor y = f(0.2126729 * r + 0.7151522 * g + 0.0721750 * b);
  const at::Tensor z = f((0.0193339 * r + 0.1191920 * g + 0.9503041 * b) / 1.08883);
  return at::stack({116 * y - 16, 500 * (x - y), 200 * (y - z)}, 1);
}

at::Tensor LargestColourDifference(const at::Tensor& a, const at::Tensor& b) {
  CheckSame(a, b);
  const auto colour = [](const at::Tensor& x) {
    return x.size(1) == 1 ? x.repeat({1, 3, 1, 1}) : x;
  };
  const at::Tensor difference = CieLab(colour(a)) - CieLab(colour(b));
  return difference.square().sum(1).sqrt().flatten(1).amax(1);
}

MapSimilarity CompareMaps(const at::Tensor& before, const at::Tensor& after, double top_share) {
  CheckSame(before, after);
  if (before.dim() != 2 || before.numel() == 0)
    Fail(ErrorKind::kBadInput, "saliency maps to compare are [H, W]");
  if (!(top_share > 0 && top_share <= 1))
    Fail(ErrorKind::kBadInput, "top share {}; expected one in (0, 1]", top_share);
  const std::vector<double> a = Values(before), b = Values(after);
  for (const auto* map : {&a, &b}) {
    for (const double value : *map) {
      if (!(value >= 0 && std::isfinite(value)))
        Fail(ErrorKind::kBadInput, "a saliency map has the value {}; expected magnitudes", value);
    }
  }
  MapSimilarity similarity;
  similarity.spearman = Correlation(Ranks(a), Ranks(b));
  const auto scaled = [](const at::Tensor& map) {
    const at::Tensor x = map.to(at::kDouble).reshape({1, 1, map.size(0), map.size(1)});
    const double largest = x.max().item<double>();
    return largest > 0 ? x / largest : x;
  };
  similarity.ssim = Ssim(scaled(before), scaled(after)).item<double>();
  const auto k =
      static_cast<size_t>(std::max(1.0, std::round(top_share * static_cast<double>(a.size()))));
  const std::vector<size_t> top_a = Largest(a, k), top_b = Largest(b, k);
  std::vector<size_t> both;
  std::set_intersection(top_a.begin(), top_a.end(), top_b.begin(), top_b.end(),
                        std::back_inserter(both));
  similarity.top_k = static_cast<double>(both.size()) / static_cast<double>(k);
  return similarity;
}

}  // namespace assay::measure
