// The tokens of a model and their ids. Ids may have holes; memory grows with the number of tokens,
// never with the value of an id. Build it, then read it: const functions are thread-safe.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "tokenizer/json_node.h"
#include "tokenizer/tokenizer.h"

namespace assay::tokenizer {

// Larger ids are refused: models allocate an embedding row for each id up to the highest.
inline constexpr TokenId kMaxTokenId = (1 << 24) - 1;

struct StringHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};

template <typename Value>
using StringMap = std::unordered_map<std::string, Value, StringHash, std::equal_to<>>;

class Vocabulary {
 public:
  // Requires 0 <= id <= kMaxTokenId. `where` begins the message: throws kBadInput when the token
  // has another id already or the id another token.
  void Add(std::string_view token, TokenId id, std::string_view where);

  std::optional<TokenId> Find(std::string_view token) const;
  // Null when no token has the id.
  const std::string* Token(TokenId id) const;

  size_t Count() const { return ids_.size(); }
  int Size() const { return size_; }  // highest id + 1
  const StringMap<TokenId>& ids() const { return ids_; }

 private:
  StringMap<TokenId> ids_;
  std::unordered_map<TokenId, const std::string*> tokens_;  // into the keys of ids_, which stay put
  int size_ = 0;
};

// Reads {"token": id, ...}. Throws kBadInput naming the token for ids of another type, out of range
// or used twice.
Vocabulary ReadVocabulary(const JsonNode& node);

}  // namespace assay::tokenizer
