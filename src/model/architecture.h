// How each supported architecture names and lays out its tensors: a table of names and switches,
// nothing else.
#pragma once

#include <string>
#include <vector>

namespace assay::model {

enum class QkvLayout {
  kSeparate,      // three matrices
  kConcatenated,  // one matrix: all queries, all keys, all values
  kPerHead,       // one matrix: query, key, value of head 0, then of head 1, ...
};

struct Architecture {
  std::string model_type;
  std::string prefix;   // of every name but those of the head; files of a bare model lack it
  bool conv1d = false;  // matrices of the blocks are stored [in, out]
  QkvLayout qkv_layout = QkvLayout::kSeparate;
  std::string token_embedding, position_embedding, token_type_embedding, embedding_norm;
  std::string block;  // "h.{}." with the layer for {}
  // Within a block, without ".weight" and ".bias". With kConcatenated and kPerHead only `q` is
  // used.
  std::string ln1, q, k, v, attn_out, ln2, mlp_in, mlp_gate, mlp_norm, mlp_out;
  std::string final_norm;
  std::string unembed;  // full names from here on
  std::string head_transform, head_norm, head_bias;
  std::vector<std::string> ignored;  // endings of buffers that older files hold
};

// Throws kUnsupported for an unknown model_type.
const Architecture& FindArchitecture(const std::string& model_type);

}  // namespace assay::model
