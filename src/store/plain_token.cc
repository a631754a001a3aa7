#include "store/plain_token.h"

#include <cstdint>

namespace assay::store {
namespace {

// Code points stand for themselves; bytes that are no UTF-8 are kept apart from them.
constexpr uint32_t kStrayByte = 0x8000'0000;

struct CodePoint {
  uint32_t value;
  size_t length;  // in bytes
};

// Only forms of up to three bytes are decoded: nothing longer is white space or in the tables
// below.
CodePoint DecodeAt(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[at + i]); };
  const auto continues = [&](size_t i) { return at + i < text.size() && (byte(i) & 0xC0) == 0x80; };
  const uint32_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  if (lead >= 0xC2 && lead < 0xE0 && continues(1)) {
    return {(lead & 0x1F) << 6 | (byte(1) & 0x3Fu), 2};
  }
  if ((lead & 0xF0) == 0xE0 && continues(1) && continues(2)) {
    const uint32_t value = (lead & 0x0F) << 12 | (byte(1) & 0x3Fu) << 6 | (byte(2) & 0x3Fu);
    if (value >= 0x800) return {value, 3};  // else an overlong form
  }
  return {kStrayByte, 1};
}

bool IsSpace(uint32_t c) {
  return c == ' ' || (c >= '\t' && c <= '\r') || c == 0x85 || c == 0xA0 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

uint32_t LowerCase(uint32_t c) {
  if (c >= 'A' && c <= 'Z') return c + 0x20;
  if (c < 0xC0) return c;
  if (c <= 0xDE) return c == 0xD7 ? c : c + 0x20;
  if (c == 0x178) return 0xFF;
  // Latin Extended-A: pairs of upper and lower case, with the upper case even, but odd in two
  // stretches. U+0130 and U+0138, U+0149 have no simple pair.
  const bool upper_is_odd = (c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17E);
  if (c >= 0x100 && c <= 0x17E && c != 0x130 && c != 0x138 && c != 0x149) {
    return (c % 2 == 1) == upper_is_odd ? c + 1 : c;
  }
  if (c >= 0x391 && c <= 0x3A9 && c != 0x3A2) return c + 0x20;
  if (c >= 0x410 && c <= 0x42F) return c + 0x20;
  if (c >= 0x400 && c <= 0x40F) return c + 0x50;
  return c;
}

// Only two-byte letters and ASCII change, and they keep their length.
void AppendLower(std::string& out, std::string_view original, uint32_t c) {
  const uint32_t lower = LowerCase(c);
  if (lower == c) {
    out += original;
  } else if (lower < 0x80) {
    out.push_back(static_cast<char>(lower));
  } else {
    out.push_back(static_cast<char>(0xC0 | lower >> 6));
    out.push_back(static_cast<char>(0x80 | (lower & 0x3F)));
  }
}

}  // namespace

std::string PlainToken(std::string_view text) {
  std::string plain;
  size_t end_of_last_letter = 0;  // in `plain`; white space after it is cut off
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = DecodeAt(text, at);
    const bool is_space = IsSpace(c.value);
    if (!is_space || !plain.empty()) AppendLower(plain, text.substr(at, c.length), c.value);
    if (!is_space) end_of_last_letter = plain.size();
    at += c.length;
  }
  plain.resize(end_of_last_letter);
  return plain.empty() ? std::string(text) : plain;
}

}  // namespace assay::store
