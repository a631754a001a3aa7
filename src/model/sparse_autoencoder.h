// Sparse autoencoders (SAEs) in the layout of SAELens: a folder with cfg.json and
// sae_weights.safetensors. x: [..., d_in] -> features f: [..., d_sae] -> reconstruction [...,
// d_in]. In general
//   h = normalize(x) - b_dec            (b_dec only with apply_b_dec_to_input)
//   pre = h W_enc + b_enc
//   f = activation(pre)
//   reconstruction = denormalize(f W_dec + b_dec)
// with the variants of SaeConfig. Const members are safe to call from several threads; everything
// is differentiable.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace assay::model {

enum class SaeArchitecture {
  kStandard,  // f = relu(pre)
  kGated,     // gate = h W_enc + b_gate > 0; f = gate * relu(h (W_enc exp(r_mag)) + b_mag)
  kJumpRelu,  // f = relu(pre) where pre > threshold, else 0
  kTopK,      // f = relu of the k largest of pre, else 0
};
enum class SaeNormalization {
  kNone,
  kConstantNorm,  // x sqrt(d_in) / |x|; the reconstruction is scaled back
  kLayerNorm,     // (x - mean) / (unbiased std + 1e-5); scaled back by std and mean
};

struct SaeConfig {
  SaeArchitecture architecture = SaeArchitecture::kStandard;
  int64_t d_in = 0, d_sae = 0;
  bool apply_b_dec_to_input = true;
  SaeNormalization normalization = SaeNormalization::kNone;
  bool tanh_relu = false;  // standard: f = tanh(relu(pre))
  int64_t k = 0;           // kTopK
  bool rescale_by_decoder_norm =
      false;                   // kTopK: pre times |W_dec row| before, divided for decoding
  bool flatten_heads = false;  // the hook gives [..., heads, d_head]; the SAE reads them as one
  std::optional<std::string> hook_name;
  std::string model_name;
};

struct SaeWeights {
  at::Tensor w_enc;                 // [d_in, d_sae]
  at::Tensor b_enc;                 // [d_sae]; gated: undefined
  at::Tensor w_dec;                 // [d_sae, d_in]
  at::Tensor b_dec;                 // [d_in]
  at::Tensor threshold;             // [d_sae], kJumpRelu
  at::Tensor b_gate, r_mag, b_mag;  // [d_sae], kGated
  at::Tensor finetuning_scale;      // [d_sae] factor on f before decoding, or undefined
};

struct SaeResult {
  at::Tensor hidden_pre;      // [..., d_sae] before the activation and rescaling; gated: the gate's
  at::Tensor feature_acts;    // [..., d_sae]
  at::Tensor reconstruction;  // [..., d_in], the shape of the input
};

class SparseAutoencoder {
 public:
  // Throws kInternal when shapes do not fit the configuration.
  SparseAutoencoder(SaeConfig config, SaeWeights weights);

  // Reads a SAELens folder, of version 6 or older ones (flat metadata, hook_point for hook_name,
  // activation_fn_str for activation_fn, a boolean normalize_activations). Weights become float32.
  // Throws kNotFound, kBadInput naming file, key or tensor, what was found and what was expected,
  // and kUnsupported for architectures, activations and normalisations that are not above.
  // "expected_average_only_in" reads as none, as SAELens does: it is folded into the weights.
  static SparseAutoencoder Load(const std::filesystem::path& folder);
  // Writes the two files; SAELens 6 reads them.
  void Save(const std::filesystem::path& folder, const nlohmann::json& metadata = {}) const;

  const SaeConfig& config() const { return config_; }
  const SaeWeights& weights() const { return weights_; }
  void To(const std::string& device, at::ScalarType dtype);

  // x: [..., d_in], or [..., heads, d_head] with flatten_heads. Throws kBadInput for other shapes.
  SaeResult Apply(const at::Tensor& x) const;
  at::Tensor Encode(const at::Tensor& x) const;  // feature_acts

  // What W_enc multiplies: x normalised, minus b_dec where that applies. [..., d_in]
  at::Tensor EncoderInput(const at::Tensor& x) const;
  // Normalised only: un-centred. [..., d_in]
  at::Tensor NormalizedInput(const at::Tensor& x) const;

 private:
  struct Scaling {
    at::Tensor factor, offset;  // normalised = (x - offset) / factor; undefined: not
  };
  at::Tensor Flatten(const at::Tensor& x) const;
  Scaling ScalingOf(const at::Tensor& flat) const;
  at::Tensor Activate(const at::Tensor& hidden_pre, const at::Tensor& h) const;
  at::Tensor HiddenPre(const at::Tensor& h) const;

  SaeConfig config_;
  SaeWeights weights_;
  at::Tensor decoder_norms_;  // [d_sae], only with rescale_by_decoder_norm
};

// The configuration in cfg.json; throws as Load. `file` names it in errors.
SaeConfig ParseSaeConfig(const nlohmann::json& config, const std::string& file);

}  // namespace assay::model
