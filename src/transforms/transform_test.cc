// Properties of every transform.
#include "transforms/transform.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.h"
#include "transforms/transforms_testing.h"

namespace assay::transforms {
namespace {

using testing::HasSubstr;

struct Case {
  std::string name;
  TransformOptions options;
};

std::vector<Case> AllCases() {
  std::vector<Case> cases;
  for (const std::string& name : TransformNames()) cases.push_back({name, {}});
  for (const char* name : {"rotate", "crop", "zoom_in", "zoom_out"})
    cases.push_back({name, {.padding = Padding::kReflect}});
  for (const std::string& name : TransformNames(Compatibility::kReet))
    cases.push_back({name, {.compatibility = Compatibility::kReet}});
  cases.push_back({"hed+rotate+jpeg", {}});
  return cases;
}

std::string CaseName(const testing::TestParamInfo<Case>& info) {
  std::string name = info.param.name;
  std::replace(name.begin(), name.end(), '+', '_');
  if (info.param.options.padding == Padding::kReflect) name += "_reflect";
  if (info.param.options.compatibility == Compatibility::kReet) name += "_reet";
  return name;
}

class TransformTest : public testing::TestWithParam<Case> {
 protected:
  bool reet() const { return GetParam().options.compatibility == Compatibility::kReet; }
  std::unique_ptr<Transform> transform_ = MakeTransform(GetParam().name, GetParam().options);
};

TEST_P(TransformTest, IdentityLeavesImagesAsTheyAre) {
  for (const auto& [height, width] : {std::pair<int64_t, int64_t>{50, 50}, {23, 37}}) {
    const at::Tensor images = Tiles(3, height, width, 1);
    const at::Tensor same = transform_->Apply(images, transform_->Identity(3, height, width));
    EXPECT_LT(LargestDifference(images, same), 3e-5) << height << " x " << width;
  }
}

TEST_P(TransformTest, KeepsShapeAndRangeAndArguments) {
  for (const auto& [height, width] : {std::pair<int64_t, int64_t>{50, 50}, {31, 18}, {7, 5}}) {
    const at::Tensor images = Tiles(4, height, width, 2);
    const at::Tensor parameters = transform_->Sample(height, width, 3, Ids(4));
    const at::Tensor images_before = images.clone(), parameters_before = parameters.clone();
    const at::Tensor out = transform_->Apply(images, parameters);
    EXPECT_EQ(out.sizes(), images.sizes());
    EXPECT_EQ(out.scalar_type(), at::kFloat);
    EXPECT_GE(out.min().item<float>(), 0);
    EXPECT_LE(out.max().item<float>(), 1);
    EXPECT_TRUE(at::equal(images, images_before));
    EXPECT_TRUE(at::equal(parameters, parameters_before));
    // The default blur of a tile of 5 px is nothing.
    if (width == 50) {
      EXPECT_GT(LargestDifference(out, images), 1e-4) << "nothing happened";
    }
  }
}

TEST_P(TransformTest, AnImageDoesNotDependOnItsBatch) {
  const at::Tensor images = Tiles(5, 34, 34, 4);
  const std::vector<int64_t> ids{10, 11, 12, 13, 14}, one{13};
  const at::Tensor parameters = transform_->Sample(34, 34, 5, ids);
  EXPECT_TRUE(at::equal(parameters, transform_->Sample(34, 34, 5, ids)));
  EXPECT_TRUE(at::equal(parameters.narrow(0, 3, 1), transform_->Sample(34, 34, 5, one)));
  EXPECT_FALSE(at::equal(parameters, transform_->Sample(34, 34, 6, ids)));
  EXPECT_FALSE(at::equal(parameters, transform_->Sample(34, 34, 5, ids, 1)));
  const at::Tensor out = transform_->Apply(images, parameters);
  EXPECT_TRUE(at::equal(out, transform_->Apply(images, parameters)));
  const at::Tensor alone = transform_->Apply(images.narrow(0, 3, 1), parameters.narrow(0, 3, 1));
  EXPECT_LT(LargestDifference(out.narrow(0, 3, 1), alone), 2e-6);
}

TEST_P(TransformTest, SamplesLieInTheRangeAndFillIt) {
  const ParameterBounds bounds = transform_->Bounds(20, 20);
  const at::Tensor draws = transform_->Sample(20, 20, 7, Ids(200));
  EXPECT_TRUE((draws >= bounds.low).all().item<bool>());
  EXPECT_TRUE((draws <= bounds.high).all().item<bool>());
  const at::Tensor share = (draws - bounds.low) / (bounds.high - bounds.low);
  EXPECT_NEAR(share.mean().item<double>(), 0.5, 0.08);
  EXPECT_LT(share.min().item<double>(), 0.05);
  EXPECT_GT(share.max().item<double>(), 0.95);
}

// White, black, one colour, one stain: gradients of images and parameters must be finite.
TEST_P(TransformTest, PlainTilesGiveFiniteResultsAndGradients) {
  const at::Tensor colours = at::tensor({1.f, 1.f, 1.f, 0.f, 0.f, 0.f, 0.35f, 0.32f, 0.6f, 0.9f,
                                         0.4f, 0.7f, 1.f, 0.f, 0.f})
                                 .reshape({5, 3, 1, 1});
  for (const bool at_identity : {false, true}) {
    const at::Tensor images = colours.repeat({1, 1, 33, 33}).requires_grad_();
    const at::Tensor parameters =
        (at_identity ? transform_->Identity(5, 33, 33) : transform_->Sample(33, 33, 8, Ids(5)))
            .requires_grad_();
    const at::Tensor out = transform_->Apply(images, parameters);
    EXPECT_TRUE(at::isfinite(out).all().item<bool>());
    (out * at::linspace(-1, 1, out.numel()).reshape(out.sizes())).sum().backward();
    EXPECT_TRUE(at::isfinite(images.grad()).all().item<bool>());
    if (parameters.grad().defined())
      EXPECT_TRUE(at::isfinite(parameters.grad()).all().item<bool>());
    else
      EXPECT_FALSE(transform_->differentiable());
  }
}

// The step of a difference as a share of a parameter's range: small where interpolation has kinks
// at whole pixels, large where the transform is linear.
double StepShare(const std::string& name) {
  if (name == "pixel" || name == "mean") return 0.1;
  if (name == "rotate") return 2e-5;  // of 360 degrees: 0.004 px at the corners
  for (const char* moving : {"crop", "zoom", "cutout", "rectangle", "resolution"}) {
    if (name.find(moving) != std::string::npos) return 2e-4;
  }
  return 2e-3;
}

// d/dp of a smooth function of the result, against differences.
TEST_P(TransformTest, GradientsOfParametersEqualDifferences) {
  if (!transform_->differentiable()) GTEST_SKIP() << "no parameter is differentiable";
  if (GetParam().name.find("jpeg") != std::string::npos)
    GTEST_SKIP() << "JPEG jumps where a coefficient passes a half: see JpegTest";
  const int64_t side = 48;
  const at::Tensor images = SmoothTiles(2, side, side);
  const at::Tensor weights = (SmoothTiles(2, side, side).flip(3).to(at::kDouble) - 0.4) * 3;
  const auto objective = [&](const at::Tensor& p) {
    return (transform_->Apply(images, p).to(at::kDouble) * weights).sum();
  };
  const ParameterBounds bounds = transform_->Bounds(side, side);
  at::Tensor parameters =
      (bounds.low * 0.37 + bounds.high * 0.63).unsqueeze(0).repeat({2, 1}).requires_grad_();
  objective(parameters).backward();
  const at::Tensor gradient = parameters.grad();
  at::NoGradGuard no_grad;
  int compared = 0;
  const int64_t count = bounds.low.numel();
  for (int64_t p = 0; p < count; p += std::max<int64_t>(1, count / 9)) {
    if (!bounds.differentiable[p].item<bool>()) continue;
    const double range = (bounds.high[p] - bounds.low[p]).item<double>();
    at::Tensor up = parameters.detach().clone(), down = parameters.detach().clone();
    up.select(1, p) += StepShare(GetParam().name) * range;
    down.select(1, p) -= StepShare(GetParam().name) * range;
    const double taken = (up - down)[0][p].item<double>();
    const double expected = (objective(up) - objective(down)).item<double>() / taken;
    const double found = gradient.select(1, p).sum().item<double>();
    const double rounding = 2e-5 / taken;  // of results in float32
    EXPECT_NEAR(found, expected, 0.03 * std::abs(expected) + rounding) << "parameter " << p;
    compared += std::abs(expected) > 5 * rounding ? 1 : 0;
  }
  EXPECT_GT(compared, 0);
}

TEST_P(TransformTest, GradientsOfImagesEqualDifferences) {
  if (GetParam().name.find("jpeg") != std::string::npos)
    GTEST_SKIP() << "JPEG jumps where a coefficient passes a half: see JpegTest";
  const int64_t side = 12;
  const at::Tensor images = (SmoothTiles(1, side, side) * 0.6 + 0.2).requires_grad_();
  const at::Tensor parameters = transform_->Sample(side, side, 10, Ids(1));
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(11);
  const at::Tensor weights = at::randn(images.sizes(), generator, at::kDouble);
  const at::Tensor direction = at::randn(images.sizes(), generator);
  const auto objective = [&](const at::Tensor& x) {
    return (transform_->Apply(x, parameters).to(at::kDouble) * weights).sum();
  };
  objective(images).backward();
  const double found = (images.grad() * direction).sum().item<double>();
  at::NoGradGuard no_grad;
  const double h = 1e-3;
  const double expected =
      (objective(images + direction * h) - objective(images - direction * h)).item<double>() /
      (2 * h);
  EXPECT_NEAR(found, expected, 0.02 * std::abs(expected) + 0.05);
}

TEST_P(TransformTest, WrongShapesAreRefusedWithTheirNumbers) {
  const at::Tensor images = Tiles(2, 20, 20, 1);
  const auto refused = [&](const at::Tensor& x, const at::Tensor& p, const char* text) {
    try {
      transform_->Apply(x, p);
      ADD_FAILURE() << "accepted";
    } catch (const base::Error& error) {
      EXPECT_EQ(error.kind(), base::ErrorKind::kUsage);
      EXPECT_THAT(error.what(), HasSubstr(text));
    }
  };
  const at::Tensor identity = transform_->Identity(2, 20, 20);
  refused(images, identity.narrow(0, 0, 1), "expected [2, ");
  refused(images, at::cat({identity, identity}, 1), "expected [2, ");
  refused(images.narrow(1, 0, 1), identity, "[2, 1, 20, 20]");
  refused(images.to(at::kDouble), identity, "Double");
}

TEST_P(TransformTest, NamesOfParametersAreUniqueAndGroupsFindThem) {
  std::set<std::string> names;
  const at::Tensor identity = transform_->Identity(2, 9, 11);
  for (const ParameterSpec& spec : transform_->Parameters(9, 11)) {
    EXPECT_TRUE(names.insert(spec.name).second) << spec.name;
    EXPECT_FALSE(spec.unit.empty());
    EXPECT_EQ(ParameterGroup(*transform_, identity, spec.name, 9, 11).numel(), 2 * spec.Count());
  }
  EXPECT_THROW(ParameterGroup(*transform_, identity, "nothing", 9, 11), base::Error);
}

INSTANTIATE_TEST_SUITE_P(Every, TransformTest, testing::ValuesIn(AllCases()), CaseName);

TEST(MakeTransformTest, TakesNamesOfBothStyles) {
  EXPECT_EQ(MakeTransform("ZoomOut")->name(), "zoom_out");
  EXPECT_EQ(MakeTransform("RandomStain")->name(), "random_stain");
  EXPECT_EQ(MakeTransform("HED")->name(), "hed");
  EXPECT_EQ(MakeTransform("JPEG+Blur")->name(), "jpeg+blur");
  EXPECT_EQ(MakeTransform("mean+mean")->Parameters(9, 9)[1].name, "2.mean.weights");
}

TEST(MakeTransformTest, RefusesWhatItCannotDo) {
  const TransformOptions reet{.compatibility = Compatibility::kReet};
  EXPECT_THROW(MakeTransform("warp"), base::Error);
  EXPECT_THROW(MakeTransform("stain+"), base::Error);
  EXPECT_THROW(MakeTransform("gamma", reet), base::Error);
  EXPECT_THROW(
      MakeTransform("crop", {.compatibility = Compatibility::kReet, .padding = Padding::kReflect}),
      base::Error);
}

TEST(RotateTest, AQuarterTurnMovesPixelsCounterClockwise) {
  const at::Tensor images = Tiles(1, 16, 16, 3), angle = at::full({1, 1}, 90.0f);
  for (const auto compatibility : {Compatibility::kNone, Compatibility::kReet}) {
    const at::Tensor turned =
        MakeTransform("rotate", {.compatibility = compatibility})->Apply(images, angle);
    EXPECT_LT(LargestDifference(turned, at::rot90(images, 1, {2, 3})), 1e-5);
  }
}

TEST(RotateTest, ReflectPaddingLeavesNoBlackCorners) {
  const at::Tensor white = at::ones({1, 3, 20, 20}), angle = at::full({1, 1}, 45.0f);
  EXPECT_LT(MakeTransform("rotate")->Apply(white, angle).min().item<float>(), 1e-6);
  EXPECT_GT(MakeTransform("rotate", {.padding = Padding::kReflect})
                ->Apply(white, angle)
                .min()
                .item<float>(),
            1 - 1e-5);
}

TEST(CropTest, AWholePixelWindowIsCopiedToTheMiddle) {
  const at::Tensor images = Tiles(1, 20, 20, 3);
  const at::Tensor window = at::tensor({3.f, 5.f, 10.f, 8.f}).reshape({1, 4});
  at::Tensor expected = at::zeros_like(images);
  expected.narrow(2, 5, 10).narrow(3, 6, 8).copy_(images.narrow(2, 3, 10).narrow(3, 5, 8));
  EXPECT_LT(LargestDifference(MakeTransform("crop")->Apply(images, window), expected), 1e-6);
}

TEST(BlurTest, SpreadsAPointAsAGaussianAndKeepsTheSum) {
  at::Tensor point = at::zeros({1, 3, 31, 31});
  point.select(2, 15).select(2, 15).fill_(1);
  const at::Tensor out = MakeTransform("blur")->Apply(point, at::full({1, 1}, 1.5f));
  EXPECT_NEAR(out[0][0].sum().item<double>(), 1, 1e-5);
  const at::Tensor line = out[0][0].sum(0), x = at::arange(31) - 15;
  EXPECT_NEAR((line * x * x).sum().item<double>(), 2.25, 1e-3);
}

TEST(DefocusTest, SpreadsAPointOverADisc) {
  at::Tensor point = at::zeros({2, 3, 31, 31});
  point.select(2, 15).select(2, 15).fill_(1);
  const at::Tensor out =
      MakeTransform("defocus")->Apply(point, at::tensor({4.f, 0.f}).reshape({2, 1}));
  EXPECT_NEAR(out[0][0].sum().item<double>(), 1, 1e-5);
  EXPECT_NEAR((out[0][0] > 0).sum().item<double>(), 3.14159 * 4.5 * 4.5, 8);
  EXPECT_NEAR(out[0][0][15][15].item<double>(), 1 / (3.14159 * 16), 2e-3);
  EXPECT_TRUE(at::equal(out[1], point[1]));
}

TEST(ResolutionTest, KeepsAGradualSlope) {
  const at::Tensor ramp = at::linspace(0.1, 0.9, 40).expand({1, 3, 40, 40}).contiguous();
  const at::Tensor out = MakeTransform("resolution")->Apply(ramp, at::full({1, 1}, 3.0f));
  EXPECT_LT(LargestDifference(out.narrow(3, 4, 30), ramp.narrow(3, 4, 30)), 1e-3);
}

TEST(NoiseTest, IsStandardNormalAndDecidedByItsSeed) {
  const auto noise = MakeTransform("noise");
  const at::Tensor grey = at::full({2, 3, 64, 64}, 0.5f);
  const at::Tensor out =
      (noise->Apply(grey, at::tensor({0.05f, 1.f, 0.05f, 2.f}).reshape({2, 2})) - 0.5) / 0.05;
  EXPECT_NEAR(out.mean().item<double>(), 0, 0.02);
  EXPECT_NEAR(out.std().item<double>(), 1, 0.02);
  EXPECT_NEAR(out.pow(4).mean().item<double>(), 3, 0.2);
  EXPECT_NEAR((out[0] * out[1]).mean().item<double>(), 0, 0.03);
  const at::Tensor first = out[0].flatten();
  EXPECT_NEAR((first.narrow(0, 0, 12287) * first.narrow(0, 1, 12287)).mean().item<double>(), 0,
              0.03);
}

}  // namespace
}  // namespace assay::transforms
