#include "tokenizer/pattern.h"

#include <algorithm>

#include "tokenizer/regex.h"
#include "tokenizer/utf8.h"

namespace assay::tokenizer {
namespace {

struct Piece {
  Range range;
  bool is_match;
};

// The matches and the text between them, in order.
std::vector<Piece> CutAtMatches(const std::vector<Range>& matches, size_t size, bool invert) {
  std::vector<Piece> pieces;
  pieces.reserve(2 * matches.size() + 1);
  uint32_t previous = 0;
  for (const Range match : matches) {
    if (match.begin > previous) pieces.push_back({{previous, match.begin}, invert});
    pieces.push_back({match, !invert});
    previous = match.end;
  }
  if (previous < size) pieces.push_back({{previous, static_cast<uint32_t>(size)}, invert});
  return pieces;
}

// Joins pieces[i] to its predecessor in `pieces` where `joins` says so.
template <typename Joins>
std::vector<Range> JoinPieces(const std::vector<Piece>& pieces, Joins joins) {
  std::vector<Range> out;
  bool previous_match = false;
  for (const Piece& piece : pieces) {
    if (!out.empty() && joins(piece.is_match, previous_match)) {
      out.back() = {std::min(out.back().begin, piece.range.begin),
                    std::max(out.back().end, piece.range.end)};
    } else {
      out.push_back(piece.range);
    }
    previous_match = piece.is_match;
  }
  return out;
}

}  // namespace

std::vector<Range> LiteralPattern::FindAll(std::string_view text) const {
  std::vector<Range> matches;
  for (size_t at = text.find(literal_); at != std::string_view::npos;
       at = text.find(literal_, at + literal_.size())) {
    matches.push_back({static_cast<uint32_t>(at), static_cast<uint32_t>(at + literal_.size())});
  }
  return matches;
}

std::vector<Range> CharacterPattern::FindAll(std::string_view text) const {
  std::vector<Range> matches;
  for (size_t i = 0; i < text.size();) {
    const size_t next = i + CodePointLength(text[i]);
    if (predicate_(CodePointAt(text, i))) {
      matches.push_back({static_cast<uint32_t>(i), static_cast<uint32_t>(next)});
    }
    i = next;
  }
  return matches;
}

std::unique_ptr<Pattern> ReadPattern(const JsonNode& node) {
  if (const auto literal = node.Find("String")) {
    std::string text = literal->String();
    if (text.empty()) literal->Unsupported("an empty pattern");
    return std::make_unique<LiteralPattern>(std::move(text));
  }
  if (const auto regex = node.Find("Regex")) {
    return std::make_unique<Regex>(regex->String(), regex->where());
  }
  node.Bad("an object with 'String' or 'Regex'");
}

std::vector<Range> SplitByMatches(const std::vector<Range>& matches, size_t size,
                                  SplitBehavior behavior, bool invert) {
  std::vector<Piece> pieces = CutAtMatches(matches, size, invert);
  std::vector<Range> out;
  switch (behavior) {
    case SplitBehavior::kRemoved:
      std::erase_if(pieces, [](const Piece& piece) { return piece.is_match; });
      [[fallthrough]];
    case SplitBehavior::kIsolated:
      out.reserve(pieces.size());
      for (const Piece& piece : pieces) out.push_back(piece.range);
      break;
    case SplitBehavior::kContiguous:
      out = JoinPieces(pieces, [](bool match, bool previous) { return match == previous; });
      break;
    case SplitBehavior::kMergedWithPrevious:
      out = JoinPieces(pieces, [](bool match, bool previous) { return match && !previous; });
      break;
    case SplitBehavior::kMergedWithNext:
      std::reverse(pieces.begin(), pieces.end());
      out = JoinPieces(pieces, [](bool match, bool previous) { return match && !previous; });
      std::reverse(out.begin(), out.end());
      break;
  }
  std::erase_if(out, [](Range range) { return range.begin == range.end; });
  return out;
}

}  // namespace assay::tokenizer
