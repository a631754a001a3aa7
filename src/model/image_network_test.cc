#include "model/image_network.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/script.h>

#include <algorithm>
#include <cmath>

#include "model/model_testing.h"

namespace assay::model {
namespace {

namespace fs = std::filesystem;
using base::ErrorKind;
using testing::HasSubstr;

int64_t ParameterCount(const ImageNetwork& network) {
  int64_t count = 0;
  for (const auto& [name, tensor] : network.parameters()) count += tensor.numel();
  return count;
}

TEST(ImageNetworkTest, HasAsManyParametersAsTorchvision) {
  EXPECT_EQ(ParameterCount(ImageNetwork(ImageArchitecture("resnet18", 1000), 1)), 11689512);
  EXPECT_EQ(ParameterCount(ImageNetwork(ImageArchitecture("resnet50", 1000), 1)), 25557032);
}

// The topology written once more, as TorchScript source: tensors are looked up by name.
class ScriptText {
 public:
  explicit ScriptText(const std::map<std::string, at::Tensor>& tensors) : module_("m") {
    for (const auto& [name, tensor] : tensors) module_.register_buffer(Attribute(name), tensor);
  }
  std::string ConvNorm(const std::string& x, const std::string& conv, const std::string& norm,
                       int stride, int padding) {
    const auto self = [&](const std::string& name) { return "self." + Attribute(name); };
    return fmt::format(
        "torch.batch_norm(torch.conv2d({}, {}, None, [{}, {}], [{}, {}]), {}, {}, {}, {}, False, "
        "0.1, 1e-5, False)",
        x, self(conv + ".weight"), stride, stride, padding, padding, self(norm + ".weight"),
        self(norm + ".bias"), self(norm + ".running_mean"), self(norm + ".running_var"));
  }
  void Line(const std::string& line) { text_ += "    " + line + "\n"; }
  at::Tensor Run(const at::Tensor& images) {
    module_.define("def forward(self, x: Tensor):\n" + text_);
    return module_.forward({images}).toTensor();
  }

 private:
  static std::string Attribute(std::string name) {
    std::replace(name.begin(), name.end(), '.', '_');
    return "t_" + name;
  }
  torch::jit::Module module_;
  std::string text_;
};

// Running statistics and scales as after some training.
std::map<std::string, at::Tensor> Unsettled(const ImageNetwork& network) {
  std::map<std::string, at::Tensor> tensors = network.Tensors();
  uint64_t seed = 0;
  for (auto& [name, tensor] : tensors) {
    const at::Tensor noise =
        at::rand(tensor.sizes(), at::make_generator<at::CPUGeneratorImpl>(++seed));
    if (name.find("running_mean") != std::string::npos) tensor = noise - 0.5;
    if (name.find("running_var") != std::string::npos) tensor = noise + 0.5;
    if (tensor.dim() == 1 && name.ends_with("weight")) tensor = noise * 0.5 + 0.5;
  }
  return tensors;
}

void AddResnet(ScriptText& script, bool bottleneck, bool imagenet_stem,
               const std::vector<int>& depths) {
  script.Line("x = torch.relu(" +
              script.ConvNorm("x", "conv1", "bn1", imagenet_stem ? 2 : 1, imagenet_stem ? 3 : 1) +
              ")");
  if (imagenet_stem) script.Line("x = torch.max_pool2d(x, [3, 3], [2, 2], [1, 1])");
  for (size_t stage = 0; stage < depths.size(); ++stage) {
    for (int block = 0; block < depths[stage]; ++block) {
      const std::string at = fmt::format("layer{}.{}.", stage + 1, block);
      const int stride = stage > 0 && block == 0 ? 2 : 1;
      if (bottleneck) {
        script.Line("y = torch.relu(" + script.ConvNorm("x", at + "conv1", at + "bn1", 1, 0) + ")");
        script.Line("y = torch.relu(" + script.ConvNorm("y", at + "conv2", at + "bn2", stride, 1) +
                    ")");
        script.Line("y = " + script.ConvNorm("y", at + "conv3", at + "bn3", 1, 0));
      } else {
        script.Line("y = torch.relu(" + script.ConvNorm("x", at + "conv1", at + "bn1", stride, 1) +
                    ")");
        script.Line("y = " + script.ConvNorm("y", at + "conv2", at + "bn2", 1, 1));
      }
      if (block == 0 && (stage > 0 || bottleneck)) {
        script.Line("x = " +
                    script.ConvNorm("x", at + "downsample.0", at + "downsample.1", stride, 0));
      }
      script.Line("x = torch.relu(x + y)");
    }
  }
  script.Line("return torch.matmul(x.mean([2, 3]), self.t_fc_weight.t()) + self.t_fc_bias");
}

class TopologyTest : public testing::TestWithParam<const char*> {};

TEST_P(TopologyTest, EqualsTorchScript) {
  const std::string name = GetParam();
  ImageNetworkConfig config = ImageArchitecture(name, 3);
  const auto tensors = Unsettled(ImageNetwork(config, 7));
  const ImageNetwork network(config, tensors, name);
  ScriptText script(tensors);
  if (name == "cnn") {
    for (int i = 1; i <= 4; ++i) {
      script.Line("x = torch.relu(" +
                  script.ConvNorm("x", fmt::format("conv{}", i), fmt::format("bn{}", i),
                                  i == 1 ? 1 : 2, 1) +
                  ")");
    }
    script.Line("return torch.matmul(x.mean([2, 3]), self.t_fc_weight.t()) + self.t_fc_bias");
  } else {
    AddResnet(script, name == "resnet50", name != "resnet18w16",
              name == "resnet50" ? std::vector<int>{3, 4, 6, 3} : std::vector<int>{2, 2, 2, 2});
  }
  const at::Tensor images = at::rand({2, 3, 40, 33});
  const at::Tensor expected = script.Run(images), found = network.Evaluate(images);
  EXPECT_EQ(found.sizes(), expected.sizes());
  EXPECT_LT((found - expected).abs().max().item<double>(),
            1e-4 * std::max(1.0, expected.abs().max().item<double>()));
}

INSTANTIATE_TEST_SUITE_P(All, TopologyTest,
                         testing::Values("resnet18", "resnet18w16", "resnet50", "cnn"));

TEST(ImageNetworkTest, EvaluationFollowsChangesOfTheWeights) {
  ImageNetwork network(ImageArchitecture("cnn", 2), 3);
  const at::Tensor images = at::rand({4, 3, 16, 16});
  const at::Tensor before = network.Evaluate(images);
  EXPECT_TRUE(at::equal(before, network.Evaluate(images)));
  network.Train(images);  // moves the running statistics
  EXPECT_FALSE(at::allclose(before, network.Evaluate(images)));
  const at::Tensor between = network.Evaluate(images);
  network.parameters().at("conv2.weight").detach().mul_(2);
  EXPECT_FALSE(at::allclose(between, network.Evaluate(images)));
}

TEST(ImageNetworkTest, TrainingGivesTheWeightsGradientsAndEvaluationDoesNot) {
  ImageNetwork network(ImageArchitecture("resnet18w16", 2), 3);
  const at::Tensor images = at::rand({4, 3, 16, 16}).requires_grad_(true);
  network.Evaluate(images).sum().backward();
  EXPECT_TRUE(images.grad().defined());
  for (const auto& [name, tensor] : network.parameters()) EXPECT_FALSE(tensor.grad().defined());
  network.Train(images).square().sum().backward();
  for (const auto& [name, tensor] : network.parameters())
    EXPECT_TRUE(tensor.grad().defined()) << name;
}

TEST(ImageNetworkTest, SavedAndLoadedItIsTheSame) {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "n.safetensors";
  ImageNetworkConfig config = ImageArchitecture("cnn", 2);
  config.mean = {0.5, 0.25, 0.125};
  config.std = {0.5, 0.25, 0.125};
  const auto network = std::make_shared<ImageNetwork>(config, 5);
  const ImageSpec spec{
      .class_names = {"a", "b"}, .height = 16, .width = 16, .clean_accuracy = 0.75};
  const at::Tensor images = at::rand({2, 3, 16, 16});
  const at::Tensor expected = BuildClassifier(network, spec)->Logits(images);
  SaveImageNetwork(*network, spec, file, /*half=*/false, {{"seed", 5}});
  const auto again = LoadImageClassifier(file);
  EXPECT_TRUE(at::equal(again->Logits(images), expected));
  EXPECT_EQ(again->spec().class_names, spec.class_names);
  EXPECT_DOUBLE_EQ(again->spec().clean_accuracy.value(), 0.75);
  ASSERT_NE(NetworkOf(*again), nullptr);
  EXPECT_EQ(NetworkOf(*again)->config().architecture, "cnn");
  SaveImageNetwork(*network, spec, file, /*half=*/true, {});
  EXPECT_LT((LoadImageClassifier(file)->Logits(images) - expected).abs().max().item<double>(),
            1e-2);
}

TEST(ImageNetworkTest, WeightsThatDoNotFitAreNamed) {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "n.safetensors";
  auto tensors = ImageNetwork(ImageArchitecture("cnn", 2), 5).Tensors();
  const auto error = [&](const std::string& sidecar) {
    WriteSafetensors(file, tensors);
    base::WriteFile(folder.path() / "n.json", sidecar);
    return std::string(ErrorOf([&] { LoadImageClassifier(file); }).what());
  };
  const std::string plain = R"({"mean": [0, 0, 0], "std": [1, 1, 1]})";
  EXPECT_THAT(error("{}"), HasSubstr("neither a tensor nor the JSON sidecar says 'mean'"));
  EXPECT_THAT(error(R"({"mean": [0, 0, 0], "std": [1, 0, 1]})"), HasSubstr("'std' is [1, 0, 1]"));
  EXPECT_THAT(error(R"({"mean": [0, 0, 0], "std": [1, 1, 1], "class_names": ["a", "b", "c"]})"),
              HasSubstr("the sidecar names 3 classes; the weights have 2"));
  EXPECT_THAT(error(R"({"mean": [0, 0, 0], "std": [1, 1, 1], "architecture": "resnet18"})"),
              HasSubstr("the tensors are those of a cnn"));
  tensors["bn2.running_var"] = at::full({32}, NAN);
  EXPECT_THAT(error(plain), HasSubstr("'bn2.running_var' has values that are not finite"));
  tensors["bn2.running_var"] = at::ones({31});
  EXPECT_THAT(error(plain), HasSubstr("'bn2.running_var' has shape [31]"));
  tensors.erase("bn2.running_var");
  EXPECT_THAT(error(plain), HasSubstr("has no tensor 'bn2.running_var'"));
  tensors["bn2.running_var"] = at::ones({32});
  tensors["extra"] = at::ones({1});
  EXPECT_THAT(error(plain), HasSubstr("the tensor 'extra' is none of cnn"));
  EXPECT_EQ(ErrorOf([] { ImageArchitecture("vgg", 2); }).kind(), ErrorKind::kUsage);
}

}  // namespace
}  // namespace assay::model
