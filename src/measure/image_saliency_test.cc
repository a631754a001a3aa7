#include "measure/image_saliency.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "model/image_network.h"
#include "model/safetensors.h"

namespace assay::measure {
namespace {

// Logits [0, sum(weights * x)] or, squared, [0, sum(weights * x^2)]: every map is known.
class KnownClassifier : public model::ImageClassifier {
 public:
  KnownClassifier(at::Tensor weights, double power) : weights_(std::move(weights)), power_(power) {
    spec_.name = "known";
    spec_.class_names = {"none", "some"};
  }
  at::Tensor Logits(const at::Tensor& images) const override {
    const at::Tensor sum = (weights_ * images.pow(power_)).flatten(1).sum(1);
    return at::stack({at::zeros_like(sum), sum}, 1);
  }
  // As features, the weighted image itself: two maps of half of it.
  std::optional<FeatureMaps> LogitsWithFeatures(const at::Tensor& images) const override {
    at::Tensor features = (weights_ * images).sum(1, true).repeat({1, 2, 1, 1}) * 0.5;
    const at::Tensor sum = features.flatten(1).sum(1);
    return FeatureMaps{at::stack({at::zeros_like(sum), sum}, 1), features};
  }

 private:
  at::Tensor weights_;  // [1, C, H, W]
  double power_;
};

class DetachedClassifier : public model::ImageClassifier {
 public:
  DetachedClassifier() { spec_ = {.name = "detached", .class_names = {"a", "b"}}; }
  at::Tensor Logits(const at::Tensor& images) const override {
    return images.detach().flatten(1).narrow(1, 0, 2);
  }
};

class SaliencyTest : public testing::Test {
 protected:
  at::Generator generator_ = at::make_generator<at::CPUGeneratorImpl>(5);
  at::Tensor weights_ = at::randn({1, 3, 9, 8}, generator_);
  at::Tensor images_ = at::rand({2, 3, 9, 8}, generator_);
  at::Tensor classes_ = at::ones({2}, at::kLong);

  SaliencyMaps Maps(const std::string& method, double power, SaliencyOptions options = {}) {
    options.method = method;
    return ComputeSaliency(KnownClassifier(weights_, power), images_, classes_, options);
  }
};

TEST_F(SaliencyTest, GradientsOfALinearModelAreItsWeights) {
  for (const char* method : {"gradient", "smoothgrad"}) {
    const SaliencyMaps maps = Maps(method, 1);
    EXPECT_TRUE(at::allclose(maps.attribution, weights_.expand_as(images_), 1e-4, 1e-5)) << method;
    EXPECT_TRUE(at::allclose(maps.map, weights_.abs().sum(1).expand({2, 9, 8}), 1e-4, 1e-4));
  }
  EXPECT_TRUE(at::allclose(Maps("gradient-input", 1).attribution, weights_ * images_));
}

TEST_F(SaliencyTest, ClassesChooseTheLogit) {
  classes_ = at::tensor({0, 1}, at::kLong);
  const SaliencyMaps maps = Maps("gradient", 1);
  EXPECT_EQ(maps.map[0].abs().max().item<float>(), 0);
  EXPECT_GT(maps.map[1].abs().max().item<float>(), 0);
}

TEST_F(SaliencyTest, IntegratedGradientsAddUpToTheDifference) {
  // w x^2 from white (1) to x: (x - 1) * w * (x + 1).
  const SaliencyMaps maps = Maps("integrated-gradients", 2);
  EXPECT_TRUE(at::allclose(maps.attribution, weights_ * (images_.square() - 1), 1e-3, 1e-4));
  EXPECT_LT(maps.completeness_error.max().item<double>(), 1e-3);
  SaliencyOptions black;
  black.baseline = "black";
  EXPECT_TRUE(at::allclose(Maps("integrated-gradients", 2, black).attribution,
                           weights_ * images_.square(), 1e-3, 1e-4));
}

TEST_F(SaliencyTest, IntegratedGradientsTakeMoreStepsOnlyWhereNeeded) {
  SaliencyOptions options;
  options.completeness = 1e-4;
  options.max_steps = 64;
  options.baseline = "black";
  EXPECT_EQ(Maps("integrated-gradients", 2, options).steps, (std::vector<int>{32, 32}));
  // The slope of x^0.1 is infinite at black: 64 steps do not reach it, which is reported.
  const SaliencyMaps steep = Maps("integrated-gradients", 0.1, options);
  EXPECT_GT(steep.completeness_error.max().item<double>(), 1e-4);
  EXPECT_EQ(steep.steps[0], 64);
}

TEST_F(SaliencyTest, MapsDoNotDependOnTheBatch) {
  for (const char* method : {"gradient", "integrated-gradients", "smoothgrad", "occlusion"}) {
    const SaliencyMaps both = Maps(method, 2);
    const at::Tensor images = images_;
    images_ = images.narrow(0, 1, 1);
    classes_ = at::ones({1}, at::kLong);
    EXPECT_TRUE(at::allclose(both.map[1], Maps(method, 2).map[0], 1e-5, 1e-6)) << method;
    images_ = images;
    classes_ = at::ones({2}, at::kLong);
  }
}

TEST_F(SaliencyTest, OcclusionOfOnePixelIsExact) {
  SaliencyOptions options;
  options.window_px = options.stride_px = 1;
  const at::Tensor mean = images_.mean(at::IntArrayRef{2, 3}, true);
  const at::Tensor expected = (weights_ * (images_ - mean)).sum(1).clamp_min(0);
  EXPECT_TRUE(at::allclose(Maps("occlusion", 1, options).map, expected, 1e-3, 1e-4));
}

TEST_F(SaliencyTest, GradCamWeighsFeatureMaps) {
  // Both maps have gradient 1 everywhere: their sum is the weighted image.
  EXPECT_TRUE(
      at::allclose(Maps("grad-cam", 1).map, (weights_ * images_).sum(1).clamp_min(0), 1e-4, 1e-5));
}

TEST_F(SaliencyTest, ModelsThatCannotAreNamed) {
  const DetachedClassifier model;
  for (const char* method : {"gradient", "grad-cam"}) {
    try {
      SaliencyOptions options;
      options.method = method;
      ComputeSaliency(model, images_, classes_, options);
      ADD_FAILURE() << method;
    } catch (const base::Error& error) {
      EXPECT_EQ(error.kind(), base::ErrorKind::kUnsupported);
      EXPECT_NE(std::string(error.what()).find("detached"), std::string::npos);
    }
  }
  SaliencyOptions occlusion;
  occlusion.method = "occlusion";
  EXPECT_EQ(ComputeSaliency(model, images_, classes_, occlusion).map.sizes(),
            at::IntArrayRef({2, 9, 8}));
}

// Grad-CAM from the network's parts: in a network that pools and then multiplies, the gradient of a
// logit by a map is the head's weight over the number of places.
TEST(SaliencyBuiltInTest, GradCamOfABuiltInNetworkIsItsMapsWeightedByTheHead) {
  model::ImageNetworkConfig config = model::ImageArchitecture("cnn", 2);
  config.mean = {0.5, 0.5, 0.5};
  config.std = {0.25, 0.25, 0.25};
  const auto network = std::make_shared<model::ImageNetwork>(config, 3);
  const auto classifier = model::BuildClassifier(network, {.any_size = true});
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(2);
  const at::Tensor images = at::rand({2, 3, 32, 24}, generator);
  SaliencyOptions options;
  options.method = "grad-cam";
  const SaliencyMaps maps =
      ComputeSaliency(*classifier, images, at::tensor({1, 0}, at::kLong), options);
  const at::Tensor features = network->EvaluateWithFeatures(images).features.detach();
  const at::Tensor head = network->parameters().at("fc.weight").detach();
  for (int64_t i = 0; i < 2; ++i) {
    const at::Tensor places = features[i];  // [D, h, w]
    const at::Tensor cam = (places * head[1 - i].reshape({-1, 1, 1})).sum(0).clamp_min(0) /
                           static_cast<double>(places.size(1) * places.size(2));
    const at::Tensor large =
        at::upsample_bilinear2d(cam.unsqueeze(0).unsqueeze(0), {32, 24}, false);
    EXPECT_GT(large.max().item<double>(), 0);
    EXPECT_TRUE(at::allclose(maps.map[i], large[0][0], 1e-4, 1e-7));
  }
}

// Every method on real tiles, with values up to white, through the file as TorchScript and built
// in.
class SaliencyRealTest : public testing::TestWithParam<std::string> {};

TEST_P(SaliencyRealTest, EveryMethodWorksAndIntegratedGradientsAreComplete) {
  const std::filesystem::path shared = ASSAY_SOURCE_DIR "/../shared";
  const std::filesystem::path file = shared / "models" / GetParam();
  if (!std::filesystem::exists(file)) GTEST_SKIP() << file << " is not here";
  const auto model = model::LoadImageClassifier(file);
  const auto golden =
      model::SafetensorsFile::Open(shared / "golden/logits/idc_resnet18w16_aug.safetensors");
  const at::Tensor images = golden.Read("input"), classes = golden.Read("labels");
  const bool built_in = file.extension() == ".safetensors";
  for (const std::string& method : SaliencyMethods()) {
    if (method == "grad-cam" && !built_in) continue;  // TorchScript shows no maps
    SaliencyOptions options;
    options.method = method;
    const SaliencyMaps maps = ComputeSaliency(*model, images, classes, options);
    EXPECT_EQ(maps.map.sizes(), at::IntArrayRef({images.size(0), images.size(2), images.size(3)}));
    EXPECT_TRUE(at::isfinite(maps.map).all().item<bool>()) << method;
    EXPECT_GT(maps.map.flatten(1).amax(1).max().item<double>(), 0) << method;
    if (method == "integrated-gradients") {
      EXPECT_LT(maps.completeness_error.max().item<double>(), 0.01);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Files, SaliencyRealTest,
                         testing::Values("idc_resnet18w16_aug.pt",
                                         "idc_resnet18w16_aug.safetensors"),
                         [](const auto& file) {
                           return file.param.ends_with(".pt") ? "TorchScript" : "BuiltIn";
                         });

}  // namespace
}  // namespace assay::measure
