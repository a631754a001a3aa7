#include "neurons/words.h"

#include <cctype>

namespace assay::neurons {
namespace {

bool IsLetter(char c) {
  return std::isalpha(static_cast<unsigned char>(c)) != 0 ||
         (static_cast<unsigned char>(c) & 0x80) != 0;
}

}  // namespace

std::vector<WordRange> WordRanges(std::string_view text) {
  std::vector<WordRange> out;
  for (size_t begin = 0; begin < text.size();) {
    bool letter = false;
    size_t end = begin;
    while (end < text.size() && (IsLetter(text[end]) || text[end] == '\''))
      letter = IsLetter(text[end++]) || letter;
    if (letter) out.emplace_back(begin, end);
    begin = end + 1;
  }
  return out;
}

}  // namespace assay::neurons
