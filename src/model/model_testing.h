// For tests: tiny random networks of every architecture built in code.
#pragma once

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/base_testing.h"
#include "model/safetensors.h"
#include "model/transformer.h"

namespace assay::model {

using base::ErrorOf;
using base::TemporaryFolder;

// The architectures of the tests: a model_type, or a model_type with a variant after a slash.
inline std::vector<std::string> CausalArchitectures() {
  return {"gpt2",  "gpt2/solu_ln", "gpt_neo", "gpt_neox", "gpt_neox/sequential",
          "llama", "mistral",      "qwen2"};
}
inline std::vector<std::string> AllArchitecturesForTests() {
  std::vector<std::string> all = CausalArchitectures();
  all.insert(all.end(), {"bert", "distilbert"});
  return all;
}
// For INSTANTIATE_TEST_SUITE_P: test names hold letters, digits and underscores only.
inline std::string ArchitectureTestName(const testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  for (char& c : name) c = c == '/' ? '_' : c;
  return name;
}

inline constexpr int kTinyWindow = 4;

// config.json of a model of 3 layers, 16 wide, 4 heads (2 for keys and values where that is
// possible), 29 tokens.
inline nlohmann::json TinyConfigJson(const std::string& architecture) {
  const std::string type = architecture.substr(0, architecture.find('/'));
  nlohmann::json json = {{"model_type", type}, {"vocab_size", 29}};
  if (type == "gpt2") {
    json.update({{"n_layer", 3}, {"n_embd", 16}, {"n_head", 4}, {"n_positions", 24}});
    if (architecture == "gpt2/solu_ln") json["activation_function"] = "solu_ln";
  } else if (type == "gpt_neo") {
    json.update({{"num_layers", 3},
                 {"hidden_size", 16},
                 {"num_heads", 4},
                 {"max_position_embeddings", 24},
                 {"window_size", kTinyWindow},
                 {"attention_layers", {"global", "local", "global"}}});
  } else if (type == "distilbert") {
    json.update({{"n_layers", 3},
                 {"dim", 16},
                 {"n_heads", 4},
                 {"hidden_dim", 40},
                 {"max_position_embeddings", 24}});
  } else {
    json.update({{"num_hidden_layers", 3},
                 {"hidden_size", 16},
                 {"num_attention_heads", 4},
                 {"intermediate_size", 40},
                 {"max_position_embeddings", 24}});
  }
  if (type == "llama" || type == "mistral" || type == "qwen2") json["num_key_value_heads"] = 2;
  if (type == "mistral") json["sliding_window"] = kTinyWindow;
  if (type == "gpt_neox") json["rotary_pct"] = 0.5;
  if (architecture == "gpt_neox/sequential") json["use_parallel_residual"] = false;
  return json;
}

inline TransformerConfig TinyConfig(const std::string& architecture) {
  return ParseTransformerConfig(TinyConfigJson(architecture), "config.json");
}

// Weights of about the size that keeps activations near 1, so that errors are not drowned.
inline TransformerWeights RandomWeights(const TransformerConfig& config, uint64_t seed) {
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  const auto normal = [&](std::vector<int64_t> shape, double scale) {
    return at::randn(shape, generator, at::kFloat) * scale;
  };
  const auto norm = [&](int64_t width) {
    Norm out{.gain = 1 + normal({width}, 0.1), .bias = {}};
    if (config.norm == NormKind::kLayerNorm) out.bias = normal({width}, 0.1);
    return out;
  };
  const auto linear = [&](int64_t rows, int64_t columns, bool bias) {
    Linear out{.weight = normal({rows, columns}, 1.2 / std::sqrt(static_cast<double>(columns))),
               .bias = {}};
    if (bias) out.bias = normal({rows}, 0.2);
    return out;
  };
  const int64_t d = config.d_model, mlp = config.d_mlp;
  const int64_t attended = static_cast<int64_t>(config.heads) * config.d_head;
  const int64_t grouped = static_cast<int64_t>(config.kv_heads) * config.d_head;
  TransformerWeights out;
  out.token_embedding = normal({config.vocab, d}, 1);
  if (config.learned_positions) out.position_embedding = normal({config.max_positions, d}, 0.5);
  if (config.token_types > 0) out.token_type_embedding = normal({config.token_types, d}, 0.5);
  if (config.embedding_norm) out.embedding_norm = norm(d);
  for (int layer = 0; layer < config.layers; ++layer) {
    BlockWeights block;
    block.ln1 = norm(d);
    block.ln2 = norm(d);
    block.qkv = linear(attended + 2 * grouped, d, config.attention_bias);
    block.attn_out = linear(d, attended, config.attention_output_bias);
    block.mlp_in = linear(mlp, d, config.mlp_bias);
    if (config.gated_mlp) block.mlp_gate = linear(mlp, d, config.mlp_bias);
    if (config.mlp_norm) block.mlp_norm = norm(mlp);
    block.mlp_out = linear(d, mlp, config.mlp_bias);
    out.blocks.push_back(std::move(block));
  }
  if (config.final_norm) out.final_norm = norm(d);
  if (config.masked_lm) {
    out.head_transform = linear(d, d, true);
    out.head_norm = norm(d);
  }
  out.unembed.weight =
      config.tied_unembedding ? out.token_embedding : linear(config.vocab, d, false).weight;
  if (config.masked_lm) out.unembed.bias = normal({config.vocab}, 0.2);
  return out;
}

inline Transformer TinyTransformer(const std::string& architecture, uint64_t seed = 1) {
  TransformerConfig config = TinyConfig(architecture);
  TransformerWeights weights = RandomWeights(config, seed);
  return Transformer(std::move(config), std::move(weights));
}

// [batch, tokens] int64 in [0, vocab)
inline at::Tensor RandomIds(int64_t batch, int64_t tokens, int64_t vocab, uint64_t seed = 1) {
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  return at::randint(vocab, {batch, tokens}, generator, at::kLong);
}

inline double LargestDifference(const at::Tensor& a, const at::Tensor& b) {
  EXPECT_EQ(a.sizes(), b.sizes());
  if (a.sizes() != b.sizes()) return 1e30;
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

}  // namespace assay::model
