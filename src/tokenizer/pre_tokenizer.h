// Cuts a normalised text into the words that the subword model sees one by one (Hugging Face's
// pre_tokenizer). Implementations are immutable; Split is thread-safe.
#pragma once

#include <memory>
#include <vector>

#include "tokenizer/aligned_text.h"
#include "tokenizer/json_node.h"
#include "tokenizer/pattern.h"

namespace assay::tokenizer {

struct Words {
  AlignedText text;
  std::vector<Range>
      ranges;  // in text, in order, none empty; they may cut characters when as_aliases is set
  // The bytes of the text are meant as their aliases (byte_level.h): ByteLevel leaves writing them
  // out to those who need them, which the models do not.
  bool as_aliases = false;
};

class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  // Cuts each word into smaller ones and may rewrite the text.
  virtual void Split(Words& words) const = 0;
};

// Reads a component {"type": ...}. Throws kBadInput for malformed members, kUnsupported naming an
// unknown type.
std::unique_ptr<PreTokenizer> ReadPreTokenizer(const JsonNode& node);

struct ByteLevelOptions {
  bool add_prefix_space = true;
  bool use_regex = true;  // cut with GPT-2's pattern first
};
// Sets Words::as_aliases.
std::unique_ptr<PreTokenizer> MakeByteLevel(const ByteLevelOptions& options);

// BERT's basic tokenisation: cut at white space, punctuation marks are words of their own.
std::unique_ptr<PreTokenizer> MakeBertPreTokenizer();

}  // namespace assay::tokenizer
