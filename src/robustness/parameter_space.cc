#include "robustness/parameter_space.h"

#include <ATen/ATen.h>

#include "base/rng.h"

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
  at::Tensor Draw(const at::Tensor& images, Norm norm, const at::Tensor& radius,
                  std::span<const uint64_t> streams, uint64_t number) const override {
    at::Tensor noise = at::empty(images.sizes(), at::kFloat);
    const at::Tensor sizes = radius.to(at::kCPU, at::kDouble).clone();
    float* value = noise.data_ptr<float>();
    for (int64_t b = 0; b < images.size(0); ++b) {
      base::Rng rng(streams[static_cast<size_t>(b)], "pixels", number);
      for (int64_t i = 0; i < noise[b].numel(); ++i, ++value)
        *value = static_cast<float>(norm == Norm::kLinf ? 2 * rng.Uniform() - 1 : rng.Normal());
      if (norm != Norm::kLinf) sizes.data_ptr<double>()[b] *= rng.Uniform();
    }
    noise = noise.to(images.device());
    if (norm == Norm::kLinf) {
      noise.mul_(measure::PerRow(sizes, noise));
    } else if (norm != Norm::kL0) {  // L0 is left to the projection
      noise.mul_(measure::PerRow(sizes / measure::Distance(noise, norm).to(at::kCPU), noise));
    }
    return (images + noise).clamp_(0, 1);
  }
};

}  // namespace

std::unique_ptr<ParameterSpace> MakePixelSpace() { return std::make_unique<PixelSpace>(); }

}  // namespace assay::robustness
