// What a transformer is, as data: read from a Hugging Face config.json. One forward pass
// (transformer.h) serves every architecture here; what differs between them is in this struct and
// in the tensor names (architecture.h).
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace assay::model {

enum class NormKind { kLayerNorm, kRmsNorm };

enum class Activation {
  kGelu,      // x * Phi(x), exact ("gelu")
  kGeluTanh,  // tanh approximation ("gelu_new", "gelu_fast", "gelu_pytorch_tanh")
  kRelu,
  kSilu,
  kSolu,  // x * softmax(x) over the neurons of the layer (Elhage et al. 2022)
};

struct Rotary {
  int dims = 0;  // leading dimensions of each head that rotate, as two halves
  double theta = 10000;
  // Position scaling: every frequency divided by `factor` ("linear"), or only the low ones
  // ("llama3").
  std::string scaling = "none";
  double factor = 1, low_freq_factor = 1, high_freq_factor = 4;
  int original_positions = 0;
};

struct TransformerConfig {
  std::string model_type;  // as in config.json
  int layers = 0, d_model = 0, heads = 0, kv_heads = 0, d_head = 0, d_mlp = 0, vocab = 0;
  int max_positions = 0;

  NormKind norm = NormKind::kLayerNorm;
  double norm_eps = 1e-5;
  Activation activation = Activation::kGelu;
  bool gated_mlp = false;          // act(gate) * up
  bool mlp_norm = false;           // layer norm between the activation and the output matrix (SoLU)
  bool parallel_residual = false;  // attention and MLP both read the block's input
  bool post_norm = false;          // norms after the residual sums (encoders), not before
  bool causal = true;
  bool learned_positions = false;
  bool embedding_norm = false;
  int token_types = 0;
  std::optional<Rotary> rotary;
  std::vector<int>
      window;  // per layer: how many tokens back attention sees, itself included; 0 = all
  std::vector<double> attention_scale;  // per layer: factor on the scores
  bool final_norm = true;
  bool masked_lm = false;  // has a masked-LM head (transform, norm, decoder)
  bool tied_unembedding = false;
  bool attention_bias = true;  // q, k, v
  bool attention_output_bias = true;
  bool mlp_bias = true;
  std::optional<int> bos_id, eos_id, pad_id;
};

// Reads `folder`/config.json. Throws kNotFound, kBadInput naming file, key, value and what was
// expected, and kUnsupported for a model_type or a feature that Assay does not have: nothing is
// guessed.
TransformerConfig ReadTransformerConfig(const std::filesystem::path& folder);
TransformerConfig ParseTransformerConfig(const nlohmann::json& config, const std::string& file);

std::string ActivationName(Activation activation);

}  // namespace assay::model
