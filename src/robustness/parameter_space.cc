#include "robustness/parameter_space.h"

#include <ATen/ATen.h>

namespace assay::robustness {
namespace {

using measure::Norm;

class PixelSpace : public ParameterSpace {
 public:
  std::string name() const override { return "pixels"; }
  bool differentiable() const override { return true; }
  at::Tensor Identity(const at::Tensor& images) const override { return images; }
  at::Tensor Low(const at::Tensor& images) const override {
    return at::zeros({}, images.options());
  }
  at::Tensor High(const at::Tensor& images) const override {
    return at::ones({}, images.options());
  }
  at::Tensor Scale(const at::Tensor&) const override { return {}; }
  at::Tensor Apply(const at::Tensor&, const at::Tensor& parameters) const override {
    return parameters;
  }
  at::Tensor Draw(const at::Tensor& image, Norm norm, double radius,
                  base::Rng& rng) const override {
    at::Tensor noise = at::empty(image.sizes(), at::kFloat);
    float* values = noise.data_ptr<float>();
    for (int64_t i = 0; i < noise.numel(); ++i)
      values[i] = static_cast<float>(norm == Norm::kLinf ? 2 * rng.Uniform() - 1 : rng.Normal());
    noise = noise.to(image.device());
    if (norm == Norm::kLinf) {
      noise.mul_(radius);
    } else if (norm != Norm::kL0) {  // L0 is left to the projection
      noise.mul_(radius * rng.Uniform() / measure::Distance(noise, norm).item<double>());
    }
    return (image + noise).clamp_(0, 1);
  }
};

}  // namespace

std::unique_ptr<ParameterSpace> MakePixelSpace() { return std::make_unique<PixelSpace>(); }

}  // namespace assay::robustness
