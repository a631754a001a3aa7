#include "neurons/token_classes.h"

#include <algorithm>
#include <cctype>
#include <unordered_map>

namespace assay::neurons {
namespace {

std::string Normalize(const std::string& text) {
  const auto letter = [](char c) {
    return std::isalpha(static_cast<unsigned char>(c)) != 0 ||
           (static_cast<unsigned char>(c) & 0x80) != 0;
  };
  if (std::none_of(text.begin(), text.end(), letter)) return text;
  const size_t begin = text.find_first_not_of(" \t\n\r"), end = text.find_last_not_of(" \t\n\r");
  std::string out = text.substr(begin, end - begin + 1);
  const auto upper = [](char c) { return std::isupper(static_cast<unsigned char>(c)) != 0; };
  if (upper(out[0]) && std::none_of(out.begin() + 1, out.end(), upper)) {
    out[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(out[0])));
  }
  return out;
}

}  // namespace

TokenClasses TokenClasses::Normalized(std::span<const std::string> texts) {
  TokenClasses out;
  std::unordered_map<std::string, TokenId> first;
  for (size_t id = 0; id < texts.size(); ++id) {
    out.representative_.push_back(
        first.try_emplace(Normalize(texts[id]), static_cast<TokenId>(id)).first->second);
  }
  return out;
}

}  // namespace assay::neurons
