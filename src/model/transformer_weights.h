// The weights of a transformer in one canonical layout, whatever the names and layouts of its file.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "model/transformer_config.h"

namespace assay::model {

struct Linear {
  at::Tensor weight;  // [out, in]
  at::Tensor bias;    // [out], undefined when there is none
};

struct Norm {
  at::Tensor gain;  // [d]
  at::Tensor bias;  // [d], undefined for RMS norm
};

struct BlockWeights {
  Norm ln1, ln2;
  Linear qkv;  // [(heads + 2 * kv_heads) * d_head, d_model]: all queries, then keys, then values
  Linear attn_out;  // [d_model, heads * d_head]
  Linear mlp_in;    // [d_mlp, d_model]; in a gated MLP the up projection
  Linear mlp_gate;  // gated MLPs only
  Norm mlp_norm;    // SoLU only: [d_mlp]
  Linear mlp_out;   // [d_model, d_mlp]
};

struct TransformerWeights {
  at::Tensor token_embedding;       // [vocab, d_model]
  at::Tensor position_embedding;    // [max_positions, d_model], learned positions only
  at::Tensor token_type_embedding;  // [token_types, d_model]
  Norm embedding_norm;
  std::vector<BlockWeights> blocks;
  Norm final_norm;
  Linear head_transform;  // masked LM: [d_model, d_model], before the activation and head_norm
  Norm head_norm;
  Linear unembed;  // [vocab, d_model]; the token embedding itself when tied
};

// Reads `folder`/model.safetensors, or the shards that model.safetensors.index.json lists, as
// float32. Throws kNotFound or kBadInput naming file and tensor, what was found and what was
// expected: missing or mis-shaped tensors (a wrong vocabulary size included) and values that are
// not finite. `unused`, if given, receives the names of tensors in the file that the model does not
// need.
TransformerWeights LoadTransformerWeights(const std::filesystem::path& folder,
                                          const TransformerConfig& config,
                                          std::vector<std::string>* unused = nullptr);

// The same weights under the names and layouts of the architecture's file format: what
// LoadTransformerWeights reads. For gpt2 and distilbert, the two that Assay trains itself; others
// throw kUnsupported.
std::map<std::string, at::Tensor> ExportTransformerWeights(const TransformerWeights& weights,
                                                           const TransformerConfig& config);

// Every tensor of the weights once, with a stable name; undefined ones left out. For training and
// for moving devices.
std::vector<std::pair<std::string, at::Tensor*>> NamedTensors(TransformerWeights& weights);

}  // namespace assay::model
