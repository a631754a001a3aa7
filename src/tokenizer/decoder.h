// Turns tokens back into text (Hugging Face's decoder). Implementations are immutable; Decode is
// thread-safe.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tokenizer/json_node.h"
#include "tokenizer/token_text.h"

namespace assay::tokenizer {

class Decoder {
 public:
  virtual ~Decoder() = default;
  // Changes the pieces in place; the text is their concatenation after the last step. A step may
  // leave fewer pieces.
  virtual void Decode(std::vector<std::string>& pieces) const = 0;
  // Notes in `style` what the step says about the way tokens are written.
  virtual void Describe(TokenStyle&) const {}
};

// Reads a component {"type": ...}. Throws kBadInput for malformed members, kUnsupported naming an
// unknown type.
std::unique_ptr<Decoder> ReadDecoder(const JsonNode& node);

std::unique_ptr<Decoder> MakeByteLevelDecoder();
std::unique_ptr<Decoder> MakeWordPieceDecoder(std::string prefix, bool cleanup);

}  // namespace assay::tokenizer
