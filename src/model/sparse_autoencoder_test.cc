#include "model/sparse_autoencoder.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "model/model_testing.h"

namespace assay::model {
namespace {

namespace fs = std::filesystem;
using base::ErrorKind;
using testing::HasSubstr;

// The largest |difference| / (1e-4 + 1e-5 |value|): at most 1 is asked for.
double Excess(const at::Tensor& found, const at::Tensor& expected) {
  EXPECT_EQ(found.sizes(), expected.sizes());
  return ((found - expected).abs() / (1e-4 + 1e-5 * expected.abs())).max().item<double>();
}

class SaeGoldenTest : public testing::TestWithParam<std::string> {};

TEST_P(SaeGoldenTest, EqualsSaeLens) {
  const fs::path folder = fs::path(ASSAY_SOURCE_DIR "/../shared/golden/sae") / GetParam();
  if (!fs::exists(folder)) GTEST_SKIP() << folder << " is not here";
  const SparseAutoencoder sae = SparseAutoencoder::Load(folder);
  const auto golden = SafetensorsFile::Open(folder / "golden.safetensors");
  const SaeResult found = sae.Apply(golden.Read("input"));
  EXPECT_LE(Excess(found.hidden_pre, golden.Read("hidden_pre")), 1);
  EXPECT_LE(Excess(found.feature_acts, golden.Read("feature_acts")), 1);
  EXPECT_LE(Excess(found.reconstruction, golden.Read("reconstruction")), 1);
  EXPECT_TRUE(at::equal(sae.Encode(golden.Read("input")), found.feature_acts));
}

INSTANTIATE_TEST_SUITE_P(Golden, SaeGoldenTest,
                         testing::Values("standard", "standard_layernorm_unnorm", "topk",
                                         "topk_rescaled", "stories260k_l3_standard",
                                         "stories260k_l3_topk"),
                         [](const auto& golden) { return golden.param; });

// A folder that a test can spoil.
class SaeFilesTest : public testing::Test {
 protected:
  SaeFilesTest() {
    at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(1);
    for (const char* name : {"b_enc", "b_gate", "r_mag", "b_mag", "threshold"})
      tensors_[name] = at::randn({5}, generator) * 0.3;
    tensors_["threshold"] = tensors_["threshold"].abs();
    tensors_["W_enc"] = at::randn({3, 5}, generator);
    tensors_["W_dec"] = at::randn({5, 3}, generator);
    tensors_["b_dec"] = at::randn({3}, generator);
    x_ = at::randn({7, 3}, generator);
  }
  SparseAutoencoder Load() {
    base::WriteFile(folder_.path() / "cfg.json", config_.dump());
    WriteSafetensors(folder_.path() / "sae_weights.safetensors", tensors_);
    return SparseAutoencoder::Load(folder_.path());
  }
  double W(int64_t i, int64_t f) { return tensors_["W_enc"][i][f].item<double>(); }
  double At(const char* name, int64_t f) { return tensors_[name][f].item<double>(); }

  TemporaryFolder folder_;
  nlohmann::json config_ = {{"d_in", 3}, {"d_sae", 5}, {"architecture", "standard"}};
  std::map<std::string, at::Tensor> tensors_;
  at::Tensor x_;  // [7, 3]
};

TEST_F(SaeFilesTest, GatedAndJumpReluFollowTheirFormulas) {
  config_["architecture"] = "gated";
  const at::Tensor gated = Load().Encode(x_);
  config_["architecture"] = "jumprelu";
  const at::Tensor jump = Load().Encode(x_);
  int64_t active = 0;
  for (int64_t row = 0; row < 7; ++row) {
    for (int64_t f = 0; f < 5; ++f) {
      double dot = 0;
      for (int64_t i = 0; i < 3; ++i) dot += (x_[row][i].item<double>() - At("b_dec", i)) * W(i, f);
      const double magnitude = std::max(0.0, dot * std::exp(At("r_mag", f)) + At("b_mag", f));
      EXPECT_NEAR(gated[row][f].item<double>(), dot + At("b_gate", f) > 0 ? magnitude : 0, 1e-5);
      const double pre = dot + At("b_enc", f);
      EXPECT_NEAR(jump[row][f].item<double>(), pre > At("threshold", f) ? pre : 0, 1e-5);
      active += pre > At("threshold", f) ? 1 : 0;
    }
  }
  EXPECT_GT(active, 3);
}

TEST_F(SaeFilesTest, ConstantNormScalesThereAndBack) {
  config_["normalize_activations"] = "constant_norm_rescale";
  const SparseAutoencoder sae = Load();
  const SaeResult once = sae.Apply(x_), scaled = sae.Apply(x_ * 10);
  EXPECT_LT(LargestDifference(once.feature_acts, scaled.feature_acts), 1e-5);
  EXPECT_LT(LargestDifference(once.reconstruction * 10, scaled.reconstruction), 1e-4);
  EXPECT_NEAR(sae.NormalizedInput(x_)[0].norm().item<double>(), std::sqrt(3.0), 1e-5);
}

TEST_F(SaeFilesTest, OldConfigurationsMeanTheSame) {
  const at::Tensor expected = Load().Encode(x_);
  config_ = {{"d_in", 3},
             {"d_sae", 5},
             {"hook_point", "blocks.2.hook_resid_pre"},
             {"hook_point_head_index", nullptr},
             {"activation_fn_str", "relu"},
             {"normalize_activations", false},
             {"uses_scaling_factor", false}};
  tensors_["scaling_factor"] = at::ones({5});
  const SparseAutoencoder old = Load();
  EXPECT_EQ(old.config().hook_name, "blocks.2.hook_resid_pre");
  EXPECT_TRUE(at::equal(old.Encode(x_), expected));
  config_ = {{"d_in", 3},
             {"d_sae", 5},
             {"activation_fn_str", "topk"},
             {"activation_fn_kwargs", {{"k", 2}}}};
  const SparseAutoencoder topk = Load();
  EXPECT_EQ(topk.config().architecture, SaeArchitecture::kTopK);
  EXPECT_LE((topk.Encode(x_) > 0).sum(-1).max().item<int64_t>(), 2);
}

TEST_F(SaeFilesTest, AFinetuningScaleActsBeforeDecodingOnly) {
  const SaeResult plain = Load().Apply(x_);
  config_["finetuning_scaling_factor"] = true;
  tensors_["finetuning_scaling_factor"] = at::full({5}, 2.0);
  const SaeResult scaled = Load().Apply(x_);
  EXPECT_TRUE(at::equal(plain.feature_acts, scaled.feature_acts));
  EXPECT_LT(LargestDifference((plain.reconstruction - tensors_["b_dec"]) * 2,
                              scaled.reconstruction - tensors_["b_dec"]),
            1e-5);
  config_["finetuning_scaling_factor"] = false;
  EXPECT_THAT(ErrorOf([&] { Load(); }).what(), HasSubstr("not all ones"));
}

TEST_F(SaeFilesTest, HeadsAreReadAsOneVectorAndGivenBack) {
  tensors_["W_enc"] = at::randn({6, 5});
  tensors_["W_dec"] = at::randn({5, 6});
  tensors_["b_dec"] = at::randn({6});
  config_ = {{"d_in", 6}, {"d_sae", 5}, {"reshape_activations", "hook_z"}};
  const at::Tensor z = at::randn({2, 4, 3, 2});  // [B, T, heads, d_head]
  const SaeResult heads = Load().Apply(z), flat = Load().Apply(z.flatten(-2));
  EXPECT_TRUE(at::equal(heads.feature_acts, flat.feature_acts));
  EXPECT_EQ(heads.reconstruction.sizes(), z.sizes());
  EXPECT_TRUE(at::equal(heads.reconstruction.flatten(-2), flat.reconstruction));
}

TEST_F(SaeFilesTest, WhatIsUnknownIsRefusedByName) {
  const auto message = [&](const char* key, const nlohmann::json& value) {
    const nlohmann::json before = config_;
    config_[key] = value;
    const base::Error error = ErrorOf([&] { Load(); });
    config_ = before;
    EXPECT_THAT(error.what(), HasSubstr("cfg.json"));
    return std::string(error.what());
  };
  EXPECT_THAT(message("architecture", "transcoder"), HasSubstr("supported: standard, gated"));
  EXPECT_THAT(message("normalize_activations", "batch"), HasSubstr("'batch'"));
  EXPECT_THAT(message("activation_fn", "swish"), HasSubstr("'swish'"));
  EXPECT_THAT(message("reshape_activations", "fold"), HasSubstr("'fold'"));
  EXPECT_THAT(message("architecture", "topk"), HasSubstr("has no 'k'"));
  EXPECT_THAT(message("d_in", "three"), HasSubstr("positive whole number"));
  EXPECT_THAT(message("hook_head_index", 3), HasSubstr("hook_head_index"));
  config_["architecture"] = "topk";
  EXPECT_THAT(message("k", 6), HasSubstr("the SAE has 5 features"));
}

TEST_F(SaeFilesTest, WeightsThatDoNotFitAreNamed) {
  tensors_["W_enc"] = at::randn({5, 3});
  EXPECT_THAT(ErrorOf([&] { Load(); }).what(),
              HasSubstr("'W_enc' has shape [5, 3]; cfg.json promises [3, 5]"));
  tensors_["W_enc"] = at::full({3, 5}, NAN);
  EXPECT_THAT(ErrorOf([&] { Load(); }).what(), HasSubstr("not finite"));
  tensors_.erase("W_enc");
  EXPECT_EQ(ErrorOf([&] { Load(); }).kind(), ErrorKind::kBadInput);
  tensors_["W_enc"] = at::randn({3, 5});
  const SparseAutoencoder sae = Load();
  EXPECT_THAT(ErrorOf([&] { sae.Apply(at::zeros({2, 4})); }).what(), HasSubstr("[2, 4]"));
}

TEST_F(SaeFilesTest, SavingAndLoadingKeepsEverything) {
  for (const char* architecture : {"standard", "gated", "jumprelu", "topk"}) {
    config_ = {{"d_in", 3},
               {"d_sae", 5},
               {"architecture", architecture},
               {"k", 2},
               {"hook_name", "blocks.0.hook_resid_pre"},
               {"normalize_activations", "layer_norm"},
               {"rescale_acts_by_decoder_norm", true},
               {"apply_b_dec_to_input", false}};
    const SparseAutoencoder sae = Load();
    sae.Save(folder_.path() / "again", {{"dataset", "text"}});
    const SparseAutoencoder again = SparseAutoencoder::Load(folder_.path() / "again");
    EXPECT_EQ(again.config().hook_name, "blocks.0.hook_resid_pre");
    EXPECT_TRUE(at::equal(sae.Apply(x_).reconstruction, again.Apply(x_).reconstruction));
  }
}

}  // namespace
}  // namespace assay::model
