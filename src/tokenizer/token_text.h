// How a tokenizer writes spaces, word parts and bytes inside its tokens, and how to show a token to
// people. Pure functions, thread-safe.
#pragma once

#include <string>
#include <string_view>

namespace assay::tokenizer {

struct TokenStyle {
  bool byte_level = false;         // characters are aliases of bytes (byte_level.h)
  bool byte_fallback = false;      // "<0xE2>" is a byte
  std::string word_start;          // written for a space before a word, such as U+2581; empty: none
  std::string continuing_prefix;   // such as "##"; empty: none
  std::string end_of_word_suffix;  // such as "</w>"; empty: none
};

// The text that the token stands for, a word start as a space, bytes that are no UTF-8 as "<0xE2>".
// Never empty.
std::string ShowToken(std::string_view token, const TokenStyle& style);

// Whether the token continues a word. Tokenizers that mark neither starts nor continuations: false.
bool ContinuesWord(std::string_view token, const TokenStyle& style);

// The byte of "<0xE2>", or -1 for any other token.
int ByteOfToken(std::string_view token);

}  // namespace assay::tokenizer
