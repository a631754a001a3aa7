// Stain, random stain and HED. The reference computes Z = (ln X / ln 1e-6) inv(N(M0)), X = max(rgb,
// 1e-6), and rgb' = exp(ln 1e-6 * Z N(M)); N scales rows to length 1. ln 1e-6 cancels, so that one
// 3 x 3 matrix an image does both steps.
#include <ATen/ATen.h>

#include <cmath>

#include "transforms/transform_kinds.h"

namespace assay::transforms {
namespace {

constexpr double kFloor = 1e-6;  // darkest value that has a logarithm
// Rows: haematoxylin, eosin, DAB (Ruifrok and Johnston 2001).
const std::vector<double> kRuifrok{0.65, 0.70, 0.29, 0.07, 0.99, 0.11, 0.27, 0.57, 0.78};

at::Tensor UnitRows(const at::Tensor& matrix) {
  return matrix / matrix.norm(2, {-1}, /*keepdim=*/true).clamp_min(1e-12);
}

at::Tensor Ruifrok(const at::Tensor& like) {  // [3, 3] float64
  return at::tensor(kRuifrok, at::kDouble).reshape({3, 3}).to(like.device());
}

// images: [B, 3, H, W]; matrix: [B, 3, 3], new logarithms from old; bias: [B, 3] added to them.
// No logarithm leaves above 0: the same values as clamping rgb', but gradients stay finite where
// the exponential would overflow.
at::Tensor MixLogarithms(const at::Tensor& images, const at::Tensor& matrix,
                         const at::Tensor& bias) {
  const at::Tensor logarithms = images.clamp_min(kFloor).log().flatten(2);  // [B, 3, HW]
  return at::baddbmm(bias.to(at::kFloat).unsqueeze(2), matrix.to(at::kFloat), logarithms)
      .clamp_max(0)
      .exp()
      .reshape(images.sizes());
}

class StainTransform final : public Transform {
 public:
  // added: the parameters are added to the base matrix, else they are the matrix.
  StainTransform(std::string name, bool added) : Transform(std::move(name)), added_(added) {}

  std::vector<ParameterSpec> Parameters(int64_t, int64_t) const override {
    ParameterSpec spec{.name = "weights",
                       .shape = {3, 3},
                       .identity = added_ ? std::vector<double>{0} : kRuifrok,
                       .unit = "optical density (direction of a stain)"};
    for (const double value : spec.identity) {
      spec.low.push_back(value - 0.25);
      spec.high.push_back(value + 0.25);
    }
    return {spec};
  }

 private:
  at::Tensor Change(const at::Tensor& images, const at::Tensor& parameters) const override {
    const at::Tensor base = Ruifrok(images);
    at::Tensor stains = parameters.to(at::kDouble).reshape({-1, 3, 3});
    if (added_) stains = stains + base;
    const at::Tensor matrix = at::matmul(at::inverse(UnitRows(base)), UnitRows(stains));
    return MixLogarithms(images, matrix.transpose(1, 2), at::zeros_like(stains.select(2, 0)));
  }

  bool added_;
};

class HedTransform final : public Transform {
 public:
  explicit HedTransform(bool reet) : Transform("hed"), reet_(reet) {}

  std::vector<ParameterSpec> Parameters(int64_t, int64_t) const override {
    return {{.name = "alpha",
             .shape = {3},
             .low = {0.8},
             .high = {1.2},
             .identity = {1},
             .unit = "gain of haematoxylin, eosin, DAB"},
            {.name = "beta",
             .shape = {3},
             .low = {-0.2},
             .high = {0.2},
             .identity = {0},
             .unit = reet_ ? "13.8 optical density (ln 1e-6) of haematoxylin, eosin, DAB"
                           : "optical density (natural logarithm) of haematoxylin, eosin, DAB"}};
  }

 private:
  at::Tensor Change(const at::Tensor& images, const at::Tensor& parameters) const override {
    const at::Tensor base = UnitRows(Ruifrok(images));
    const at::Tensor values = parameters.to(at::kDouble);
    const at::Tensor alpha = values.narrow(1, 0, 3), beta = values.narrow(1, 3, 3);
    // Rows: ln rgb' = (ln rgb inv(N) * alpha - density beta) N.
    const at::Tensor matrix = at::matmul(at::inverse(base) * alpha.unsqueeze(1), base);
    const double density = reet_ ? -std::log(kFloor) : 1;
    return MixLogarithms(images, matrix.transpose(1, 2), at::matmul(beta, base) * -density);
  }

  bool reet_;
};

}  // namespace

std::unique_ptr<Transform> MakeStain(const TransformOptions&) {
  return std::make_unique<StainTransform>("stain", false);
}
std::unique_ptr<Transform> MakeRandomStain(const TransformOptions&) {
  return std::make_unique<StainTransform>("random_stain", true);
}
std::unique_ptr<Transform> MakeHed(const TransformOptions& options) {
  return std::make_unique<HedTransform>(options.compatibility == Compatibility::kReet);
}

}  // namespace assay::transforms
