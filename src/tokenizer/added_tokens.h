// Tokens that are found in the text as they are, before the subword model sees it: "<s>", "[MASK]",
// "<|endoftext|>". Build it, then read it: const functions are thread-safe.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/byte_trie.h"
#include "tokenizer/json_node.h"
#include "tokenizer/pattern.h"
#include "tokenizer/vocabulary.h"

namespace assay::tokenizer {

struct AddedToken {
  std::string content;
  TokenId id = 0;
  bool single_word = false;  // only where no word character is next to it
  bool lstrip = false;       // takes the white space before it along
  bool rstrip = false;       // takes the white space after it along
  bool normalized = false;   // looked for in the normalised text
  bool special = false;      // left out when decoding
};

// Reads {"content": ..., "lstrip": ..., ...}; without an `id` argument the member "id" is required.
AddedToken ReadAddedToken(const JsonNode& node, std::optional<TokenId> id = std::nullopt);

struct TextPart {
  Range range;                // of the searched text
  std::optional<TokenId> id;  // nothing for the text between added tokens
};

class AddedTokens {
 public:
  // A token that is there already keeps its first definition. `where` begins the messages: throws
  // kBadInput when the id or the content contradicts the model's vocabulary or an earlier added
  // token.
  void Add(const AddedToken& token, const Vocabulary& model, std::string_view where);

  // Tokens with `normalized` are looked for by this text instead of their content.
  void SetNormalizedForm(TokenId id, std::string_view form);

  // Cuts the text at the added tokens of one kind, leftmost and longest first. Requires UTF-8.
  std::vector<TextPart> CutText(std::string_view text, bool normalized) const;

  const std::vector<AddedToken>& tokens() const { return tokens_; }
  const Vocabulary& vocabulary() const { return vocabulary_; }
  bool IsSpecial(TokenId id) const;

 private:
  struct Finder {
    ByteTrie trie;  // content to index in tokens_
    std::array<bool, 256> first_bytes{};
    bool empty = true;
    void Insert(std::string_view content, int32_t index);
  };

  std::vector<AddedToken> tokens_;
  IntegerMap<int32_t> index_of_;  // id to index in tokens_
  Vocabulary vocabulary_;
  Finder in_text_;
  Finder in_normalized_;
};

}  // namespace assay::tokenizer
