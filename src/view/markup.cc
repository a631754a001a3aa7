#include "view/markup.h"

#include <fmt/format.h>

#include <cmath>

#include "view/token_text.h"

namespace assay::view {

std::string CleanText(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const Character character = ReadCharacter(text, at);
    const char32_t code = character.code;
    const bool control = (code < 0x20 && code != '\n' && code != '\t') || code == 0x7F;
    if (!character.valid) {
      out += "\xEF\xBF\xBD";
    } else if (control || IsInvisible(code)) {
      out += ShowToken(text.substr(at, character.bytes));
    } else {
      out += text.substr(at, character.bytes);
    }
    at += character.bytes;
  }
  return out;
}

std::string OneLine(std::string_view text) {
  std::string out = CleanText(text);
  for (char& c : out) {
    if (c == '\n' || c == '\t') c = ' ';
  }
  return out;
}

std::string EscapeMarkup(std::string_view text) {
  std::string out;
  for (const char c : CleanText(text)) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string EscapeLink(std::string_view href) {
  const std::string clean = CleanText(href);
  const size_t colon = clean.find(':');
  const bool has_scheme = colon != std::string_view::npos && colon < clean.find_first_of("/?#");
  if (has_scheme && !clean.starts_with("https://") && !clean.starts_with("http://")) return "#";
  return EscapeMarkup(clean);
}

std::string FormatNumber(std::optional<double> value, int decimals) {
  if (!value || !std::isfinite(*value)) return "–";
  std::string text = fmt::format("{:.{}f}", *value, decimals);
  if (text.front() == '-' && text.find_first_not_of("-0.") == std::string::npos) text.erase(0, 1);
  return text;
}

std::string FormatQuantity(std::optional<double> value, int decimals) {
  const bool small = value && std::isfinite(*value) && *value != 0 &&
                     std::abs(*value) < std::pow(10.0, 1 - decimals);
  return small ? fmt::format("{:.2e}", *value) : FormatNumber(value, decimals);
}

std::string FormatCoordinate(double value) {
  std::string text = FormatNumber(value, 1);
  if (text.ends_with(".0")) text.resize(text.size() - 2);
  return text;
}

std::string FormatCount(int64_t count) {
  std::string digits = fmt::format("{}", count);
  const size_t first = digits.front() == '-' ? 1 : 0;
  for (size_t at = digits.size(); at > first + 3;) digits.insert(at -= 3, 1, ',');
  return digits;
}

}  // namespace assay::view
