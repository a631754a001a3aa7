#include "tokenizer/unicode.h"

#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>

#include "base/error.h"
#include "tokenizer/utf8.h"

namespace assay::tokenizer {
namespace {

bool InCategories(char32_t c, uint32_t mask) {
  return (U_GET_GC_MASK(static_cast<UChar32>(c)) & mask) != 0;
}

const icu::Normalizer2& Normalizer(NormalForm form) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* normalizer = nullptr;
  switch (form) {
    case NormalForm::kNfc:
      normalizer = icu::Normalizer2::getNFCInstance(status);
      break;
    case NormalForm::kNfd:
      normalizer = icu::Normalizer2::getNFDInstance(status);
      break;
    case NormalForm::kNfkc:
      normalizer = icu::Normalizer2::getNFKCInstance(status);
      break;
    case NormalForm::kNfkd:
      normalizer = icu::Normalizer2::getNFKDInstance(status);
      break;
  }
  if (U_FAILURE(status) || normalizer == nullptr) {
    base::Fail(base::ErrorKind::kInternal, "ICU has no normalisation data: {}",
               u_errorName(status));
  }
  return *normalizer;
}

}  // namespace

bool IsWhitespace(char32_t c) { return u_isUWhiteSpace(static_cast<UChar32>(c)) != 0; }

bool IsWordCharacter(char32_t c) {
  return InCategories(c, U_GC_L_MASK | U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK) || c == 0x200C ||
         c == 0x200D || u_hasBinaryProperty(static_cast<UChar32>(c), UCHAR_ALPHABETIC) != 0;
}

bool IsPunctuation(char32_t c) {
  if (c < 0x80) {
    return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) ||
           (c >= 123 && c <= 126);
  }
  return InCategories(c, U_GC_P_MASK);
}

bool IsNumeric(char32_t c) { return InCategories(c, U_GC_N_MASK); }
bool IsMark(char32_t c) { return InCategories(c, U_GC_M_MASK); }
bool IsNonspacingMark(char32_t c) { return InCategories(c, U_GC_MN_MASK); }
bool IsControl(char32_t c) { return InCategories(c, U_GC_CC_MASK | U_GC_CF_MASK | U_GC_CO_MASK); }

void AppendLowercase(char32_t c, std::string& out) {
  if (c == 0x130) {  // the one character whose full lower-case form is longer in every context
    out += "i\xCC\x87";
    return;
  }
  AppendUtf8(static_cast<char32_t>(u_tolower(static_cast<UChar32>(c))), out);
}

size_t NextNormalizationBoundary(std::string_view text, size_t position, NormalForm form) {
  const icu::Normalizer2& normalizer = Normalizer(form);
  position += CodePointLength(text[position]);
  while (position < text.size() &&
         !normalizer.hasBoundaryBefore(static_cast<UChar32>(CodePointAt(text, position)))) {
    position += CodePointLength(text[position]);
  }
  return position;
}

std::string Normalize(std::string_view text, NormalForm form) {
  std::string out;
  icu::StringByteSink<std::string> sink(&out);
  UErrorCode status = U_ZERO_ERROR;
  Normalizer(form).normalizeUTF8(0, {text.data(), static_cast<int32_t>(text.size())}, sink, nullptr,
                                 status);
  if (U_FAILURE(status)) {
    base::Fail(base::ErrorKind::kInternal, "ICU could not normalise: {}", u_errorName(status));
  }
  return out;
}

}  // namespace assay::tokenizer
