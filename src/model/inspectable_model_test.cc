#include "model/inspectable_model.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/model_testing.h"

namespace assay::model {
namespace {

using testing::HasSubstr;

class InspectableNeuronsTest : public testing::TestWithParam<std::string> {};

// For every neuron of every layer and token: the coordinates of e add up to the pre-activation.
TEST_P(InspectableNeuronsTest, EmbeddingsAddUpToThePreActivation) {
  const Transformer network = TinyTransformer(GetParam());
  const at::Tensor ids = RandomIds(2, 7, network.config().vocab);
  for (const GatedInput input : {GatedInput::kGate, GatedInput::kUp}) {
    const TransformerNeurons neurons(network, input);
    for (const int layer : neurons.Layers()) {
      at::Tensor h, pre;
      const HookPoint pre_hook = neurons.PreActivationHook(layer);
      network.Forward(
          {.ids = ids}, {neurons.InputHook(layer), pre_hook},
          [&](const HookPoint& hook, at::Tensor& value) { (hook == pre_hook ? pre : h) = value; });
      const at::Tensor e =
          neurons.Inputs(layer, h).unsqueeze(2) * neurons.InputWeights(layer);  // [B, T, units, d]
      EXPECT_LT(LargestDifference(e.sum(-1) + neurons.InputBias(layer), pre), 1e-5);
      EXPECT_EQ(pre.size(2), neurons.Units(layer));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Architectures, InspectableNeuronsTest,
                         testing::ValuesIn(AllArchitecturesForTests()), ArchitectureTestName);

SparseAutoencoder RandomSae(SaeConfig config) {
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(3);
  const auto normal = [&](at::IntArrayRef shape) { return at::randn(shape, generator) * 0.5; };
  const int64_t d = config.d_in, f = config.d_sae;
  SaeWeights weights{.w_enc = normal({d, f}), .w_dec = normal({f, d}), .b_dec = normal({d})};
  weights.b_enc = normal({f});
  weights.b_gate = normal({f});
  weights.r_mag = normal({f});
  weights.b_mag = normal({f});
  weights.threshold = normal({f}).abs();
  return {std::move(config), std::move(weights)};
}

TEST(SaeFeaturesTest, EmbeddingsAddUpToTheEncodersOutput) {
  const Transformer network = TinyTransformer("gpt2");
  const at::Tensor ids = RandomIds(2, 7, network.config().vocab);
  for (const SaeArchitecture architecture :
       {SaeArchitecture::kStandard, SaeArchitecture::kGated, SaeArchitecture::kTopK}) {
    for (const bool subtracts : {false, true}) {
      for (const SaeNormalization normalization :
           {SaeNormalization::kNone, SaeNormalization::kConstantNorm,
            SaeNormalization::kLayerNorm}) {
        const SparseAutoencoder sae = RandomSae({.architecture = architecture,
                                                 .d_in = 16,
                                                 .d_sae = 24,
                                                 .apply_b_dec_to_input = subtracts,
                                                 .normalization = normalization,
                                                 .k = 5,
                                                 .hook_name = "blocks.1.hook_resid_mid"});
        for (const bool centred : {false, true}) {
          const SaeFeatures features(network, sae, centred);
          ASSERT_EQ(features.Layers(), std::vector<int>{1});
          const at::Tensor value = network.Read({.ids = ids}, features.ReadHook(1));
          const at::Tensor e = features.Inputs(1, value).unsqueeze(2) * features.InputWeights(1);
          EXPECT_LT(
              LargestDifference(e.sum(-1) + features.InputBias(1), sae.Apply(value).hidden_pre),
              2e-5);
          EXPECT_TRUE(at::equal(features.Activations(1, value), sae.Apply(value).feature_acts));
        }
      }
    }
  }
}

TEST(SaeFeaturesTest, AnAutoencoderOfAnotherModelIsRefused) {
  const Transformer network = TinyTransformer("gpt2");
  const auto error_of = [&](std::optional<std::string> hook, int64_t d_in) {
    const SparseAutoencoder sae =
        RandomSae({.d_in = d_in, .d_sae = 24, .hook_name = std::move(hook)});
    return ErrorOf([&] { SaeFeatures(network, sae); });
  };
  EXPECT_THAT(error_of({}, 16).what(), HasSubstr("hook_name"));
  EXPECT_THAT(error_of("blocks.1.hook_resid_pre", 8).what(), HasSubstr("reads 8 numbers"));
  EXPECT_THAT(error_of("blocks.9.hook_resid_pre", 16).what(), HasSubstr("layers 0 to 2"));
  EXPECT_EQ(error_of("logits", 29).kind(), base::ErrorKind::kUnsupported);
}

}  // namespace
}  // namespace assay::model
