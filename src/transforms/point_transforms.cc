// Changes of each pixel by itself: mean, pixel, brightness, contrast, gamma, noise.
#include <ATen/ATen.h>

#include <numbers>

#include "transforms/separable.h"
#include "transforms/transform_kinds.h"

namespace assay::transforms {
namespace {

at::Tensor PerImage(const at::Tensor& parameters, int64_t p) {  // [B, 1, 1, 1]
  return Column(parameters, p).reshape({-1, 1, 1, 1});
}

class MeanTransform final : public Transform {
 public:
  MeanTransform() : Transform("mean") {}
  std::vector<ParameterSpec> Parameters(int64_t, int64_t) const override {
    return {{.name = "weights",
             .low = {-50.0 / 255},
             .high = {50.0 / 255},
             .identity = {0},
             .unit = "image value",
             .image_value = true}};
  }

 private:
  at::Tensor Change(const at::Tensor& images, const at::Tensor& parameters) const override {
    return images + PerImage(parameters, 0);
  }
};

class PixelTransform final : public Transform {
 public:
  PixelTransform() : Transform("pixel") {}
  std::vector<ParameterSpec> Parameters(int64_t height, int64_t width) const override {
    return {{.name = "weights",
             .shape = {3, height, width},
             .low = {-4.0 / 255},
             .high = {4.0 / 255},
             .identity = {0},
             .unit = "image value",
             .image_value = true}};
  }

 private:
  at::Tensor Change(const at::Tensor& images, const at::Tensor& parameters) const override {
    return images + parameters.reshape(images.sizes());
  }
};

class BrightnessTransform final : public Transform {
 public:
  BrightnessTransform() : Transform("brightness") {}
  std::vector<ParameterSpec> Parameters(int64_t, int64_t) const override {
    return {{.name = "factor", .low = {0.7}, .high = {1.3}, .identity = {1}, .unit = "gain"}};
  }

 private:
  at::Tensor Change(const at::Tensor& images, const at::Tensor& parameters) const override {
    return images * PerImage(parameters, 0);
  }
};

class ContrastTransform final : public Transform {
 public:
  ContrastTransform() : Transform("contrast") {}
  std::vector<ParameterSpec> Parameters(int64_t, int64_t) const override {
    return {{.name = "factor",
             .low = {0.7},
             .high = {1.3},
             .identity = {1},
             .unit = "gain about the mean of the image"}};
  }

 private:
  at::Tensor Change(const at::Tensor& images, const at::Tensor& parameters) const override {
    const at::Tensor mean = images.mean({1, 2, 3}, /*keepdim=*/true);
    const at::Tensor factor = PerImage(parameters, 0);
    return images * factor + mean * (1 - factor);
  }
};

class GammaTransform final : public Transform {
 public:
  GammaTransform() : Transform("gamma") {}
  std::vector<ParameterSpec> Parameters(int64_t, int64_t) const override {
    return {{.name = "gamma", .low = {0.7}, .high = {1.4}, .identity = {1}, .unit = "exponent"}};
  }

 private:
  // v^gamma, and below a quarter of a grey level the line to 0: slopes stay finite at black.
  at::Tensor Change(const at::Tensor& images, const at::Tensor& parameters) const override {
    constexpr double kToe = 1.0 / 1024;
    const at::Tensor bright = images.clamp_min(kToe);
    return (bright.log() * PerImage(parameters, 0)).exp() * (images / bright);
  }
};

class NoiseTransform final : public Transform {
 public:
  NoiseTransform() : Transform("noise") {}
  std::vector<ParameterSpec> Parameters(int64_t, int64_t) const override {
    return {{.name = "sigma",
             .low = {0},
             .high = {0.05},
             .identity = {0},
             .unit = "image value (standard deviation)",
             .image_value = true},
            {.name = "seed",
             .low = {0},
             .high = {16777215},  // float32 counts no further
             .identity = {0},
             .unit = "number of the pattern",
             .integer = true,
             .differentiable = false}};
  }

 private:
  at::Tensor Change(const at::Tensor& images, const at::Tensor& parameters) const override {
    const int64_t count = images[0].numel();
    const at::Tensor pattern = Normals(Column(parameters, 1).detach().to(at::kLong), count);
    return images + PerImage(parameters, 0) * pattern.reshape(images.sizes());
  }

  // Standard normal numbers, a function of seed and place alone: SplitMix64's finaliser of a
  // counter, then Box and Muller. seeds: [B, 1] int64 -> [B, count] float32.
  static at::Tensor Normals(const at::Tensor& seeds, int64_t count) {
    const int64_t pairs = (count + 1) / 2;
    const at::Tensor counters = (Positions(pairs, seeds) + seeds * 0x100000000) *
                                static_cast<int64_t>(0x9e3779b97f4a7c15ULL);
    const auto shifted = [](const at::Tensor& x, int64_t by) {  // logical, not arithmetic
      return at::bitwise_and(at::bitwise_right_shift(x, by), (int64_t{1} << (64 - by)) - 1);
    };
    at::Tensor x = at::bitwise_xor(counters, shifted(counters, 30)) *
                   static_cast<int64_t>(0xbf58476d1ce4e5b9ULL);
    x = at::bitwise_xor(x, shifted(x, 27)) * static_cast<int64_t>(0x94d049bb133111ebULL);
    x = at::bitwise_xor(x, shifted(x, 31));
    const auto uniform = [](const at::Tensor& bits) {  // 24 bits -> (0, 1)
      return (at::bitwise_and(bits, 0xffffff).to(at::kFloat) + 0.5) * 0x1.0p-24;
    };
    const at::Tensor radius = (uniform(shifted(x, 32)).log() * -2).sqrt();
    const at::Tensor turn = uniform(x) * (2 * std::numbers::pi);
    return at::cat({radius * turn.cos(), radius * turn.sin()}, 1).narrow(1, 0, count);
  }
};

template <typename T>
std::unique_ptr<Transform> Make() {
  return std::make_unique<T>();
}

}  // namespace

std::unique_ptr<Transform> MakeMean(const TransformOptions&) { return Make<MeanTransform>(); }
std::unique_ptr<Transform> MakePixel(const TransformOptions&) { return Make<PixelTransform>(); }
std::unique_ptr<Transform> MakeBrightness(const TransformOptions&) {
  return Make<BrightnessTransform>();
}
std::unique_ptr<Transform> MakeContrast(const TransformOptions&) {
  return Make<ContrastTransform>();
}
std::unique_ptr<Transform> MakeGamma(const TransformOptions&) { return Make<GammaTransform>(); }
std::unique_ptr<Transform> MakeNoise(const TransformOptions&) { return Make<NoiseTransform>(); }

}  // namespace assay::transforms
