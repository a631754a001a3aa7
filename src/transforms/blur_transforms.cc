// Loss of sharpness and its opposite: Gaussian blur of the whole image or of a rectangle, defocus,
// sharpening, and loss of resolution. Borders are mirrored.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "transforms/separable.h"
#include "transforms/transform_kinds.h"

namespace assay::transforms {
namespace {

double ShortSide(int64_t height, int64_t width) {
  return static_cast<double>(std::min(height, width));
}

at::Tensor Blurred(const at::Tensor& images, const at::Tensor& sigma) {  // sigma: [B, 1] px
  return ApplySeparable(images, GaussianMatrix(sigma, images.size(2)),
                        GaussianMatrix(sigma, images.size(3)));
}

class BlurTransform final : public Transform {
 public:
  BlurTransform() : Transform("blur") {}
  std::vector<ParameterSpec> Parameters(int64_t height, int64_t width) const override {
    return {{.name = "sigma",
             .low = {0},
             .high = {0.02 * ShortSide(height, width)},
             .identity = {0},
             .unit = "px"}};
  }

 private:
  at::Tensor Change(const at::Tensor& images, const at::Tensor& parameters) const override {
    return Blurred(images, parameters);
  }
};

// The reference's, with soft edges and without a limit on the kernel.
class BlurRectangleTransform final : public Transform {
 public:
  BlurRectangleTransform() : Transform("blur_rectangle") {}
  std::vector<ParameterSpec> Parameters(int64_t height, int64_t width) const override {
    const double h = static_cast<double>(height) / 224, w = static_cast<double>(width) / 224;
    const auto pixels = [](const char* name, double low, double high, double identity) {
      return ParameterSpec{
          .name = name, .low = {low}, .high = {high}, .identity = {identity}, .unit = "px"};
    };
    return {pixels("corner_x", 0, 150 * w, 0), pixels("corner_y", 0, 150 * h, 0),
            pixels("height", 100 * h, 150 * h, 100 * h), pixels("width", 100 * w, 150 * w, 100 * w),
            pixels("sigma", 0, 0.03 * ShortSide(height, width), 0)};
  }

 private:
  at::Tensor Change(const at::Tensor& images, const at::Tensor& parameters) const override {
    const at::Tensor x = Column(parameters, 0), y = Column(parameters, 1);
    const at::Tensor rows = Coverage(y, y + Column(parameters, 2), images.size(2));
    const at::Tensor columns = Coverage(x, x + Column(parameters, 3), images.size(3));
    const at::Tensor mask = (rows.unsqueeze(2) * columns.unsqueeze(1)).unsqueeze(1);
    return images + mask * (Blurred(images, Column(parameters, 4)) - images);
  }
};

// A disc of constant weight, what a lens out of focus does; its rim is one pixel wide.
class DefocusTransform final : public Transform {
 public:
  DefocusTransform() : Transform("defocus") {}
  std::vector<ParameterSpec> Parameters(int64_t height, int64_t width) const override {
    return {{.name = "radius",
             .low = {0},
             .high = {0.04 * ShortSide(height, width)},
             .identity = {0},
             .unit = "px (up to 0.5 changes nothing, above 64 counts as 64)"}};
  }

 private:
  at::Tensor Change(const at::Tensor& images, const at::Tensor& parameters) const override {
    const int64_t batch = images.size(0);
    const at::Tensor radius = parameters.clamp_max(64).reshape({-1, 1, 1});
    const double largest = radius.detach().max().item<double>();
    const auto reach = static_cast<int64_t>(std::ceil(std::clamp(largest, 0.0, 64.0) + 0.5));
    const at::Tensor d = at::arange(-reach, reach + 1, images.options());
    const at::Tensor distance = (d.square() + d.square().unsqueeze(1)).sqrt();
    const at::Tensor disc = (radius + 0.5 - distance).clamp(0, 1);
    const at::Tensor centre = (distance == 0).to(at::kFloat);
    const at::Tensor kernel = at::maximum(disc, centre * 1e-6);  // the identity, however small
    const at::Tensor weights = (kernel / kernel.sum({1, 2}, true))
                                   .unsqueeze(1)
                                   .expand({batch, 3, d.numel(), d.numel()})
                                   .reshape({batch * 3, 1, d.numel(), d.numel()});
    const at::Tensor padded = Mirrored(Mirrored(images, 2, reach), 3, reach);
    const at::Tensor flat = padded.reshape({1, batch * 3, padded.size(2), padded.size(3)});
    return at::conv2d(flat, weights, {}, {1, 1}, at::IntArrayRef{0, 0}, {1, 1}, batch * 3)
        .reshape(images.sizes());
  }

  static at::Tensor Mirrored(const at::Tensor& images, int64_t dimension, int64_t reach) {
    const int64_t size = images.size(dimension);
    const at::Tensor place = at::arange(-reach, size + reach, images.options().dtype(at::kLong));
    const at::Tensor phase = at::remainder(place, 2 * size);
    return images.index_select(dimension, at::minimum(phase, 2 * size - 1 - phase));
  }
};

// Unsharp masking with sigma 1 px.
class SharpenTransform final : public Transform {
 public:
  SharpenTransform() : Transform("sharpen") {}
  std::vector<ParameterSpec> Parameters(int64_t, int64_t) const override {
    return {{.name = "amount",
             .low = {0},
             .high = {2},
             .identity = {0},
             .unit = "share of the difference from the image blurred with sigma 1 px"}};
  }

 private:
  at::Tensor Change(const at::Tensor& images, const at::Tensor& parameters) const override {
    const at::Tensor blurred = Blurred(images, at::ones_like(parameters));
    return images + parameters.reshape({-1, 1, 1, 1}) * (images - blurred);
  }
};

// Scanned with pixels `factor` times as wide, then enlarged to the old size.
class ResolutionTransform final : public Transform {
 public:
  ResolutionTransform() : Transform("resolution") {}
  std::vector<ParameterSpec> Parameters(int64_t, int64_t) const override {
    return {{.name = "factor",
             .low = {1},
             .high = {4},
             .identity = {1},
             .unit = "width of a pixel in old pixels (below 1 counts as 1)"}};
  }

 private:
  at::Tensor Change(const at::Tensor& images, const at::Tensor& parameters) const override {
    const at::Tensor factor = parameters.clamp_min(1);
    return ApplySeparable(images, Matrix(factor, images.size(2)), Matrix(factor, images.size(3)));
  }

  // Coarse pixel k lies over old pixel k factor.
  static at::Tensor Matrix(const at::Tensor& factor, int64_t size) {  // [B, size, size]
    const at::Tensor fine = Positions(size, factor);
    const at::Tensor coarse = Positions(size + 1, factor) * factor;  // [B, size + 1]
    const at::Tensor spread =
        (1 - (coarse.unsqueeze(2) - fine).abs() / factor.unsqueeze(2)).clamp_min(0);
    // The same tents interpolate between the coarse pixels on the way back.
    const at::Tensor down = spread / spread.sum(2, /*keepdim=*/true).clamp_min(1e-6);
    const at::Tensor up = spread / spread.sum(1, /*keepdim=*/true);
    return at::bmm(up.transpose(1, 2), down);
  }
};

}  // namespace

std::unique_ptr<Transform> MakeBlur(const TransformOptions&) {
  return std::make_unique<BlurTransform>();
}
std::unique_ptr<Transform> MakeBlurRectangle(const TransformOptions&) {
  return std::make_unique<BlurRectangleTransform>();
}
std::unique_ptr<Transform> MakeDefocus(const TransformOptions&) {
  return std::make_unique<DefocusTransform>();
}
std::unique_ptr<Transform> MakeSharpen(const TransformOptions&) {
  return std::make_unique<SharpenTransform>();
}
std::unique_ptr<Transform> MakeResolution(const TransformOptions&) {
  return std::make_unique<ResolutionTransform>();
}

}  // namespace assay::transforms
