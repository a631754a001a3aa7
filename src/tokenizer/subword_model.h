// Turns one word into the tokens of a vocabulary (Hugging Face's model). Implementations are
// immutable; Tokenize is thread-safe.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "tokenizer/json_node.h"
#include "tokenizer/pattern.h"
#include "tokenizer/vocabulary.h"

namespace assay::tokenizer {

struct ModelToken {
  TokenId id = 0;
  Range range;  // bytes of the word
  bool operator==(const ModelToken&) const = default;
};

class SubwordModel {
 public:
  virtual ~SubwordModel() = default;
  // Appends the tokens of `word` (UTF-8, not empty) to `out`.
  virtual void Tokenize(std::string_view word, std::vector<ModelToken>& out) const = 0;
  // The same for a word of any bytes, each of which is meant as its alias (byte_level.h); the
  // ranges are bytes.
  virtual void TokenizeAliases(std::string_view bytes, std::vector<ModelToken>& out) const;
  virtual const Vocabulary& vocabulary() const = 0;
};

}  // namespace assay::tokenizer
