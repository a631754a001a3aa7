// Rotation, crop, zoom and cutout with continuous positions: bilinear, soft edges (a pixel that a
// window covers in part counts in part), differentiable in every parameter. Coordinates reach from
// 0 to H and W; the centre of pixel i lies at i + 1/2.
#include <ATen/ATen.h>

#include <numbers>

#include "transforms/separable.h"
#include "transforms/transform_kinds.h"

namespace assay::transforms {
namespace {

constexpr double kReferenceSide = 224;  // px, of the tiles for which the reference states ranges

// `low` to `high` px at the reference size, for a side of `size` px.
ParameterSpec Pixels(std::string name, double low, double high, int64_t size, double identity) {
  const double scale = static_cast<double>(size) / kReferenceSide;
  return {.name = std::move(name),
          .low = {low * scale},
          .high = {high * scale},
          .identity = {identity},
          .unit = "px"};
}

at::Tensor Length(const at::Tensor& like, int64_t size) {  // [1, 1]
  return at::full({1, 1}, static_cast<double>(size), like.options());
}

// Linear interpolation at coordinates in [B, n]; beyond the outer pixel centres their values go on.
at::Tensor Interpolation(const at::Tensor& coordinates, int64_t size) {
  return HatWeights((coordinates - 0.5).clamp(0, static_cast<double>(size - 1)), size);
}

class RotateTransform final : public Transform {
 public:
  explicit RotateTransform(Padding padding) : Transform("rotate"), padding_(padding) {}
  std::vector<ParameterSpec> Parameters(int64_t, int64_t) const override {
    return {{.name = "angle",
             .low = {0},
             .high = {360},
             .identity = {0},
             .unit = "degrees counter-clockwise"}};
  }

 private:
  at::Tensor Change(const at::Tensor& images, const at::Tensor& parameters) const override {
    const double height = static_cast<double>(images.size(2));
    const double width = static_cast<double>(images.size(3));
    const at::Tensor turn = parameters.reshape({-1, 1, 1}) * (std::numbers::pi / 180);
    const at::Tensor x = Positions(images.size(3), images) + 0.5 - width / 2;  // [W]
    const at::Tensor y = (Positions(images.size(2), images) + 0.5 - height / 2).unsqueeze(1);
    const at::Tensor cosine = turn.cos(), sine = turn.sin();
    const at::Tensor grid =
        at::stack({(x * cosine - y * sine) * (2 / width), (x * sine + y * cosine) * (2 / height)},
                  3);  // [B, H, W, 2]
    constexpr int64_t kBilinear = 0, kZeros = 0, kReflection = 2;
    return at::grid_sampler(images, grid, kBilinear,
                            padding_ == Padding::kReflect ? kReflection : kZeros,
                            /*align_corners=*/false);
  }

  Padding padding_;
};

// The window top..top+height, left..left+width, in the middle of an image of the old size.
class CropTransform final : public Transform {
 public:
  explicit CropTransform(Padding padding) : Transform("crop"), padding_(padding) {}
  std::vector<ParameterSpec> Parameters(int64_t height, int64_t width) const override {
    return {Pixels("top", 0, 100, height, 0), Pixels("left", 0, 100, width, 0),
            Pixels("height", 150, 200, height, static_cast<double>(height)),
            Pixels("width", 150, 200, width, static_cast<double>(width))};
  }

 private:
  at::Tensor Change(const at::Tensor& images, const at::Tensor& parameters) const override {
    return ApplySeparable(images, Matrix(parameters, 0, 2, images.size(2)),
                          Matrix(parameters, 1, 3, images.size(3)));
  }

  at::Tensor Matrix(const at::Tensor& parameters, int64_t begin, int64_t extent,
                    int64_t size) const {  // [B, size, size]
    const at::Tensor first = Column(parameters, begin), length = Column(parameters, extent);
    const at::Tensor margin = (static_cast<double>(size) - length) / 2;
    const at::Tensor inside = Positions(size, parameters) + 0.5 - margin;  // [B, size]
    if (padding_ == Padding::kReflect) {
      const at::Tensor mirrored = first + ReflectInto(inside, length.clamp_min(1e-3));
      return Interpolation(ReflectInto(mirrored, Length(parameters, size)), size);
    }
    return HatWeights(first + inside - 0.5, size) *
           Coverage(margin, margin + length, size).unsqueeze(2);
  }

  Padding padding_;
};

// The image enlarged or reduced by `scale`; reduction averages over the pixels that fall together.
class ZoomTransform final : public Transform {
 public:
  ZoomTransform(bool in, Padding padding)
      : Transform(in ? "zoom_in" : "zoom_out"), in_(in), padding_(padding) {}
  std::vector<ParameterSpec> Parameters(int64_t, int64_t) const override {
    const ParameterSpec scale{.name = "scale",
                              .low = {in_ ? 1.1 : 0.5},
                              .high = {in_ ? 2 : 0.95},
                              .identity = {1},
                              .unit = "factor (below 0.01 counts as 0.01)"};
    if (!in_) return {scale};
    ParameterSpec place{.name = "top",
                        .low = {0},
                        .high = {1},
                        .identity = {0.5},
                        .unit = "share of the enlarged image's surplus that is cut off above"};
    ParameterSpec side = place;
    side.name = "left";
    side.unit = "share of the enlarged image's surplus that is cut off on the left";
    return {scale, place, side};
  }

 private:
  at::Tensor Change(const at::Tensor& images, const at::Tensor& parameters) const override {
    const at::Tensor scale = Column(parameters, 0).clamp_min(0.01);
    const at::Tensor centre = at::full_like(scale, 0.5);
    return ApplySeparable(images,
                          Matrix(scale, in_ ? Column(parameters, 1) : centre, images.size(2)),
                          Matrix(scale, in_ ? Column(parameters, 2) : centre, images.size(3)));
  }

  at::Tensor Matrix(const at::Tensor& scale, const at::Tensor& place,
                    int64_t size) const {  // [B, size, size]
    const at::Tensor length = Length(scale, size);
    const at::Tensor source =
        (Positions(size, scale) + 0.5) / scale + place * (length - length / scale);
    const bool reflect = padding_ == Padding::kReflect;
    const at::Tensor within = (reflect ? ReflectInto(source, length) - 0.5 : source - 0.5)
                                  .clamp(0, static_cast<double>(size - 1));
    const at::Tensor reach = (1 / scale).clamp_min(1).unsqueeze(2);
    const at::Tensor hats =
        (1 - (within.unsqueeze(2) - Positions(size, scale)).abs() / reach).clamp_min(0);
    const at::Tensor weights = hats / hats.sum(2, /*keepdim=*/true);
    if (reflect) return weights;
    const at::Tensor covered = (at::minimum(source, length - source) * scale + 0.5).clamp(0, 1);
    return weights * covered.unsqueeze(2);
  }

  bool in_;
  Padding padding_;
};

class CutoutTransform final : public Transform {
 public:
  explicit CutoutTransform(double fill) : Transform("cutout"), fill_(fill) {}
  std::vector<ParameterSpec> Parameters(int64_t height, int64_t width) const override {
    return {Pixels("corner_x", 0, 168, width, 0), Pixels("corner_y", 0, 168, height, 0),
            Pixels("height", 28, 56, height, 0), Pixels("width", 28, 56, width, 0)};
  }

 private:
  at::Tensor Change(const at::Tensor& images, const at::Tensor& parameters) const override {
    const at::Tensor x = Column(parameters, 0), y = Column(parameters, 1);
    const at::Tensor rows = Coverage(y, y + Column(parameters, 2), images.size(2));
    const at::Tensor columns = Coverage(x, x + Column(parameters, 3), images.size(3));
    const at::Tensor mask = (rows.unsqueeze(2) * columns.unsqueeze(1)).unsqueeze(1);
    return images + mask * (fill_ - images);
  }

  double fill_;
};

}  // namespace

std::unique_ptr<Transform> MakeRotate(const TransformOptions& options) {
  return std::make_unique<RotateTransform>(options.padding);
}
std::unique_ptr<Transform> MakeCrop(const TransformOptions& options) {
  return std::make_unique<CropTransform>(options.padding);
}
std::unique_ptr<Transform> MakeZoomIn(const TransformOptions& options) {
  return std::make_unique<ZoomTransform>(true, options.padding);
}
std::unique_ptr<Transform> MakeZoomOut(const TransformOptions& options) {
  return std::make_unique<ZoomTransform>(false, options.padding);
}
std::unique_ptr<Transform> MakeCutout(const TransformOptions& options) {
  return std::make_unique<CutoutTransform>(options.cutout_fill);
}

}  // namespace assay::transforms
