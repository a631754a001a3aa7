// Changes a text before it is cut into words: case, accents, normalisation forms, replacements
// (Hugging Face's normalizer). Implementations are immutable; Apply is thread-safe.
#pragma once

#include <memory>

#include "tokenizer/aligned_text.h"
#include "tokenizer/json_node.h"

namespace assay::tokenizer {

class Normalizer {
 public:
  virtual ~Normalizer() = default;
  virtual AlignedText Apply(AlignedText text) const = 0;
};

// Reads a component {"type": ...}. Throws kBadInput for malformed members, kUnsupported naming an
// unknown type.
std::unique_ptr<Normalizer> ReadNormalizer(const JsonNode& node);

struct BertNormalizerOptions {
  bool clean_text = true;            // drop control characters, white space becomes ' '
  bool handle_chinese_chars = true;  // a space on both sides of every CJK ideograph
  bool strip_accents = true;
  bool lowercase = true;
};
std::unique_ptr<Normalizer> MakeBertNormalizer(const BertNormalizerOptions& options);

}  // namespace assay::tokenizer
