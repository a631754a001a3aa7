#include "tokenizer/utf8.h"

#include <fmt/format.h>

#include <algorithm>

namespace assay::tokenizer {
namespace {

struct Sequence {
  size_t length;  // bytes of the character, or of the maximal ill-formed part
  bool well_formed;
};

// Unicode 15, table 3-7: the lead byte gives the length and narrows the range of the second byte.
Sequence SequenceAt(std::string_view bytes, size_t position) {
  const auto lead = static_cast<unsigned char>(bytes[position]);
  if (lead < 0x80) return {1, true};
  if (lead < 0xC2 || lead > 0xF4) return {1, false};
  const size_t length = CodePointLength(bytes[position]);
  unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  for (size_t k = 1; k < length; ++k) {
    if (position + k >= bytes.size()) return {k, false};
    const auto byte = static_cast<unsigned char>(bytes[position + k]);
    if (byte < low || byte > high) return {k, false};
    low = 0x80;
    high = 0xBF;
  }
  return {length, true};
}

}  // namespace

char32_t CodePointAt(std::string_view text, size_t position) {
  const auto byte = [&](size_t k) {
    return static_cast<char32_t>(static_cast<unsigned char>(text[position + k]));
  };
  switch (CodePointLength(text[position])) {
    case 1:
      return byte(0);
    case 2:
      return (byte(0) & 0x1F) << 6 | (byte(1) & 0x3F);
    case 3:
      return (byte(0) & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
    default:
      return (byte(0) & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 |
             (byte(3) & 0x3F);
  }
}

size_t PreviousCodePoint(std::string_view text, size_t position) {
  --position;
  while (position > 0 && (static_cast<unsigned char>(text[position]) & 0xC0) == 0x80) --position;
  return position;
}

void AppendUtf8(char32_t code_point, std::string& out) {
  const auto put = [&](char32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (code_point < 0x80) {
    put(code_point);
  } else if (code_point < 0x800) {
    put(0xC0 | code_point >> 6);
    put(0x80 | (code_point & 0x3F));
  } else if (code_point < 0x10000) {
    put(0xE0 | code_point >> 12);
    put(0x80 | (code_point >> 6 & 0x3F));
    put(0x80 | (code_point & 0x3F));
  } else {
    put(0xF0 | code_point >> 18);
    put(0x80 | (code_point >> 12 & 0x3F));
    put(0x80 | (code_point >> 6 & 0x3F));
    put(0x80 | (code_point & 0x3F));
  }
}

std::string ToUtf8(char32_t code_point) {
  std::string out;
  AppendUtf8(code_point, out);
  return out;
}

size_t CountCodePoints(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char byte) {
    return (static_cast<unsigned char>(byte) & 0xC0) != 0x80;
  }));
}

std::string ReplaceInvalidUtf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  for (size_t i = 0; i < bytes.size();) {
    const Sequence sequence = SequenceAt(bytes, i);
    out += sequence.well_formed ? bytes.substr(i, sequence.length) : "\xEF\xBF\xBD";
    i += sequence.length;
  }
  return out;
}

std::string ShowInvalidUtf8(std::string_view bytes) {
  std::string out;
  for (size_t i = 0; i < bytes.size();) {
    const Sequence sequence = SequenceAt(bytes, i);
    if (sequence.well_formed) {
      out += bytes.substr(i, sequence.length);
      i += sequence.length;
    } else {
      out += fmt::format("<0x{:02X}>", static_cast<unsigned char>(bytes[i++]));
    }
  }
  return out;
}

}  // namespace assay::tokenizer
