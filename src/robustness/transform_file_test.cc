#include "robustness/transform_file.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/base_testing.h"
#include "base/error.h"
#include "base/file.h"
#include "model/safetensors.h"

namespace assay::robustness {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using transforms::Compatibility;

constexpr double kTolerance = 2.55e-3;  // 1e-5 of full range; the issue asks for 1e-4

const fs::path kGolden = ASSAY_SOURCE_DIR "/../shared/golden/reet";

std::vector<std::string> GoldenFiles() {
  std::vector<std::string> files;
  if (!fs::exists(kGolden / "index.json")) return {"absent"};
  const nlohmann::json index = base::ReadJson(kGolden / "index.json");
  for (const auto& entry : index.at("cases")) files.push_back(entry.at("file").get<std::string>());
  return files;
}

class ReetGoldenTest : public testing::TestWithParam<std::string> {};

TEST_P(ReetGoldenTest, OutputIsTheReferences) {
  const fs::path path = kGolden / GetParam();
  if (!fs::exists(path)) GTEST_SKIP() << path << " is not here";
  const std::string stem = path.stem().string();
  const at::Tensor found = ApplyTransformFile(
      {path, stem.substr(0, stem.rfind('_')), {.compatibility = Compatibility::kReet}});
  const at::Tensor expected = model::SafetensorsFile::Open(path).Read("output");
  ASSERT_EQ(found.sizes(), expected.sizes());
  EXPECT_LT((found - expected).abs().max().item<double>(), kTolerance);
}

INSTANTIATE_TEST_SUITE_P(Reet, ReetGoldenTest, testing::ValuesIn(GoldenFiles()),
                         [](const auto& file) {
                           return file.param.substr(0, file.param.rfind('.'));
                         });

class TransformFileTest : public testing::Test {
 protected:
  at::Tensor Apply(const std::string& name, Compatibility compatibility = Compatibility::kNone) {
    const fs::path path = folder_.path() / "in.safetensors";
    model::WriteSafetensors(path, tensors_);
    return ApplyTransformFile({path, name, {.compatibility = compatibility}});
  }
  std::string Refusal(const std::string& name) {
    try {
      Apply(name);
    } catch (const base::Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("in.safetensors"));
      return error.what();
    }
    ADD_FAILURE() << "accepted";
    return "";
  }
  base::TemporaryFolder folder_;
  std::map<std::string, at::Tensor> tensors_{{"input", at::rand({2, 3, 8, 8})}};
};

TEST_F(TransformFileTest, ScalesFollowTheMode) {
  tensors_["input"] = at::full({2, 3, 8, 8}, 0.5f);
  tensors_["weights"] = at::tensor({0.25f, -0.25f}).reshape({2, 1});
  EXPECT_NEAR(Apply("Mean")[0].mean().item<double>(), 0.75, 1e-6);
  EXPECT_NEAR(Apply("mean", Compatibility::kReet)[1].mean().item<double>(), 0.25, 1e-4);
  tensors_["weights"] = at::tensor({0.25f, -0.25f});
  EXPECT_NEAR(Apply("mean")[1].mean().item<double>(), 0.25, 1e-6);
}

TEST_F(TransformFileTest, WhatIsMissingOrMisshapedIsNamed) {
  EXPECT_THAT(Refusal("rotate"), HasSubstr("no tensor 'angle'; expected [2, 1] (degrees"));
  tensors_["angle"] = at::zeros({3, 1});
  EXPECT_THAT(Refusal("rotate"), HasSubstr("'angle' has shape [3, 1]; expected [2, 1]"));
  tensors_["angle"] = at::full({2, 1}, NAN);
  EXPECT_THAT(Refusal("rotate"), HasSubstr("'angle' has values that are not finite"));
  tensors_["corner_x"] = tensors_["corner_y"] = at::zeros({2, 1});
  tensors_["height_width"] = at::ones({3});
  EXPECT_THAT(Refusal("cutout"), HasSubstr("'height_width' has shape [3]; expected [2]"));
  tensors_["input"] = at::full({2, 3, 8, 8}, 200.0f);
  EXPECT_THAT(Refusal("rotate"), HasSubstr("values from 200 to 200; expected 0 to 1"));
  tensors_["input"] = at::zeros({2, 1, 8, 8});
  EXPECT_THAT(Refusal("rotate"), HasSubstr("[2, 1, 8, 8]"));
  tensors_.erase("input");
  EXPECT_THAT(Refusal("rotate"), HasSubstr("no tensor 'input'"));
}

TEST_F(TransformFileTest, CorruptionsTakeImagesAlone) {
  const fs::path path = folder_.path() / "images.safetensors";
  const at::Tensor images = at::full({2, 3, 8, 8}, 0.5);
  model::WriteSafetensors(path, {{"input", images}});
  EXPECT_TRUE(at::allclose(ApplyCorruptionFile(path, "darker", 5), images * 0.55));
  const at::Tensor noisy = ApplyCorruptionFile(path, "noise", 2);
  EXPECT_FALSE(at::equal(noisy[0], noisy[1]));
  EXPECT_THROW(ApplyCorruptionFile(path, "rain", 2), base::Error);
  model::WriteSafetensors(path, {{"input", images * 255}});
  EXPECT_THROW(ApplyCorruptionFile(path, "darker", 5), base::Error);
}

}  // namespace
}  // namespace assay::robustness
