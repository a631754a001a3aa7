#include "tokenizer/added_tokens.h"

#include <algorithm>

#include "base/error.h"
#include "tokenizer/unicode.h"
#include "tokenizer/utf8.h"

namespace assay::tokenizer {

using base::ErrorKind;
using base::Fail;

namespace {

bool WordCharacterBefore(std::string_view text, size_t position) {
  return position > 0 && IsWordCharacter(CodePointAt(text, PreviousCodePoint(text, position)));
}

bool WordCharacterAt(std::string_view text, size_t position) {
  return position < text.size() && IsWordCharacter(CodePointAt(text, position));
}

// `low` bounds the search: what an earlier token took stays taken.
size_t SkipSpaceBackwards(std::string_view text, size_t position, size_t low) {
  while (position > low) {
    const size_t previous = PreviousCodePoint(text, position);
    if (!IsWhitespace(CodePointAt(text, previous))) break;
    position = previous;
  }
  return position;
}

size_t SkipSpace(std::string_view text, size_t position) {
  while (position < text.size() && IsWhitespace(CodePointAt(text, position))) {
    position += CodePointLength(text[position]);
  }
  return position;
}

}  // namespace

AddedToken ReadAddedToken(const JsonNode& node, std::optional<TokenId> id) {
  AddedToken token;
  token.content = node.Member("content").String();
  if (token.content.empty()) node.Member("content").Bad("a token that is not empty");
  token.id = id ? *id : static_cast<TokenId>(node.Member("id").Integer(0, kMaxTokenId));
  token.special = node.BoolOr("special", false);
  token.single_word = node.BoolOr("single_word", false);
  token.lstrip = node.BoolOr("lstrip", false);
  token.rstrip = node.BoolOr("rstrip", false);
  token.normalized = node.BoolOr("normalized", !token.special);
  return token;
}

void AddedTokens::Finder::Insert(std::string_view content, int32_t index) {
  trie.Insert(content, index);
  first_bytes[static_cast<unsigned char>(content[0])] = true;
  empty = false;
}

void AddedTokens::Add(const AddedToken& token, const Vocabulary& model, std::string_view where) {
  if (vocabulary_.Find(token.content) == token.id) return;
  const auto model_id = model.Find(token.content);
  if (model_id && *model_id != token.id) {
    Fail(ErrorKind::kBadInput, "{}: the added token '{}' has id {}; the vocabulary gives it id {}",
         where, token.content, token.id, *model_id);
  }
  const std::string* holder = model.Token(token.id);
  if (holder != nullptr && *holder != token.content) {
    Fail(ErrorKind::kBadInput,
         "{}: the added token '{}' has id {}, which is '{}' in the vocabulary", where,
         token.content, token.id, *holder);
  }
  vocabulary_.Add(token.content, token.id, where);
  const auto index = static_cast<int32_t>(tokens_.size());
  index_of_[static_cast<uint64_t>(token.id)] = index;
  tokens_.push_back(token);
  if (!token.normalized) in_text_.Insert(token.content, index);
}

void AddedTokens::SetNormalizedForm(TokenId id, std::string_view form) {
  if (!form.empty()) in_normalized_.Insert(form, *index_of_.Find(static_cast<uint64_t>(id)));
}

std::vector<TextPart> AddedTokens::CutText(std::string_view text, bool normalized) const {
  const Finder& finder = normalized ? in_normalized_ : in_text_;
  std::vector<TextPart> parts;
  size_t done = 0;
  const auto add_part = [&](size_t begin, size_t end, std::optional<TokenId> id) {
    if (begin < end) {
      parts.push_back({{static_cast<uint32_t>(begin), static_cast<uint32_t>(end)}, id});
    }
  };
  for (size_t i = 0; i < text.size() && !finder.empty;) {
    const auto match = finder.first_bytes[static_cast<unsigned char>(text[i])]
                           ? finder.trie.Longest(text, i)
                           : std::nullopt;
    if (!match) {
      ++i;
      continue;
    }
    const AddedToken& token = tokens_[static_cast<size_t>(match->value)];
    size_t begin = i;
    size_t end = i + match->length;
    i = end;
    if (token.single_word && (WordCharacterBefore(text, begin) || WordCharacterAt(text, end))) {
      continue;
    }
    if (token.lstrip) begin = SkipSpaceBackwards(text, begin, done);
    if (token.rstrip) i = end = SkipSpace(text, end);
    add_part(done, begin, std::nullopt);
    add_part(begin, end, token.id);
    done = end;
  }
  add_part(done, text.size(), std::nullopt);
  return parts;
}

bool AddedTokens::IsSpecial(TokenId id) const {
  const int32_t* index = index_of_.Find(static_cast<uint64_t>(id));
  return index != nullptr && tokens_[static_cast<size_t>(*index)].special;
}

}  // namespace assay::tokenizer
