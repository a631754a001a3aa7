// WordPiece (Schuster and Nakajima 2012, as BERT uses it): the longest token that begins the word,
// then the longest that continues it, and so on; a word that cannot be covered is one unknown
// token. And WordLevel: a word is a token. Immutable, Tokenize is thread-safe and takes O(n *
// length of the longest token).
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/byte_trie.h"
#include "tokenizer/subword_model.h"

namespace assay::tokenizer {

struct WordPieceOptions {
  std::string unk_token = "[UNK]";
  std::string continuing_subword_prefix = "##";
  int64_t max_input_chars_per_word = 100;  // longer words are unknown
};

class WordPieceModel : public SubwordModel {
 public:
  // `where` begins the messages.
  WordPieceModel(Vocabulary vocabulary, WordPieceOptions options, std::string_view where);

  // Throws kBadInput when the word is unknown and the vocabulary has no unknown token.
  void Tokenize(std::string_view word, std::vector<ModelToken>& out) const override;
  const Vocabulary& vocabulary() const override { return vocabulary_; }

 private:
  Vocabulary vocabulary_;
  WordPieceOptions options_;
  std::string where_;
  ByteTrie trie_;
  std::optional<ByteTrie::Node>
      continuing_;  // where the tokens with the prefix begin; nothing: there are none
};

class WordLevelModel : public SubwordModel {
 public:
  WordLevelModel(Vocabulary vocabulary, std::string unk_token, std::string_view where);
  // Throws as WordPieceModel.
  void Tokenize(std::string_view word, std::vector<ModelToken>& out) const override;
  const Vocabulary& vocabulary() const override { return vocabulary_; }

 private:
  Vocabulary vocabulary_;
  std::string unk_token_;
  std::string where_;
};

std::unique_ptr<SubwordModel> ReadWordPiece(const JsonNode& node);
std::unique_ptr<SubwordModel> ReadWordLevel(const JsonNode& node);

}  // namespace assay::tokenizer
