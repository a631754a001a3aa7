#include "robustness/transform_space.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/rng.h"

namespace assay::robustness {
namespace {

constexpr size_t kMostSpread = 32;  // parameters; in more dimensions no few points cover anything

// A point of [0, 1]^count; over streams, each coordinate has the arcsine distribution, which
// favours the ends: there images change most. Points of successive numbers are spread: additive
// steps of powers of the generalised golden ratio (Roberts 2018).
std::vector<double> Shares(size_t count, uint64_t stream, uint64_t number) {
  const bool spread = count <= kMostSpread;
  base::Rng rng(stream, "transform", spread ? 0 : number);
  std::vector<double> shares(count);
  for (double& share : shares) share = rng.Uniform();
  double ratio = 2;  // the root of x^(count + 1) = x + 1
  for (int i = 0; i < 64; ++i) ratio = std::pow(1 + ratio, 1 / (static_cast<double>(count) + 1));
  double step = 1;
  for (double& share : shares) {
    step /= ratio;
    if (spread) share += static_cast<double>(number) * step;
    share = std::pow(std::sin((share - std::floor(share)) * std::numbers::pi / 2), 2);
  }
  return shares;
}

std::vector<double> UniformShares(size_t count, uint64_t stream, uint64_t number) {
  base::Rng rng(stream, "uniform transform", number);
  std::vector<double> shares(count);
  for (double& share : shares) share = rng.Uniform();
  return shares;
}

class TransformSpace : public ParameterSpace {
 public:
  TransformSpace(std::shared_ptr<const transforms::Transform> transform,
                 const TransformSpaceOptions& options)
      : transform_(std::move(transform)), options_(options) {}

  std::string name() const override { return transform_->name(); }
  bool differentiable() const override { return transform_->differentiable(); }

  at::Tensor Identity(const at::Tensor& images) const override {
    return transform_->Identity(images.size(0), images.size(2), images.size(3)).to(images.device());
  }
  at::Tensor Low(const at::Tensor& images) const override {
    if (!options_.bounded) return at::full({}, -INFINITY, images.options());
    const transforms::ParameterBounds bounds = Bounds(images);
    return Row(at::minimum(bounds.low, bounds.identity), images);
  }
  at::Tensor High(const at::Tensor& images) const override {
    if (!options_.bounded) return at::full({}, INFINITY, images.options());
    const transforms::ParameterBounds bounds = Bounds(images);
    return Row(at::maximum(bounds.high, bounds.identity), images);
  }
  at::Tensor Scale(const at::Tensor& images) const override {
    if (!options_.relative) return {};
    const transforms::ParameterBounds bounds = Bounds(images);
    const at::Tensor half = (bounds.high - bounds.low) / 2;
    return Row(at::where(half > 0, half, at::ones_like(half)), images);
  }
  at::Tensor Apply(const at::Tensor& images, const at::Tensor& parameters) const override {
    return transform_->Apply(images, parameters);
  }
  at::Tensor Draw(const at::Tensor& images, measure::Norm, const at::Tensor&,
                  std::span<const uint64_t> streams, uint64_t number) const override {
    const transforms::ParameterBounds bounds = Bounds(images);
    const int64_t count = bounds.low.numel();
    const float *low = bounds.low.data_ptr<float>(), *high = bounds.high.data_ptr<float>();
    const bool* integer = bounds.integer.data_ptr<bool>();
    at::Tensor out = at::empty({images.size(0), count});
    float* value = out.data_ptr<float>();
    const auto shares_of = options_.uniform ? UniformShares : Shares;
    for (const uint64_t stream : streams) {
      for (const double share : shares_of(static_cast<size_t>(count), stream, number)) {
        const auto p = (value - out.data_ptr<float>()) % count;
        const float width = high[p] - low[p] + (integer[p] ? 1.0F : 0.0F);
        const float drawn = low[p] + static_cast<float>(share) * width;
        *value++ = std::min(integer[p] ? std::floor(drawn) : drawn, high[p]);
      }
    }
    return out.to(images.device());
  }

 private:
  transforms::ParameterBounds Bounds(const at::Tensor& images) const {
    return transform_->Bounds(images.size(2), images.size(3));
  }
  static at::Tensor Row(const at::Tensor& values, const at::Tensor& images) {
    return values.unsqueeze(0).to(images.device());  // [1, P]
  }

  std::shared_ptr<const transforms::Transform> transform_;
  TransformSpaceOptions options_;
};

}  // namespace

std::unique_ptr<ParameterSpace> MakeTransformSpace(
    std::shared_ptr<const transforms::Transform> transform, const TransformSpaceOptions& options) {
  return std::make_unique<TransformSpace>(std::move(transform), options);
}

}  // namespace assay::robustness
