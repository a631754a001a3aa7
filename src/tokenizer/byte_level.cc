#include "tokenizer/byte_level.h"

#include <algorithm>

#include "tokenizer/utf8.h"

namespace assay::tokenizer {
namespace {

constexpr char32_t kLastAlias = 0x143;
constexpr bool IsOwnAlias(int byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

struct Alphabet {
  std::array<char32_t, 256> alias{};
  std::array<std::array<char, 2>, 256> utf8{};
  std::array<uint8_t, 256> utf8_length{};
  std::array<int16_t, kLastAlias + 1> byte{};  // -1: no alias

  constexpr Alphabet() {
    byte.fill(-1);
    char32_t next = 0x100;
    for (int b = 0; b < 256; ++b) {
      const char32_t code = IsOwnAlias(b) ? static_cast<char32_t>(b) : next++;
      alias[b] = code;
      byte[code] = static_cast<int16_t>(b);
      if (code < 0x80) {
        utf8[b] = {static_cast<char>(code), 0};
        utf8_length[b] = 1;
      } else {
        utf8[b] = {static_cast<char>(0xC0 | code >> 6), static_cast<char>(0x80 | (code & 0x3F))};
        utf8_length[b] = 2;
      }
    }
  }
};
constexpr Alphabet kAlphabet;

}  // namespace

std::string_view ByteAlias(unsigned char byte) {
  return {kAlphabet.utf8[byte].data(), kAlphabet.utf8_length[byte]};
}

std::string BytesToAliases(std::string_view bytes) {
  std::string out;
  for (const char byte : bytes) out += ByteAlias(static_cast<unsigned char>(byte));
  return out;
}

std::optional<std::string> AliasesToBytes(std::string_view aliases) {
  std::string out;
  for (size_t i = 0; i < aliases.size(); i += CodePointLength(aliases[i])) {
    const char32_t code = CodePointAt(aliases, i);
    if (code > kLastAlias || kAlphabet.byte[code] < 0) return std::nullopt;
    out.push_back(static_cast<char>(kAlphabet.byte[code]));
  }
  return out;
}

std::array<unsigned char, 256> BytesInAliasOrder() {
  std::array<unsigned char, 256> bytes{};
  for (int b = 0; b < 256; ++b) bytes[b] = static_cast<unsigned char>(b);
  std::sort(bytes.begin(), bytes.end(), [](unsigned char a, unsigned char b) {
    return kAlphabet.alias[a] < kAlphabet.alias[b];
  });
  return bytes;
}

}  // namespace assay::tokenizer
