#include "model/transformer.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"
#include "model/forward_pass.h"

namespace assay::model {
namespace {

using base::ErrorKind;
using base::Fail;

// Angular frequency of each rotating pair, radians a position.
std::vector<double> RotaryFrequencies(const Rotary& rotary) {
  std::vector<double> out;
  for (int pair = 0; pair < rotary.dims / 2; ++pair) {
    double frequency = std::pow(rotary.theta, -2.0 * pair / rotary.dims);
    if (rotary.scaling == "linear") frequency /= rotary.factor;
    if (rotary.scaling == "llama3") {
      // Long wavelengths are stretched by the factor, short ones kept, those between blended
      // (Llama 3.1).
      const double turns = rotary.original_positions * frequency / (2 * std::numbers::pi);
      const double blend = std::clamp(
          (turns - rotary.low_freq_factor) / (rotary.high_freq_factor - rotary.low_freq_factor),
          0.0, 1.0);
      frequency = blend * frequency + (1 - blend) * frequency / rotary.factor;
    }
    out.push_back(frequency);
  }
  return out;
}

}  // namespace

Transformer::Transformer(TransformerConfig config, TransformerWeights weights)
    : config_(std::move(config)), weights_(std::move(weights)) {
  if (config_.rotary) {
    const at::Tensor frequencies = at::tensor(RotaryFrequencies(*config_.rotary), at::kDouble);
    const at::Tensor angles =
        at::arange(config_.max_positions, at::kDouble).unsqueeze(1) * frequencies;
    rotary_cos_ = at::cos(angles).to(at::kFloat);
    rotary_sin_ = at::sin(angles).to(at::kFloat);
  }
}

Transformer Transformer::Load(const std::filesystem::path& folder) {
  TransformerConfig config = ReadTransformerConfig(folder);
  TransformerWeights weights = LoadTransformerWeights(folder, config);
  return Transformer(std::move(config), std::move(weights));
}

void Transformer::To(const std::string& device, at::ScalarType dtype) {
  if (device != "cpu" && device != "cuda")
    Fail(ErrorKind::kUsage, "device is '{}'; expected cpu or cuda", device);
  if (device == "cuda" && !at::hasCUDA()) {
    Fail(ErrorKind::kUnsupported,
         "device cuda: this libtorch was built without CUDA, or no GPU is visible");
  }
  const at::Device target(device == "cuda" ? at::kCUDA : at::kCPU);
  for (auto& [name, tensor] : NamedTensors(weights_)) *tensor = tensor->to(target, dtype);
  if (config_.tied_unembedding) weights_.unembed.weight = weights_.token_embedding;
  if (rotary_cos_.defined()) {
    rotary_cos_ = rotary_cos_.to(target);
    rotary_sin_ = rotary_sin_.to(target);
  }
}

void Transformer::Forward(const ForwardInput& input, const std::vector<HookPoint>& hooks,
                          const HookFunction& function) const {
  ASSAY_CHECK(input.ids.dim() == 2 && input.ids.scalar_type() == at::kLong);
  int64_t positions = input.ids.size(1);
  if (!input.segments.empty()) {
    ASSAY_CHECK(config_.causal && input.ids.size(0) == 1);
    CheckSegments(input.segments, input.ids.size(1));
    positions = 0;
    for (const Segment& segment : input.segments)
      positions = std::max(positions, segment.position + segment.count);
  }
  if (positions > config_.max_positions) {
    Fail(ErrorKind::kBadInput, "a sequence of {} tokens; the model has {} positions", positions,
         config_.max_positions);
  }
  if (input.ids.numel() == 0)
    Fail(ErrorKind::kBadInput, "an empty sequence; expected at least one token");
  if (input.attention_mask.defined()) {
    if (config_.causal) {
      Fail(ErrorKind::kBadInput,
           "an attention mask for a causal model; only encoders take one (pad on the right "
           "instead)");
    }
    if (input.attention_mask.sizes() != input.ids.sizes()) {
      Fail(ErrorKind::kBadInput, "the attention mask is [{}]; expected [{}] as the token ids",
           fmt::join(input.attention_mask.sizes(), ", "), fmt::join(input.ids.sizes(), ", "));
    }
  }
  const auto [low, high] = at::aminmax(input.ids);
  if (low.item<int64_t>() < 0 || high.item<int64_t>() >= config_.vocab) {
    Fail(ErrorKind::kBadInput,
         "token ids range from {} to {}; the model's vocabulary has {} (0 to {})",
         low.item<int64_t>(), high.item<int64_t>(), config_.vocab, config_.vocab - 1);
  }
  ForwardPass(config_, weights_, rotary_cos_, rotary_sin_, input, hooks, function).Run();
}

at::Tensor Transformer::ApplyHead(const at::Tensor& hidden) const {
  const ForwardInput input{.ids = at::empty({1, 1}, at::kLong)};
  at::Tensor out;
  const HookFunction keep = [&](const HookPoint&, at::Tensor& value) { out = value; };
  ForwardPass(config_, weights_, rotary_cos_, rotary_sin_, input, {ParseHook("logits", config_)},
              keep)
      .RunHead(hidden);
  return out;
}

at::Tensor Transformer::Read(const ForwardInput& input, const HookPoint& hook) const {
  at::Tensor out;
  Forward(input, {hook}, [&](const HookPoint&, at::Tensor& value) { out = value; });
  return out;
}

}  // namespace assay::model
