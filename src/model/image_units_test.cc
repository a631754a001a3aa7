#include "model/image_units.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <c10/core/InferenceMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/serialization/import.h>

#include <fstream>

#include "model/image_classifier.h"
#include "model/image_network.h"
#include "model/image_testing.h"
#include "model/model_testing.h"

namespace assay::model {
namespace {

at::Tensor RandomImages(int64_t batch, int64_t channels, int64_t height, int64_t width) {
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(5);
  return at::rand({batch, channels, height, width}, generator);
}

// The largest |sum(h * w) + bias - output| over some units and locations of every layer.
double WorstSum(const ImageUnits& units, const at::Tensor& images, int64_t unit_step,
                int64_t location_step) {
  double worst = 0;
  for (const int layer : units.Layers()) {
    const LayerValues values = units.Run(images, {layer})[0];
    const at::Tensor outputs = units.ByLocation(layer, values.output);
    const at::Tensor weights = units.InputWeights(layer).contiguous(),
                     bias = units.InputBias(layer);
    for (int64_t unit = 0; unit < units.Units(layer); unit += unit_step) {
      for (int64_t at = 0; at < outputs.size(2); at += location_step) {
        const std::vector<float> h = units.InputAt(layer, values, images.size(0) - 1, unit, at);
        const float* w = weights[unit].data_ptr<float>();
        EXPECT_EQ(static_cast<int64_t>(h.size()), weights.size(1));
        double sum = bias[unit].item<double>();
        for (size_t i = 0; i < h.size(); ++i) sum += static_cast<double>(h[i]) * w[i];
        const double expected = outputs[images.size(0) - 1][unit][at].item<double>();
        worst = std::max(worst, std::abs(sum - expected) / (1 + std::abs(expected)));
      }
    }
  }
  return worst;
}

class ImageUnitsTest : public testing::Test {
 protected:
  ImageUnitsTest() { WriteTinyClassifier(file_); }
  TemporaryFolder folder_;
  std::filesystem::path file_ = folder_.path() / "tiny.pt";
};

TEST_F(ImageUnitsTest, FindsLayersInTheOrderInWhichTheyRun) {
  const ImageUnits units = ImageUnits::Load(file_);
  ASSERT_THAT(units.Layers(), testing::ElementsAre(0, 1, 2, 3, 4));
  EXPECT_EQ(units.Units(0), 4);
  EXPECT_EQ(units.InputWeights(1).sizes(), (std::vector<int64_t>{6, 2 * 3 * 2}));
  EXPECT_TRUE(units.At(3).convolution);
  EXPECT_FALSE(units.At(4).convolution);
  EXPECT_THAT(units.At(1).stride, testing::ElementsAre(2, 2));
  EXPECT_EQ(ErrorOf([&] { units.At(5); }).kind(), base::ErrorKind::kUsage);
}

TEST_F(ImageUnitsTest, EmbeddingsAddUpToThePreActivation) {
  const ImageUnits units = ImageUnits::Load(file_);
  EXPECT_LT(WorstSum(units, RandomImages(2, 3, 11, 14), 1, 1), 1e-5);
}

TEST_F(ImageUnitsTest, ValuesAreThoseOfTheModuleBeforeAnythingOverwritesThem) {
  const c10::InferenceMode guard;
  const ImageUnits units = ImageUnits::Load(file_);
  const at::Tensor images = RandomImages(3, 3, 12, 10);
  torch::jit::Module module = torch::jit::load(file_.string());
  const at::Tensor logits = module.forward({images}).toTensor();
  EXPECT_LT(LargestDifference(units.Run(images, {4})[0].output, logits), 1e-5);
  // The batch norm is part of the first layer, the activation after it is not.
  const at::Tensor a =
      at::conv2d((images - 0.5) / 0.25, module.attr("stem").toTensor(),
                 module.attr("stem_bias").toTensor(), at::IntArrayRef{1, 1}, at::IntArrayRef{1, 1});
  const at::Tensor normed = at::batch_norm(
      a, module.attr("gain").toTensor(), module.attr("shift").toTensor(),
      module.attr("mean").toTensor(), module.attr("variance").toTensor(), false, 0.1, 1e-5, false);
  const auto both = units.Run(images, {0, 1});
  EXPECT_LT(LargestDifference(both[0].output, normed), 1e-5);
  EXPECT_LT(LargestDifference(both[1].input, at::leaky_relu(normed, 0.1)), 1e-5);
}

// Only what is in the box acts on a unit, and every side of the box does.
TEST_F(ImageUnitsTest, AUnitSeesItsBoxAndNothingElse) {
  const ImageUnits units = ImageUnits::Load(file_);
  const at::Tensor images = RandomImages(1, 3, 24, 26), other = images.flip({2, 3}) * 3 + 1;
  int sides = 0;
  for (const int layer : {0, 1, 2, 3}) {
    const at::Tensor output = units.Run(images, {layer})[0].output;
    const int64_t columns = output.size(3), at = output.size(2) / 2 * columns + columns / 2;
    const PixelBox box = SeenAt(units.At(layer), at, columns, 24, 26);
    const auto value = [&](const at::Tensor& changed) {
      return units.Run(changed, {layer})[0].output.flatten(2).select(2, at);
    };
    const at::Tensor before = value(images);
    at::Tensor outside = other.clone();
    outside.slice(2, box.top, box.bottom)
        .slice(3, box.left, box.right)
        .copy_(images.slice(2, box.top, box.bottom).slice(3, box.left, box.right));
    EXPECT_EQ(LargestDifference(value(outside), before), 0) << layer;
    for (const auto& [dim, line] : {std::pair<int64_t, int64_t>{2, box.top},
                                    {2, box.bottom - 1},
                                    {3, box.left},
                                    {3, box.right - 1}}) {
      at::Tensor changed = images.clone();
      changed.select(dim, line).copy_(other.select(dim, line));
      sides += LargestDifference(value(changed), before) > 1e-6 ? 1 : 0;
    }
  }
  EXPECT_EQ(sides, 16);
  const PixelBox corner = SeenAt(units.At(0), 0, 26, 24, 26);
  EXPECT_EQ(corner.top, 0);
  EXPECT_EQ(corner.bottom, 2);  // one row of its three is padding
  const PixelBox reach = ReachAt(units.At(0), 0, 26, 24, 26);
  EXPECT_EQ(reach.top, -1);
  EXPECT_EQ(reach.bottom, 2);
  const PixelBox whole = SeenAt(units.At(4), 0, 1, 24, 26);
  EXPECT_EQ(whole.bottom - whole.top, 24);
}

TEST_F(ImageUnitsTest, BuiltInNetworksHaveTheSameUnits) {
  for (const char* architecture : {"cnn", "resnet18w16"}) {
    const ImageNetwork network(ImageArchitecture(architecture, 3), 4);
    const std::filesystem::path file = folder_.path() / "net.safetensors";
    SaveImageNetwork(network, {.name = "net", .class_names = {"a", "b", "c"}}, file, false, {});
    const ImageUnits units = ImageUnits::Load(file);
    EXPECT_EQ(units.Layers().size(), std::string(architecture) == "cnn" ? 5U : 21U);
    const at::Tensor images = RandomImages(2, 3, 21, 18);  // another size than it was traced with
    EXPECT_LT(WorstSum(units, images, 5, 7), 2e-5);
    EXPECT_LT(LargestDifference(units.Run(images, {units.Layers().back()})[0].output,
                                network.Evaluate(images)),
              1e-4);
  }
}

TEST_F(ImageUnitsTest, WhatCannotBeReadIsNamed) {
  EXPECT_EQ(ErrorOf([&] { ImageUnits::Load(folder_.path() / "none.pt"); }).kind(),
            base::ErrorKind::kNotFound);
  std::ofstream(folder_.path() / "text.pt") << "no module";
  const base::Error error = ErrorOf([&] { ImageUnits::Load(folder_.path() / "text.pt"); });
  EXPECT_EQ(error.kind(), base::ErrorKind::kBadInput);
  EXPECT_THAT(error.what(), testing::HasSubstr("text.pt"));
  torch::jit::Module bare("bare");
  bare.define("def forward(self, x):\n    return torch.mean(x, [2, 3])\n");
  bare.save((folder_.path() / "bare.pt").string());
  EXPECT_EQ(ErrorOf([&] { ImageUnits::Load(folder_.path() / "bare.pt"); }).kind(),
            base::ErrorKind::kUnsupported);
  const ImageUnits units = ImageUnits::Load(file_);
  EXPECT_EQ(ErrorOf([&] { units.Run(RandomImages(1, 1, 8, 8), {0}); }).kind(),
            base::ErrorKind::kBadInput);
}

// file, layers, unit of the first layer
struct SharedModel {
  const char* name;
  int channels, size;
  size_t layers;
  const char* first;
};
class SharedImageModelTest : public testing::TestWithParam<SharedModel> {};

TEST_P(SharedImageModelTest, EmbeddingsAddUpAndLogitsAreTheLastLayer) {
  const auto [name, channels, size, layers, first] = GetParam();
  const auto file =
      std::filesystem::path(ASSAY_SOURCE_DIR) / "../shared/models" / (std::string(name) + ".pt");
  if (!std::filesystem::exists(file)) GTEST_SKIP() << file << " is not there";
  const c10::InferenceMode guard;
  const ImageUnits units = ImageUnits::Load(file);
  EXPECT_EQ(units.Layers().size(), layers);
  EXPECT_EQ(units.At(0).name, first);
  const at::Tensor images = RandomImages(2, channels, size, size);
  EXPECT_LT(WorstSum(units, images, 7, 61), 2e-5);
  const at::Tensor logits = LoadImageClassifier(file)->Logits(images);
  const int last = units.Layers().back();
  EXPECT_LT(LargestDifference(units.Run(images, {last})[0].output, logits), 2e-4);
}

INSTANTIATE_TEST_SUITE_P(Shared, SharedImageModelTest,
                         testing::Values(SharedModel{"idc_resnet18w16_aug", 3, 50, 21, "conv1"},
                                         SharedModel{"cifar_resnet20", 3, 32, 20, "conv1"},
                                         SharedModel{"mnist_robust_wk", 1, 28, 4, "0"}),
                         [](const auto& model) { return std::string(model.param.name); });

}  // namespace
}  // namespace assay::model
