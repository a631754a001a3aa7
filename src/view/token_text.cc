#include "view/token_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace assay::view {
namespace {

constexpr Character kBadByte{0xFFFD, 1, false};

struct Range {
  char32_t first, last;
};

// Sorted. East Asian wide and full-width blocks and the emoji that terminals draw double.
constexpr Range kWide[] = {
    {0x1100, 0x115F},   {0x231A, 0x231B},   {0x23E9, 0x23EC},   {0x23F0, 0x23F0},
    {0x23F3, 0x23F3},   {0x25FD, 0x25FE},   {0x2614, 0x2615},   {0x2648, 0x2653},
    {0x267F, 0x267F},   {0x2693, 0x2693},   {0x26A1, 0x26A1},   {0x26AA, 0x26AB},
    {0x26BD, 0x26BE},   {0x26C4, 0x26C5},   {0x26CE, 0x26CE},   {0x26D4, 0x26D4},
    {0x26EA, 0x26EA},   {0x26F2, 0x26F5},   {0x26FA, 0x26FD},   {0x2705, 0x2705},
    {0x270A, 0x270B},   {0x2728, 0x2728},   {0x274C, 0x274E},   {0x2753, 0x2757},
    {0x2795, 0x2797},   {0x27B0, 0x27B0},   {0x27BF, 0x27BF},   {0x2B1B, 0x2B1C},
    {0x2B50, 0x2B55},   {0x2E80, 0x303E},   {0x3041, 0xA4CF},   {0xA960, 0xA97F},
    {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},   {0xFE10, 0xFE19},   {0xFE30, 0xFE6F},
    {0xFF00, 0xFF60},   {0xFFE0, 0xFFE6},   {0x16FE0, 0x18AFF}, {0x1AFF0, 0x1B2FF},
    {0x1F004, 0x1F004}, {0x1F0CF, 0x1F0CF}, {0x1F18E, 0x1F1FF}, {0x1F200, 0x1FAFF},
    {0x20000, 0x3FFFD}};

// Sorted. Marks that are drawn on the character before them.
constexpr Range kCombining[] = {
    {0x0300, 0x036F},  {0x0483, 0x0489}, {0x0591, 0x05BD}, {0x05BF, 0x05BF}, {0x05C1, 0x05C2},
    {0x05C4, 0x05C5},  {0x0610, 0x061A}, {0x064B, 0x065F}, {0x0670, 0x0670}, {0x06D6, 0x06DC},
    {0x06DF, 0x06E4},  {0x0900, 0x0902}, {0x093C, 0x093C}, {0x0941, 0x0948}, {0x094D, 0x094D},
    {0x0E31, 0x0E31},  {0x0E34, 0x0E3A}, {0x0E47, 0x0E4E}, {0x1AB0, 0x1AFF}, {0x1DC0, 0x1DFF},
    {0x200C, 0x200D},  {0x20D0, 0x20FF}, {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}, {0x1F3FB, 0x1F3FF},
    {0xE0100, 0xE01EF}};

// Advances of DejaVu Sans for U+0020 to U+007E, in thousandths of the font size, rounded up.
constexpr std::array<short, 95> kAsciiWidth = {
    318, 401, 460, 838, 637, 951, 780, 275, 391, 391, 500, 838, 318, 361,  318, 337, 637, 637, 637,
    637, 637, 637, 637, 637, 637, 637, 337, 337, 838, 838, 838, 531, 1000, 685, 687, 699, 771, 632,
    576, 775, 752, 295, 295, 656, 558, 863, 749, 788, 604, 788, 695, 635,  611, 732, 685, 989, 686,
    611, 686, 391, 337, 391, 838, 500, 500, 613, 635, 550, 635, 616, 353,  635, 634, 278, 278, 580,
    278, 975, 634, 612, 635, 635, 412, 521, 393, 634, 592, 818, 592, 592,  525, 637, 337, 637, 838};

bool Within(std::span<const Range> ranges, char32_t code) {
  const auto above =
      std::upper_bound(ranges.begin(), ranges.end(), code,
                       [](char32_t c, const Range& range) { return c < range.first; });
  return above != ranges.begin() && code <= std::prev(above)->last;
}

// Joiners and variation selectors shape the character before them; they are shown only when there
// is none.
bool IsJoiner(char32_t code) {
  return code == 0x200C || code == 0x200D || (code >= 0xFE00 && code <= 0xFE0F) ||
         Within(kCombining, code);
}

void AppendShown(std::string_view text, size_t at, Character character, bool first,
                 std::string_view space, std::string& out) {
  const char32_t code = character.code;
  if (!character.valid) {
    out += fmt::format("\\x{:02X}", static_cast<unsigned char>(text[at]));
  } else if (code == ' ') {
    out += space;
  } else if (code == '\n') {
    out += "↵";
  } else if (code == '\t') {
    out += "⇥";
  } else if (code < 0x20 || code == 0x7F) {
    out += fmt::format("\\x{:02X}", static_cast<uint32_t>(code));
  } else if (IsInvisible(code)) {
    out += fmt::format("‹U+{:04X}›", static_cast<uint32_t>(code));
  } else {
    if (first && IsJoiner(code)) out += "◌";
    out += text.substr(at, character.bytes);
  }
}

double CharacterWidth(char32_t code) {  // in thousandths of the font size
  if (code >= 0x20 && code <= 0x7E) return kAsciiWidth[code - 0x20];
  if (code == U'·') return 380;
  if (Within(kCombining, code)) return 0;
  if (Within(kWide, code)) return 1300;
  if (code == U'↵' || code == U'⇥' || code == U'→') return 840;
  if (code == U'‹' || code == U'›') return 410;
  if (code < 0x0180) return 800;   // accented Latin
  if (code < 0x2000) return 1230;  // as wide as the widest Cyrillic capital
  return 1100;
}

}  // namespace

bool IsInvisible(char32_t code) {
  return (code >= 0x80 && code <= 0xA0) || code == 0xAD || code == 0x34F || code == 0x61C ||
         code == 0x180E || (code >= 0x115F && code <= 0x1160) ||
         (code >= 0x2000 && code <= 0x200B) || (code >= 0x200E && code <= 0x200F) ||
         (code >= 0x2028 && code <= 0x202F) || (code >= 0x205F && code <= 0x206F) ||
         code == 0x3000 || code == 0x3164 || code == 0xFEFF || code == 0xFFA0 ||
         (code >= 0xFFF0 && code <= 0xFFFB) || (code & 0xFFFE) == 0xFFFE ||
         (code >= 0xFDD0 && code <= 0xFDEF) || (code >= 0xE000 && code <= 0xF8FF) ||
         code >= 0xE0000;
}

Character ReadCharacter(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(at);
  if (lead < 0x80) return {lead, 1, true};
  const size_t bytes = lead >= 0xF0 && lead < 0xF5   ? 4
                       : lead >= 0xE0 && lead < 0xF0 ? 3
                       : lead >= 0xC2 && lead < 0xE0 ? 2
                                                     : 0;
  if (bytes == 0 || at + bytes > text.size()) return kBadByte;
  char32_t code = lead & (0x7F >> bytes);
  for (size_t i = 1; i < bytes; ++i) {
    if ((byte(at + i) & 0xC0) != 0x80) return kBadByte;
    code = (code << 6) | (byte(at + i) & 0x3F);
  }
  constexpr char32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (code < kSmallest[bytes] || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF))
    return kBadByte;
  return {code, bytes, true};
}

std::string ShowToken(std::string_view bytes) {
  if (bytes.empty()) return "‹empty›";
  std::string out;
  for (size_t at = 0; at < bytes.size();) {
    const Character character = ReadCharacter(bytes, at);
    AppendShown(bytes, at, character, at == 0, "·", out);
    at += character.bytes;
  }
  return out;
}

std::string TokenLabel(std::span<const std::string> token_texts, store::TokenId id) {
  if (id < 0 || static_cast<size_t>(id) >= token_texts.size()) return fmt::format("‹id {}›", id);
  return ShowToken(token_texts[id]);
}

std::vector<std::string> ShowRunningText(std::span<const std::string> token_texts,
                                         std::span<const store::TokenId> ids) {
  std::string all;
  std::vector<size_t> token_of_byte;
  std::vector<std::string> shown(ids.size());
  for (size_t i = 0; i < ids.size(); ++i) {
    const bool known = ids[i] >= 0 && static_cast<size_t>(ids[i]) < token_texts.size();
    const std::string text = known ? token_texts[ids[i]] : TokenLabel(token_texts, ids[i]);
    if (text.empty()) shown[i] = "‹empty›";
    all += text;
    token_of_byte.resize(all.size(), i);
  }
  for (size_t at = 0; at < all.size();) {
    const Character character = ReadCharacter(all, at);
    AppendShown(all, at, character, at == 0, " ", shown[token_of_byte[at]]);
    at += character.bytes;
  }
  for (std::string& text : shown) {
    if (text.empty()) text = "◌";
  }
  return shown;
}

int TextColumns(std::string_view text) {
  int columns = 0;
  for (size_t at = 0; at < text.size();) {
    const Character character = ReadCharacter(text, at);
    columns += Within(kCombining, character.code) ? 0 : Within(kWide, character.code) ? 2 : 1;
    at += character.bytes;
  }
  return columns;
}

std::string ShortenText(std::string_view text, int columns) {
  if (TextColumns(text) <= columns) return std::string(text);
  int used = 0;
  size_t at = 0;
  while (at < text.size()) {
    const Character character = ReadCharacter(text, at);
    used += TextColumns(text.substr(at, character.bytes));
    if (used > columns - 1) break;
    at += character.bytes;
  }
  return std::string(text.substr(0, at)) + "…";
}

double TextWidthPx(std::string_view text, double font_size_px) {
  double thousandths = 0;
  for (size_t at = 0; at < text.size();) {
    const Character character = ReadCharacter(text, at);
    thousandths += CharacterWidth(character.code);
    at += character.bytes;
  }
  return thousandths * font_size_px / 1000;
}

}  // namespace assay::view
