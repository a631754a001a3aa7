// Likely words in place of another, from a masked language model: what the augmenter varies a
// prompt with.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "model/transformer.h"
#include "tokenizer/tokenizer.h"

namespace assay::neurons {

// A word within a text: left + word + right is the text.
struct WordInText {
  std::string left, word, right;
};

struct Substitute {
  std::string word;
  bool glued = false;  // continues the word before it: replaces the space too ("walk" + "ing")
  double probability = 0;
};

struct SubstituteOptions {
  int count = 5;
  double min_probability = 1e-5;
};

class SubstituteSource {
 public:
  virtual ~SubstituteSource() = default;
  // One list a word, most probable first. Candidates contain a letter, differ from the word (case
  // apart), and are written with a capital where the word is.
  virtual std::vector<std::vector<Substitute>> Propose(std::span<const WordInText> words,
                                                       const SubstituteOptions& options) = 0;
};

// A masked language model and its tokenizer, both borrowed. Not thread-safe.
class MaskedLmSubstitutes : public SubstituteSource {
 public:
  // Throws kUnsupported when the model has no masked-LM head or the tokenizer no mask token.
  MaskedLmSubstitutes(const model::Transformer& model, const tokenizer::Tokenizer& tokenizer);
  std::vector<std::vector<Substitute>> Propose(std::span<const WordInText> words,
                                               const SubstituteOptions& options) override;

 private:
  struct MaskedText {
    std::vector<tokenizer::TokenId> ids;
    int64_t mask = 0;  // position of the mask token
  };
  MaskedText Mask(const WordInText& word) const;
  std::vector<Substitute> Choose(const float* probabilities, const WordInText& word,
                                 const SubstituteOptions& options) const;

  const model::Transformer& model_;
  const tokenizer::Tokenizer& tokenizer_;
  std::vector<Substitute>
      candidates_;  // by token id: the word it stands for, empty when it is no word
};

}  // namespace assay::neurons
