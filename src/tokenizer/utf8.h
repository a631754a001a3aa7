// Reading and writing UTF-8, and showing bytes that are none. Pure functions, thread-safe.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace assay::tokenizer {

// Bytes of the code point that starts with `lead`, 1 to 4. Requires well-formed UTF-8.
inline size_t CodePointLength(char lead) {
  const auto byte = static_cast<unsigned char>(lead);
  return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

// The code point that starts at text[position]. Requires well-formed UTF-8 and position <
// text.size().
char32_t CodePointAt(std::string_view text, size_t position);

// The start of the code point that ends before text[position]. Requires position > 0.
size_t PreviousCodePoint(std::string_view text, size_t position);

void AppendUtf8(char32_t code_point, std::string& out);
std::string ToUtf8(char32_t code_point);
size_t CountCodePoints(std::string_view text);

// Each maximal ill-formed part becomes one U+FFFD (Unicode 15, section 3.9, the practice of Rust
// and Python).
std::string ReplaceInvalidUtf8(std::string_view bytes);

// Well-formed characters stay, other bytes are written as "<0xE2>".
std::string ShowInvalidUtf8(std::string_view bytes);

}  // namespace assay::tokenizer
