#include "model/architecture.h"

#include "base/error.h"

namespace assay::model {
namespace {

Architecture LlamaLike(const std::string& model_type) {
  return {.model_type = model_type,
          .prefix = "model.",
          .token_embedding = "embed_tokens",
          .block = "layers.{}.",
          .ln1 = "input_layernorm",
          .q = "self_attn.q_proj",
          .k = "self_attn.k_proj",
          .v = "self_attn.v_proj",
          .attn_out = "self_attn.o_proj",
          .ln2 = "post_attention_layernorm",
          .mlp_in = "mlp.up_proj",
          .mlp_gate = "mlp.gate_proj",
          .mlp_out = "mlp.down_proj",
          .final_norm = "norm",
          .unembed = "lm_head",
          .ignored = {"rotary_emb.inv_freq"}};
}

std::vector<Architecture> AllArchitectures() {
  std::vector<Architecture> all;
  all.push_back({.model_type = "gpt2",
                 .prefix = "transformer.",
                 .conv1d = true,
                 .qkv_layout = QkvLayout::kConcatenated,
                 .token_embedding = "wte",
                 .position_embedding = "wpe",
                 .block = "h.{}.",
                 .ln1 = "ln_1",
                 .q = "attn.c_attn",
                 .attn_out = "attn.c_proj",
                 .ln2 = "ln_2",
                 .mlp_in = "mlp.c_fc",
                 .mlp_norm = "mlp.ln",
                 .mlp_out = "mlp.c_proj",
                 .final_norm = "ln_f",
                 .unembed = "lm_head",
                 .ignored = {"attn.bias", "attn.masked_bias"}});
  all.push_back({.model_type = "gpt_neo",
                 .prefix = "transformer.",
                 .token_embedding = "wte",
                 .position_embedding = "wpe",
                 .block = "h.{}.",
                 .ln1 = "ln_1",
                 .q = "attn.attention.q_proj",
                 .k = "attn.attention.k_proj",
                 .v = "attn.attention.v_proj",
                 .attn_out = "attn.attention.out_proj",
                 .ln2 = "ln_2",
                 .mlp_in = "mlp.c_fc",
                 .mlp_out = "mlp.c_proj",
                 .final_norm = "ln_f",
                 .unembed = "lm_head",
                 .ignored = {"attn.attention.bias", "attn.attention.masked_bias"}});
  all.push_back({.model_type = "gpt_neox",
                 .prefix = "gpt_neox.",
                 .qkv_layout = QkvLayout::kPerHead,
                 .token_embedding = "embed_in",
                 .block = "layers.{}.",
                 .ln1 = "input_layernorm",
                 .q = "attention.query_key_value",
                 .attn_out = "attention.dense",
                 .ln2 = "post_attention_layernorm",
                 .mlp_in = "mlp.dense_h_to_4h",
                 .mlp_out = "mlp.dense_4h_to_h",
                 .final_norm = "final_layer_norm",
                 .unembed = "embed_out",
                 .ignored = {"attention.bias", "attention.masked_bias", "rotary_emb.inv_freq"}});
  for (const char* type : {"llama", "mistral", "qwen2"}) all.push_back(LlamaLike(type));
  all.push_back({.model_type = "bert",
                 .prefix = "bert.",
                 .token_embedding = "embeddings.word_embeddings",
                 .position_embedding = "embeddings.position_embeddings",
                 .token_type_embedding = "embeddings.token_type_embeddings",
                 .embedding_norm = "embeddings.LayerNorm",
                 .block = "encoder.layer.{}.",
                 .ln1 = "attention.output.LayerNorm",
                 .q = "attention.self.query",
                 .k = "attention.self.key",
                 .v = "attention.self.value",
                 .attn_out = "attention.output.dense",
                 .ln2 = "output.LayerNorm",
                 .mlp_in = "intermediate.dense",
                 .mlp_out = "output.dense",
                 .unembed = "cls.predictions.decoder",
                 .head_transform = "cls.predictions.transform.dense",
                 .head_norm = "cls.predictions.transform.LayerNorm",
                 .head_bias = "cls.predictions.bias",
                 .ignored = {"embeddings.position_ids"}});
  all.push_back({.model_type = "distilbert",
                 .prefix = "distilbert.",
                 .token_embedding = "embeddings.word_embeddings",
                 .position_embedding = "embeddings.position_embeddings",
                 .embedding_norm = "embeddings.LayerNorm",
                 .block = "transformer.layer.{}.",
                 .ln1 = "sa_layer_norm",
                 .q = "attention.q_lin",
                 .k = "attention.k_lin",
                 .v = "attention.v_lin",
                 .attn_out = "attention.out_lin",
                 .ln2 = "output_layer_norm",
                 .mlp_in = "ffn.lin1",
                 .mlp_out = "ffn.lin2",
                 .unembed = "vocab_projector",
                 .head_transform = "vocab_transform",
                 .head_norm = "vocab_layer_norm",
                 .head_bias = "vocab_projector.bias",
                 .ignored = {"embeddings.position_ids"}});
  return all;
}

}  // namespace

const Architecture& FindArchitecture(const std::string& model_type) {
  static const std::vector<Architecture> kAll = AllArchitectures();
  for (const Architecture& architecture : kAll) {
    if (architecture.model_type == model_type) return architecture;
  }
  base::Fail(base::ErrorKind::kUnsupported, "model_type '{}' is not supported", model_type);
}

}  // namespace assay::model
