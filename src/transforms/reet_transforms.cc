// Rotation, crop, zoom, rectangular blur and cutout as the reference code has them: positions cut
// off to whole pixels, nearest neighbour, zero padding. Parameters are not differentiable; images
// are. Coordinates are computed in double, as Python does, and by matrices instead of a loop over
// images.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "transforms/separable.h"
#include "transforms/transform_kinds.h"

namespace assay::transforms {
namespace {

// `low` to `high` px at 224 px, for a side of `size` px.
ParameterSpec WholePixels(const char* name, double low, double high, int64_t size,
                          double identity) {
  const double scale = static_cast<double>(size) / 224;
  return {.name = name,
          .low = {low * scale},
          .high = {high * scale},
          .identity = {identity},
          .unit = "px (the fraction is cut off)",
          .differentiable = false};
}

ParameterSpec Fixed(ParameterSpec spec) {
  spec.differentiable = false;
  return spec;
}

at::Tensor Exact(const at::Tensor& parameters, int64_t p) {  // [B, 1] float64
  return Column(parameters, p).detach().to(at::kDouble);
}
at::Tensor Whole(const at::Tensor& parameters, int64_t p) { return Exact(parameters, p).trunc(); }

at::Tensor Masked(const at::Tensor& weights, const at::Tensor& valid) {  // [B, n, m], [B, n]
  return (weights * valid.to(at::kDouble).unsqueeze(2)).to(at::kFloat);
}

class ReetRotate final : public Transform {
 public:
  ReetRotate() : Transform("rotate") {}
  std::vector<ParameterSpec> Parameters(int64_t, int64_t) const override {
    return {Fixed({.name = "angle",
                   .low = {0},
                   .high = {360},
                   .identity = {0},
                   .unit = "degrees counter-clockwise"})};
  }

 private:
  at::Tensor Change(const at::Tensor& images, const at::Tensor& parameters) const override {
    const double height = static_cast<double>(images.size(2));
    const double width = static_cast<double>(images.size(3));
    const at::Tensor turn = Exact(parameters, 0).unsqueeze(2) * (std::numbers::pi / 180);
    const at::Tensor cosine = turn.cos().to(at::kFloat), sine = turn.sin().to(at::kFloat);
    const at::Tensor x = Positions(images.size(3), images) + (0.5 - width / 2);
    const at::Tensor y = (Positions(images.size(2), images) + (0.5 - height / 2)).unsqueeze(1);
    const at::Tensor grid = at::stack({x * (cosine / (width / 2)) - y * (sine / (width / 2)),
                                       x * (sine / (height / 2)) + y * (cosine / (height / 2))},
                                      3);
    constexpr int64_t kNearest = 1, kZeros = 0;
    return at::grid_sampler(images, grid, kNearest, kZeros, /*align_corners=*/false);
  }
};

class ReetCrop final : public Transform {
 public:
  ReetCrop() : Transform("crop") {}
  std::vector<ParameterSpec> Parameters(int64_t height, int64_t width) const override {
    return {WholePixels("top", 0, 100, height, 0), WholePixels("left", 0, 100, width, 0),
            WholePixels("height", 150, 200, height, static_cast<double>(height)),
            WholePixels("width", 150, 200, width, static_cast<double>(width))};
  }

 private:
  at::Tensor Change(const at::Tensor& images, const at::Tensor& parameters) const override {
    const auto matrix = [&](int64_t first, int64_t extent, int64_t size) {
      const at::Tensor length = Whole(parameters, extent);
      const at::Tensor margin = ((static_cast<double>(size) - length) / 2).round();
      const at::Tensor inside = Positions(size, length) - margin;
      return Masked(HatWeights(inside + Whole(parameters, first), size),
                    inside.ge(0) & inside.lt(length));
    };
    return ApplySeparable(images, matrix(0, 2, images.size(2)), matrix(1, 3, images.size(3)));
  }
};

// Bilinear, without anti-aliasing, to int(size * scale) pixels, of which the window of the old size
// is cut out or which is padded to it.
class ReetZoom final : public Transform {
 public:
  explicit ReetZoom(bool in) : Transform(in ? "zoom_in" : "zoom_out"), in_(in) {}
  std::vector<ParameterSpec> Parameters(int64_t, int64_t) const override {
    std::vector<ParameterSpec> specs{Fixed({.name = "scale",
                                            .low = {in_ ? 1.1 : 0.5},
                                            .high = {in_ ? 2 : 0.95},
                                            .identity = {1},
                                            .unit = "factor"})};
    if (!in_) return specs;
    // The reference draws these inside the transform, from 0 to the surplus.
    for (const char* name : {"top", "left"}) {
      specs.push_back(Fixed({.name = name,
                             .low = {0},
                             .high = {1},
                             .identity = {0},
                             .unit = "share of the enlarged image's surplus that is cut off"}));
    }
    return specs;
  }

 private:
  at::Tensor Change(const at::Tensor& images, const at::Tensor& parameters) const override {
    return ApplySeparable(images, Matrix(parameters, 1, images.size(2)),
                          Matrix(parameters, 2, images.size(3)));
  }

  at::Tensor Matrix(const at::Tensor& parameters, int64_t place, int64_t pixels) const {
    const double size = static_cast<double>(pixels);
    const at::Tensor zoomed = (Exact(parameters, 0) * size).trunc().clamp_min(1);  // [B, 1]
    const at::Tensor offset =
        in_ ? (Exact(parameters, place) * (zoomed - size)).trunc() : -((size - zoomed) / 2).round();
    const at::Tensor position = Positions(pixels, zoomed) + offset;
    const at::Tensor source = ((position + 0.5) * (size / zoomed) - 0.5).clamp(0, size - 1);
    return Masked(HatWeights(source, pixels), position.ge(0) & position.lt(zoomed));
  }

  bool in_;
};

class ReetBlur final : public Transform {
 public:
  ReetBlur() : Transform("blur") {}
  std::vector<ParameterSpec> Parameters(int64_t height, int64_t width) const override {
    return {WholePixels("corner_x", 0, 150, width, 0),
            WholePixels("corner_y", 0, 150, height, 0),
            WholePixels("height", 100, 150, height, 0),
            WholePixels("width", 100, 150, width, 0),
            {.name = "kernel_size",
             .low = {1},
             .high = {10},
             .identity = {1},
             .unit = "px (an even size counts as one more)",
             .integer = true,
             .differentiable = false},
            Fixed({.name = "sigma", .low = {3}, .high = {20}, .identity = {3}, .unit = "px"})};
  }

 private:
  at::Tensor Change(const at::Tensor& images, const at::Tensor& parameters) const override {
    const at::Tensor size = Whole(parameters, 4).clamp_min(1);
    const at::Tensor half = (size / 2).floor();  // of the odd kernel: [B, 1]
    const auto widest = static_cast<int64_t>(half.max().item<double>());
    const at::Tensor tap = at::arange(-widest, widest + 1, half.options());
    const at::Tensor bell = (tap / Exact(parameters, 5).clamp_min(1e-6)).square().mul(-0.5).exp() *
                            (tap.abs() <= half).to(at::kDouble);
    const at::Tensor weights = bell / bell.sum(1, /*keepdim=*/true);  // [B, taps]
    const Section rows = SectionOf(parameters, 1, 2, images.size(2), tap, weights);
    const Section columns = SectionOf(parameters, 0, 3, images.size(3), tap, weights);
    const at::Tensor mask = (rows.inside.unsqueeze(2) & columns.inside.unsqueeze(1)).unsqueeze(1);
    return at::where(mask, ApplySeparable(images, rows.matrix, columns.matrix), images);
  }

  struct Section {
    at::Tensor inside;  // [B, n] bool
    at::Tensor matrix;  // [B, n, n], meaningful in the rows that are inside
  };

  // The kernel along one side, mirrored about the outer pixels of the section.
  static Section SectionOf(const at::Tensor& parameters, int64_t corner, int64_t extent,
                           int64_t pixels, const at::Tensor& tap, const at::Tensor& weights) {
    const double size = static_cast<double>(pixels);
    const at::Tensor begin = Whole(parameters, corner).clamp(0, size);
    const at::Tensor end = (Whole(parameters, corner) + Whole(parameters, extent)).clamp(0, size);
    const at::Tensor place = Positions(pixels, begin);
    const at::Tensor last = (end - begin - 1).clamp_min(0).unsqueeze(2);  // [B, 1, 1]
    const at::Tensor phase =
        at::remainder(place.unsqueeze(1) + tap - begin.unsqueeze(2), (2 * last).clamp_min(1));
    const at::Tensor mirrored = (last - (phase - last).abs()).clamp_min(0);
    const at::Tensor source =
        (mirrored + begin.unsqueeze(2)).clamp(0, size - 1).to(at::kLong);  // [B, n, taps]
    const at::Tensor matrix = at::zeros({begin.size(0), pixels, pixels}, begin.options())
                                  .scatter_add(2, source, weights.unsqueeze(1).expand_as(source));
    return {place.ge(begin) & place.lt(end), matrix.to(at::kFloat)};
  }
};

class ReetCutout final : public Transform {
 public:
  explicit ReetCutout(double fill) : Transform("cutout"), fill_(fill) {}
  std::vector<ParameterSpec> Parameters(int64_t height, int64_t width) const override {
    return {WholePixels("corner_x", 0, 168, width, 0), WholePixels("corner_y", 0, 168, height, 0),
            WholePixels("height", 28, 56, height, 0), WholePixels("width", 28, 56, width, 0)};
  }

 private:
  at::Tensor Change(const at::Tensor& images, const at::Tensor& parameters) const override {
    const auto inside = [&](int64_t corner, int64_t extent, int64_t size) {  // [B, n] bool
      const at::Tensor begin = Whole(parameters, corner), place = Positions(size, begin);
      return place.ge(begin) & place.lt(begin + Whole(parameters, extent));
    };
    const at::Tensor mask = inside(1, 2, images.size(2)).unsqueeze(2) &
                            inside(0, 3, images.size(3)).unsqueeze(1);  // [B, H, W]
    return images.masked_fill(mask.unsqueeze(1), fill_);
  }

  double fill_;
};

}  // namespace

std::unique_ptr<Transform> MakeReetRotate(const TransformOptions&) {
  return std::make_unique<ReetRotate>();
}
std::unique_ptr<Transform> MakeReetCrop(const TransformOptions&) {
  return std::make_unique<ReetCrop>();
}
std::unique_ptr<Transform> MakeReetZoomIn(const TransformOptions&) {
  return std::make_unique<ReetZoom>(true);
}
std::unique_ptr<Transform> MakeReetZoomOut(const TransformOptions&) {
  return std::make_unique<ReetZoom>(false);
}
std::unique_ptr<Transform> MakeReetBlur(const TransformOptions&) {
  return std::make_unique<ReetBlur>();
}
std::unique_ptr<Transform> MakeReetCutout(const TransformOptions& options) {
  return std::make_unique<ReetCutout>(options.cutout_fill);
}

}  // namespace assay::transforms
