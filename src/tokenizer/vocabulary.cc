#include "tokenizer/vocabulary.h"

#include <algorithm>

#include "base/error.h"

namespace assay::tokenizer {

using base::ErrorKind;
using base::Fail;

void Vocabulary::Add(std::string_view token, TokenId id, std::string_view where) {
  const auto [entry, added] = ids_.try_emplace(std::string(token), id);
  if (!added) {
    if (entry->second == id) return;
    Fail(ErrorKind::kBadInput, "{}: the token '{}' has id {} and id {}; expected one id", where,
         token, entry->second, id);
  }
  const auto [by_id, id_is_new] = tokens_.try_emplace(id, &entry->first);
  if (!id_is_new) {
    Fail(ErrorKind::kBadInput, "{}: id {} is used by '{}' and by '{}'; expected different ids",
         where, id, *by_id->second, token);
  }
  size_ = std::max(size_, id + 1);
}

std::optional<TokenId> Vocabulary::Find(std::string_view token) const {
  const auto found = ids_.find(token);
  if (found == ids_.end()) return std::nullopt;
  return found->second;
}

const std::string* Vocabulary::Token(TokenId id) const {
  const auto found = tokens_.find(id);
  return found == tokens_.end() ? nullptr : found->second;
}

Vocabulary ReadVocabulary(const JsonNode& node) {
  if (!node.value().is_object()) node.Bad("an object of tokens and ids");
  Vocabulary vocabulary;
  for (const auto& [token, id] : node.value().items()) {
    const bool is_id = id.is_number_integer() &&
                       (id.is_number_unsigned() ? id.get<uint64_t>() <= uint64_t{kMaxTokenId}
                                                : id.get<int64_t>() >= 0);
    if (!is_id || id.get<int64_t>() > kMaxTokenId) {
      Fail(ErrorKind::kBadInput, "{}: the id of '{}' is {}; expected a whole number from 0 to {}",
           node.where(), token, Describe(id), kMaxTokenId);
    }
    vocabulary.Add(token, id.get<TokenId>(), node.where());
  }
  return vocabulary;
}

}  // namespace assay::tokenizer
