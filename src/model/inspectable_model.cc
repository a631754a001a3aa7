#include "model/inspectable_model.h"

#include <ATen/ATen.h>

#include "base/error.h"

namespace assay::model {

using base::ErrorKind;
using base::Fail;

GatedInput ParseGatedInput(const std::string& name) {
  if (name == "gate") return GatedInput::kGate;
  if (name == "up") return GatedInput::kUp;
  Fail(ErrorKind::kUsage, "input matrix '{}' is unknown; expected gate or up", name);
}

std::vector<int> TransformerNeurons::Layers() const {
  std::vector<int> out;
  for (int layer = 0; layer < network().config().layers; ++layer) out.push_back(layer);
  return out;
}

const Linear& TransformerNeurons::Matrix(int layer) const {
  const BlockWeights& block = network().weights().blocks.at(static_cast<size_t>(layer));
  return network().config().gated_mlp && input_ == GatedInput::kGate ? block.mlp_gate
                                                                     : block.mlp_in;
}

at::Tensor TransformerNeurons::InputWeights(int layer) const { return Matrix(layer).weight; }

at::Tensor TransformerNeurons::InputBias(int layer) const {
  const Linear& matrix = Matrix(layer);
  return matrix.bias.defined() ? matrix.bias
                               : at::zeros({matrix.weight.size(0)}, matrix.weight.options());
}

HookPoint TransformerNeurons::InputHook(int layer) const {
  return BlockHook(HookSite::kLn2, layer, network().config());
}

HookPoint TransformerNeurons::PreActivationHook(int layer) const {
  const bool up = network().config().gated_mlp && input_ == GatedInput::kUp;
  return BlockHook(up ? HookSite::kMlpPreLinear : HookSite::kMlpPre, layer, network().config());
}

namespace {

// Numbers a token at the hook; 0 where that is not one vector a token.
int64_t HookWidth(const HookPoint& hook, const TransformerConfig& config) {
  switch (hook.site) {
    case HookSite::kResidPre:
    case HookSite::kLn1:
    case HookSite::kAttnOut:
    case HookSite::kResidMid:
    case HookSite::kLn2:
    case HookSite::kMlpOut:
    case HookSite::kResidPost:
      return config.d_model;
    case HookSite::kZ:
      return static_cast<int64_t>(config.heads) * config.d_head;
    case HookSite::kMlpPre:
    case HookSite::kMlpPreLinear:
    case HookSite::kMlpMid:
    case HookSite::kMlpPost:
      return config.d_mlp;
    default:
      return 0;
  }
}

}  // namespace

SaeFeatures::SaeFeatures(const Transformer& network, const SparseAutoencoder& autoencoder,
                         bool centred)
    : TokenUnits(network), autoencoder_(autoencoder), centred_(centred) {
  const SaeConfig& config = autoencoder.config();
  if (!config.hook_name)
    Fail(ErrorKind::kBadInput, "the SAE's cfg.json does not say which hook it reads (hook_name)");
  hook_ = ParseHook(*config.hook_name, network.config());
  const int64_t width = HookWidth(hook_, network.config());
  if (width == 0) {
    Fail(ErrorKind::kUnsupported,
         "the SAE reads '{}'; features as units need a hook within a layer that has one vector a "
         "token",
         *config.hook_name);
  }
  if (width != config.d_in) {
    Fail(ErrorKind::kBadInput, "the SAE reads {} numbers a token; '{}' of this model has {}",
         config.d_in, *config.hook_name, width);
  }
}

at::Tensor SaeFeatures::InputBias(int) const {
  const SaeWeights& weights = autoencoder_.weights();
  const bool gated = autoencoder_.config().architecture == SaeArchitecture::kGated;
  const at::Tensor& bias = gated ? weights.b_gate : weights.b_enc;
  // Un-centred inputs still hold b_dec, which the encoder takes away.
  return autoencoder_.config().apply_b_dec_to_input && !centred_
             ? bias - at::matmul(weights.b_dec, weights.w_enc)
             : bias;
}

at::Tensor SaeFeatures::Inputs(int, const at::Tensor& value) const {
  return centred_ ? autoencoder_.EncoderInput(value) : autoencoder_.NormalizedInput(value);
}

}  // namespace assay::model
