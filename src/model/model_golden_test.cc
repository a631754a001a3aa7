// Every hook of every golden model against a third-party implementation (golden/README.md of the
// shared data).
#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"
#include "model/safetensors.h"
#include "model/transformer.h"

namespace assay::model {
namespace {

namespace fs = std::filesystem;

fs::path Shared() { return fs::path(ASSAY_SOURCE_DIR) / ".." / "shared"; }

// Largest |difference| - (1e-4 + 1e-5 |value|) : at most 0 when within the tolerance.
double Excess(const at::Tensor& found, const at::Tensor& expected) {
  return ((found - expected).abs() - (1e-4 + 1e-5 * expected.abs())).max().item<double>();
}

class ModelGoldenTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (!fs::exists(Shared() / "models" / GetParam()))
      GTEST_SKIP() << "../shared/models is not on this machine";
  }
};

TEST_P(ModelGoldenTest, EveryHookIsWithinTolerance) {
  const c10::InferenceMode guard;
  const Transformer model = Transformer::Load(Shared() / "models" / GetParam());
  const auto golden =
      SafetensorsFile::Open(Shared() / "golden" / (std::string(GetParam()) + ".safetensors"));
  ForwardInput input{.ids = golden.Read("input_ids")};
  if (golden.Has("attention_mask")) input.attention_mask = golden.Read("attention_mask");
  int compared = 0;
  std::vector<HookPoint> hooks;
  for (const auto& [name, info] : golden.tensors()) {
    if (name != "input_ids" && name != "attention_mask" && name != "token_type_ids" &&
        name != "last_logits_with_head_bias") {
      hooks.push_back(ParseHook(name, model.config()));
    }
  }
  model.Forward(input, hooks, [&](const HookPoint& hook, at::Tensor& value) {
    const std::string name = HookName(hook, model.config());
    const at::Tensor expected = golden.Read(name);
    ASSERT_EQ(value.sizes(), expected.sizes()) << name;
    EXPECT_LE(Excess(value, expected), 0) << name;
    ++compared;
  });
  EXPECT_EQ(compared, static_cast<int>(hooks.size()));
  EXPECT_GE(compared, 8);
}

TEST_P(ModelGoldenTest, ASharedPrefixGivesTheSameValues) {
  const c10::InferenceMode guard;
  const Transformer model = Transformer::Load(Shared() / "models" / GetParam());
  if (!model.config().causal) GTEST_SKIP() << "encoders have no prefixes";
  const auto golden =
      SafetensorsFile::Open(Shared() / "golden" / (std::string(GetParam()) + ".safetensors"));
  const at::Tensor ids = golden.Read("input_ids"), expected = golden.Read("logits");
  const int64_t rows = ids.size(0), tokens = ids.size(1), shared = 11;
  std::vector<Segment> segments;
  std::vector<at::Tensor> row;
  for (int64_t i = 0, begin = 0; i < rows; ++i, begin += tokens) {
    segments.push_back({.begin = begin, .count = shared});
    segments.push_back({.begin = begin + shared,
                        .count = tokens - shared,
                        .parent = static_cast<int>(2 * i),
                        .position = shared});
    row.push_back(ids[i]);
  }
  const at::Tensor logits = model.Read({.ids = at::cat(row).unsqueeze(0), .segments = segments},
                                       ParseHook("logits", model.config()));
  EXPECT_LE(Excess(logits.view_as(expected), expected), 0);
}

INSTANTIATE_TEST_SUITE_P(Shared, ModelGoldenTest,
                         testing::Values("stories260k", "gpt2basic_model", "rand_gpt2_gelu_new",
                                         "rand_gpt2_gelu", "rand_gpt_neox", "rand_llama_gqa",
                                         "rand_distilbert"));

TEST(ModelGoldenActivationTest, GeluInPlaceOfGeluNewFails) {
  if (!fs::exists(Shared() / "models")) GTEST_SKIP() << "../shared/models is not on this machine";
  const c10::InferenceMode guard;
  const fs::path folder = Shared() / "models" / "rand_gpt2_gelu_new";
  nlohmann::json json = base::ReadJson(folder / "config.json");
  json["activation_function"] = "gelu";
  const TransformerConfig config = ParseTransformerConfig(json, "config.json");
  const Transformer wrong(config, LoadTransformerWeights(folder, config));
  const auto golden = SafetensorsFile::Open(Shared() / "golden" / "rand_gpt2_gelu_new.safetensors");
  const at::Tensor logits =
      wrong.Read({.ids = golden.Read("input_ids")}, ParseHook("logits", config));
  EXPECT_GT(Excess(logits, golden.Read("logits")), 1e-3);
}

}  // namespace
}  // namespace assay::model
