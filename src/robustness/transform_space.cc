#include "robustness/transform_space.h"

#include <ATen/ATen.h>

#include <array>
#include <cmath>

namespace assay::robustness {
namespace {

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
  at::Tensor Draw(const at::Tensor& image, measure::Norm, double, base::Rng& rng) const override {
    const std::array<int64_t, 1> id = {0};
    return transform_->Sample(image.size(2), image.size(3), rng.Next(), id).to(image.device());
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
