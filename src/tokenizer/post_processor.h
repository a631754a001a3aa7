// The special tokens that encoding puts before and after a text (Hugging Face's post_processor,
// single sequences).
#pragma once

#include <vector>

#include "tokenizer/json_node.h"
#include "tokenizer/vocabulary.h"

namespace assay::tokenizer {

struct SpecialFrame {
  std::vector<TokenId> before, after;
};

// Reads a component {"type": ...}. Throws kBadInput for malformed members, kUnsupported naming an
// unknown type.
SpecialFrame ReadPostProcessor(const JsonNode& node);

}  // namespace assay::tokenizer
