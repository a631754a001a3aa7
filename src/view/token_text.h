// How a token reads on a picture, page or terminal, and how much room it takes. Use it for every
// string that comes from a vocabulary or a corpus, before escaping for SVG, HTML or DOT.
// Thread-safe: pure functions.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "store/records.h"

namespace assay::view {

// One character of a string, or one byte that is not part of well-formed UTF-8.
struct Character {
  char32_t code = 0;
  size_t bytes = 1;
  bool valid = false;
};
// The character that starts at text[at]; at < text.size().
Character ReadCharacter(std::string_view text, size_t at);

// Characters other than ASCII that draw nothing or reorder the text around them (format, direction
// and C1 control characters, special spaces, private use).
bool IsInvisible(char32_t code);

// A token on its own, so that nothing in it is invisible: space "·", line end "↵", tab "⇥", other
// control characters and bytes that are not UTF-8 as "\x1B", format and direction characters (which
// could reorder the text around them) as "‹U+202E›", nothing at all as "‹empty›".
std::string ShowToken(std::string_view bytes);

// The text of a token id, or "‹id 512›" when the vocabulary does not hold it; never throws.
std::string TokenLabel(std::span<const std::string> token_texts, store::TokenId id);

// Tokens as running text, one string a token. As ShowToken, but spaces stay spaces, and a character
// that is cut across tokens (byte-level vocabularies) is whole on the first of them, the others
// show "◌".
std::vector<std::string> ShowRunningText(std::span<const std::string> token_texts,
                                         std::span<const store::TokenId> ids);

// Terminal columns: 2 for full-width characters and emoji, 0 for combining marks, else 1.
int TextColumns(std::string_view text);

// At most `columns` wide, cut at the end with "…" if it was longer; columns >= 1.
std::string ShortenText(std::string_view text, int columns);

// Width in pixels at this font size, never less than what DejaVu Sans (the widest of our font
// stack) needs.
double TextWidthPx(std::string_view text, double font_size_px);

}  // namespace assay::view
