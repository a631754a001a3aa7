#include "tokenizer/token_text.h"

#include "tokenizer/byte_level.h"
#include "tokenizer/unicode.h"
#include "tokenizer/utf8.h"

namespace assay::tokenizer {
namespace {

std::string ReplaceAll(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  size_t done = 0;
  for (size_t at = text.find(from); !from.empty() && at != std::string_view::npos;
       at = text.find(from, done)) {
    out.append(text, done, at - done).append(to);
    done = at + from.size();
  }
  return out.append(text, done);
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

int ByteOfToken(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return -1;
  const int high = HexDigit(token[3]);
  const int low = HexDigit(token[4]);
  return high < 0 || low < 0 ? -1 : 16 * high + low;
}

std::string ShowToken(std::string_view token, const TokenStyle& style) {
  std::string text(token);
  if (!style.continuing_prefix.empty()) {
    // Words are written apart, so a token that does not continue one has a space before it.
    text = token.starts_with(style.continuing_prefix) && token != style.continuing_prefix
               ? text.substr(style.continuing_prefix.size())
               : " " + text;
  }
  if (style.byte_level) {
    if (const auto bytes = AliasesToBytes(text)) text = ShowInvalidUtf8(*bytes);
  } else if (const int byte = style.byte_fallback ? ByteOfToken(token) : -1; byte >= 0) {
    text = ShowInvalidUtf8(std::string(1, static_cast<char>(byte)));
  }
  text = ReplaceAll(text, style.word_start, " ");
  text = ReplaceAll(text, style.end_of_word_suffix, " ");
  return text.empty() ? "<empty>" : text;
}

bool ContinuesWord(std::string_view token, const TokenStyle& style) {
  if (!style.continuing_prefix.empty()) return token.starts_with(style.continuing_prefix);
  if (!style.byte_level && style.word_start.empty()) return false;
  return !IsWhitespace(CodePointAt(ShowToken(token, style), 0));
}

}  // namespace assay::tokenizer
