// Properties, case and normalisation forms of characters, through ICU. Pure functions, thread-safe.
#pragma once

#include <string>
#include <string_view>

namespace assay::tokenizer {

bool IsWhitespace(char32_t c);      // property White_Space
bool IsWordCharacter(char32_t c);   // \w of Rust's regular expressions
bool IsPunctuation(char32_t c);     // general category P, and all ASCII punctuation such as $ and +
bool IsNumeric(char32_t c);         // general category N
bool IsMark(char32_t c);            // general category M
bool IsNonspacingMark(char32_t c);  // general category Mn
bool IsControl(char32_t c);         // general category Cc, Cf or Co

// Appends the lower-case form, which may be two characters (U+0130). Context-free: no final
// sigma.
void AppendLowercase(char32_t c, std::string& out);

enum class NormalForm { kNfc, kNfd, kNfkc, kNfkd };

// The next place at or after `position` + 1 where the text can be cut so that normalising the
// parts one by one equals normalising the whole. Requires UTF-8 and position < text.size().
size_t NextNormalizationBoundary(std::string_view text, size_t position, NormalForm form);
std::string Normalize(std::string_view text, NormalForm form);

}  // namespace assay::tokenizer
