#include "model/image_classifier.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/script.h>

#include "base/sha256.h"
#include "model/image_network.h"
#include "model/model_testing.h"

namespace assay::model {
namespace {

namespace fs = std::filesystem;
using base::ErrorKind;
using testing::HasSubstr;

class GoldenTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (!fs::exists(shared_ / "models" / GetParam()))
      GTEST_SKIP() << "needs ../shared/models/" << GetParam();
  }
  SafetensorsFile Golden(const char* folder) const {
    const std::string stem = fs::path(GetParam()).stem().string();
    return SafetensorsFile::Open(shared_ / "golden" / folder / (stem + ".safetensors"));
  }
  std::unique_ptr<ImageClassifier> Load() const {
    return LoadImageClassifier(shared_ / "models" / GetParam());
  }
  fs::path shared_ = fs::path(ASSAY_SOURCE_DIR) / "../shared";
};

TEST_P(GoldenTest, LogitsEqualTheReference) {
  const auto golden = Golden("logits");
  const auto classifier = Load();
  const at::Tensor input = golden.Read("input"), expected = golden.Read("logits");
  const at::Tensor logits = classifier->Logits(input);
  EXPECT_LT((logits - expected).abs().max().item<double>(), 1e-4);
  for (int64_t i = 0; i < input.size(0); ++i) {  // and in batches of one
    EXPECT_LT((classifier->Logits(input.narrow(0, i, 1)) - expected[i]).abs().max().item<double>(),
              1e-4);
  }
  EXPECT_EQ(classifier->classes(), expected.size(1));
  EXPECT_FALSE(classifier->spec().gives_probabilities);
  EXPECT_EQ(WhyNotDifferentiable(*classifier), std::nullopt);
}

TEST_P(GoldenTest, GradientsEqualTheReference) {
  const std::string stem = fs::path(GetParam()).stem().string();
  if (!fs::exists(shared_ / "golden/attacks" / (stem + ".safetensors")))
    GTEST_SKIP() << "no golden gradients of " << stem;
  const auto golden = Golden("attacks");
  const auto classifier = Load();
  const at::Tensor labels = golden.Read("labels"), expected = golden.Read("grad");
  for (int repeat = 0; repeat < 3; ++repeat) {  // TorchScript optimises after the first calls
    const at::Tensor input = golden.Read("input").requires_grad_(true);
    const at::Tensor logits = classifier->Logits(input);
    at::cross_entropy_loss(logits, labels, {}, at::Reduction::Sum).backward();
    const double scale = expected.abs().max().item<double>();
    EXPECT_LT((input.grad() - expected).abs().max().item<double>(), 1e-3 * scale);
  }
}

INSTANTIATE_TEST_SUITE_P(Shared, GoldenTest,
                         testing::Values("idc_resnet18w16.pt", "idc_resnet18w16_aug.pt",
                                         "cifar_resnet20.pt", "mnist_robust_wk.pt",
                                         "idc_resnet18w16.safetensors",
                                         "idc_resnet18w16_aug.safetensors"));

TEST(SidecarTest, SaysWhatTheSharedModelsDeclare) {
  const fs::path models = fs::path(ASSAY_SOURCE_DIR) / "../shared/models";
  if (!fs::exists(models)) GTEST_SKIP() << "needs ../shared/models";
  const auto idc = LoadImageClassifier(models / "idc_resnet18w16_aug.pt");
  EXPECT_EQ(idc->spec().class_names, (std::vector<std::string>{"non_idc", "idc"}));
  EXPECT_DOUBLE_EQ(idc->spec().clean_accuracy.value(), 0.8723);
  EXPECT_EQ(idc->spec().height, 50);
  EXPECT_TRUE(idc->spec().any_size);
  const auto cifar = LoadImageClassifier(models / "cifar_resnet20.pt");
  EXPECT_DOUBLE_EQ(cifar->spec().clean_accuracy.value(), 0.805);  // not the published figure
  EXPECT_FALSE(cifar->spec().any_size);
  EXPECT_EQ(LoadImageClassifier(models / "mnist_robust_wk.pt")->spec().channels, 1);
}

// Modules defined by their source, in a folder that goes away.
class ScriptTest : public testing::Test {
 protected:
  // `body` is that of forward(self, x); a weight w [3, 3] is at hand.
  fs::path Write(const std::string& body, const std::string& sidecar = "",
                 const at::Tensor& weight = at::eye(3), const std::string& name = "m.pt") {
    torch::jit::Module module("m");
    module.register_parameter("w", weight.clone(), false);
    module.define("def forward(self, x: Tensor):\n    " + body + "\n");
    fs::create_directories((folder_.path() / name).parent_path());
    module.save((folder_.path() / name).string());
    if (!sidecar.empty()) {
      base::WriteFile(fs::path(folder_.path() / name).replace_extension(".json"), sidecar);
    }
    return folder_.path() / name;
  }
  std::string LoadError(const fs::path& path) {
    return ErrorOf([&] { LoadImageClassifier(path); }).what();
  }

  TemporaryFolder folder_;
  const std::string mean_colour_ = "return torch.matmul(x.mean([2, 3]), self.w)";
};

TEST_F(ScriptTest, TheDeclaredHashIsHeldAgainstTheWeights) {
  const fs::path file = Write(mean_colour_, R"({"class_names": ["a", "b", "c"], "sha256": "00"})");
  const ImageSpec spec = LoadImageClassifier(file)->spec();
  EXPECT_EQ(spec.declared_sha256, "00");
  EXPECT_EQ(spec.sha256, base::Sha256OfFile(file));
  // A hash of the other of two files with one sidecar says nothing about this one.
  Write(mean_colour_,
        R"({"class_names": ["a", "b", "c"], "sha256": "00", "file": "m.safetensors"})");
  EXPECT_EQ(LoadImageClassifier(file)->spec().declared_sha256, "");
}

TEST_F(ScriptTest, WithoutASidecarTheOutputTellsTheClasses) {
  const auto classifier = LoadImageClassifier(Write(mean_colour_));
  EXPECT_EQ(classifier->spec().class_names,
            (std::vector<std::string>{"class 0", "class 1", "class 2"}));
  const at::Tensor images = at::rand({2, 3, 5, 7});
  EXPECT_TRUE(at::allclose(classifier->Logits(images), images.mean({2, 3})));
}

TEST_F(ScriptTest, WrongClassCountIsNamed) {
  EXPECT_THAT(LoadError(Write(mean_colour_, R"({"class_names": ["a", "b"]})")),
              HasSubstr("the sidecar names 2 classes; the model answers with 3"));
  const std::string one = "return torch.matmul(x.mean([2, 3]), self.w)[:, :1]";
  for (const char* sidecar : {"", R"({"class_names": ["a", "b"]})"})
    EXPECT_THAT(LoadError(Write(one, sidecar)), HasSubstr("a single logit z"));
  EXPECT_THAT(LoadError(Write("return x.mean([2, 3]).sum(1)", "", at::eye(3), "flat.pt")),
              HasSubstr("gives an output of shape [4] for 4 images; expected [4, classes]"));
}

TEST_F(ScriptTest, WeightsAndLogitsThatAreNotFiniteAreRefused) {
  at::Tensor weight = at::eye(3);
  weight[1][1] = NAN;
  EXPECT_THAT(LoadError(Write(mean_colour_, "", weight)), HasSubstr("the weights 'w'"));
  EXPECT_THAT(LoadError(Write("return torch.log(x.mean([2, 3]) - 2)")),
              HasSubstr("logits that are not finite"));
}

TEST_F(ScriptTest, ProbabilitiesAreUsedByTheirLogarithms) {
  const auto plain = LoadImageClassifier(Write(mean_colour_));
  const auto classifier = LoadImageClassifier(Write(
      "return torch.softmax(torch.matmul(x.mean([2, 3]), self.w), 1)", "", at::eye(3) * 4, "p.pt"));
  EXPECT_FALSE(plain->spec().gives_probabilities);
  EXPECT_TRUE(classifier->spec().gives_probabilities);
  const at::Tensor images = at::rand({2, 3, 4, 4});
  const at::Tensor expected = at::log_softmax(images.mean({2, 3}) * 4, 1);
  EXPECT_TRUE(at::allclose(classifier->Logits(images), expected, 1e-5, 1e-5));
  CheckDifferentiable(*classifier);
}

TEST_F(ScriptTest, ModulesThatAreNotDifferentiableAreDetected) {
  const auto reason = [&](const std::string& body) {
    return WhyNotDifferentiable(*LoadImageClassifier(Write(body))).value_or("none");
  };
  EXPECT_EQ(reason(mean_colour_), "none");
  EXPECT_THAT(reason("return torch.matmul(x.mean([2, 3]), self.w).detach()"),
              HasSubstr("do not depend on the images"));
  EXPECT_EQ(reason("return torch.matmul(torch.round(x * 9).mean([2, 3]), self.w)"),
            "all gradients are zero");
  const auto classifier = LoadImageClassifier(Write("return (x.mean([2, 3]) * 9).round()"));
  const base::Error error = ErrorOf([&] { CheckDifferentiable(*classifier); });
  EXPECT_EQ(error.kind(), ErrorKind::kUnsupported);
  EXPECT_THAT(error.what(), HasSubstr("m: the model is not differentiable"));
}

TEST_F(ScriptTest, ImagesThatDoNotFitAreRefused) {
  const auto classifier = LoadImageClassifier(
      Write(mean_colour_, R"({"class_names": ["a", "b", "c"], "input_shape": ["B", 3, 8, 9]})"));
  const auto error = [&](const at::Tensor& images) {
    return std::string(ErrorOf([&] { classifier->Logits(images); }).what());
  };
  classifier->Logits(at::zeros({2, 3, 8, 9}));
  EXPECT_THAT(error(at::zeros({2, 1, 8, 9})), HasSubstr("[2, 1, 8, 9]; expected [B, 3, 8, 9]"));
  EXPECT_THAT(error(at::zeros({2, 3, 9, 8})), HasSubstr("[2, 3, 9, 8]"));
  EXPECT_THAT(error(at::zeros({3, 8, 9})), HasSubstr("[3, 8, 9]"));
  EXPECT_THAT(error(at::zeros({0, 3, 8, 9})), HasSubstr("[0, 3, 8, 9]"));
  EXPECT_THAT(error(at::full({1, 3, 8, 9}, 255.0)), HasSubstr("values from 255 to 255"));
  EXPECT_THAT(error(at::full({1, 3, 8, 9}, -0.01)), HasSubstr("expected 0 to 1"));
  at::Tensor lost = at::full({1, 3, 8, 9}, 0.5);
  lost[0][1][2].fill_(NAN);
  lost[0][0][0][0] = INFINITY;
  EXPECT_THAT(error(lost), HasSubstr("10 of 216 image values are not finite"));
  EXPECT_THAT(error(at::zeros({1, 3, 8, 9}, at::kDouble)), HasSubstr("float32"));
}

TEST_F(ScriptTest, TheLayoutOfWsinferIsRead) {
  const fs::path file = Write("return torch.matmul(x.amax([2, 3]), self.w)", "", at::eye(3),
                              "net/torchscript_model.pt");
  base::WriteFile(file.parent_path() / "config.json", R"({"name": "tumour", "num_classes": 3,
      "architecture": "max", "class_names": ["a", "b", "c"], "patch_size_pixels": 16,
      "spacing_um_px": 0.5, "transform": [{"name": "Resize", "arguments": {"size": 8}},
      {"name": "ToTensor"}, {"name": "Normalize", "arguments": {"mean": [0.5, 0.25, 0],
      "std": [0.5, 0.25, 2]}}]})");
  for (const fs::path& path : {file, file.parent_path()}) {
    const auto classifier = LoadImageClassifier(path);
    EXPECT_EQ(classifier->spec().height, 16);
    EXPECT_EQ(classifier->spec().name, "tumour");
    EXPECT_DOUBLE_EQ(classifier->spec().microns_per_pixel.value(), 0.5);
    at::Tensor images = at::full({1, 3, 16, 16}, 0.5);
    EXPECT_TRUE(at::allclose(classifier->Logits(images), at::tensor({0.0f, 1.0f, 0.25f})));
    // One white pixel: halving the size with antialiasing spreads it over 4 by 4 with the weights
    // 1/8, 3/8, 3/8, 1/8, so the largest value is (3/8)^2.
    images = at::zeros({1, 3, 16, 16});
    images.select(2, 8).select(2, 8).fill_(1);
    const double most = 9.0 / 64;
    EXPECT_TRUE(at::allclose(
        classifier->Logits(images),
        at::tensor({static_cast<float>((most - .5) / .5), static_cast<float>((most - .25) / .25),
                    static_cast<float>(most / 2)}),
        1e-5, 1e-5));
    CheckDifferentiable(*classifier);
  }
  base::WriteFile(file.parent_path() / "config.json",
                  R"({"class_names": ["a"], "num_classes": 3, "patch_size_pixels": 16})");
  EXPECT_THAT(LoadError(file), HasSubstr("'num_classes' is 3; 'class_names' has 1"));
  base::WriteFile(file.parent_path() / "config.json", R"({"class_names": ["a", "b", "c"],
      "patch_size_pixels": 16, "transform": [{"name": "Grayscale"}]})");
  EXPECT_THAT(LoadError(file), HasSubstr("the transform 'Grayscale' is not known"));
}

TEST_F(ScriptTest, UnusableFilesAreNamed) {
  EXPECT_EQ(ErrorOf([&] { LoadImageClassifier(folder_.path() / "none.pt"); }).kind(),
            ErrorKind::kNotFound);
  base::WriteFile(folder_.path() / "text.pt", "not a module");
  EXPECT_THAT(LoadError(folder_.path() / "text.pt"), HasSubstr("text.pt: cannot be read"));
  EXPECT_THAT(LoadError(Write("return [x]")), HasSubstr("expected one tensor of logits"));
  EXPECT_THAT(LoadError(Write("return x.view([3, 5])")), HasSubstr("the module fails on images"));
  EXPECT_THAT(LoadError(Write(mean_colour_, R"({"input_range": [1, 0]})")),
              HasSubstr("'input_range'"));
  EXPECT_THAT(LoadError(Write(mean_colour_, R"({"class_names": "a"})")),
              HasSubstr("'class_names'"));
}

}  // namespace
}  // namespace assay::model
