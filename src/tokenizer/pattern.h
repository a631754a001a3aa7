// What a text is searched for: a literal, a regular expression (regex.h) or a class of characters.
// Implementations are immutable; FindAll is thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/json_node.h"

namespace assay::tokenizer {

struct Range {  // bytes [begin, end)
  uint32_t begin = 0;
  uint32_t end = 0;
  bool operator==(const Range&) const = default;
};

class Pattern {
 public:
  virtual ~Pattern() = default;
  // The matches from left to right, not overlapping. `text` must be UTF-8 of less than 4 GiB.
  virtual std::vector<Range> FindAll(std::string_view text) const = 0;
};

class LiteralPattern : public Pattern {
 public:
  // Requires a literal that is not empty.
  explicit LiteralPattern(std::string literal) : literal_(std::move(literal)) {}
  std::vector<Range> FindAll(std::string_view text) const override;

 private:
  std::string literal_;
};

// Every character for which the predicate holds is one match.
class CharacterPattern : public Pattern {
 public:
  using Predicate = bool (*)(char32_t);
  explicit CharacterPattern(Predicate predicate) : predicate_(predicate) {}
  std::vector<Range> FindAll(std::string_view text) const override;

 private:
  Predicate predicate_;
};

// Reads {"String": "..."} or {"Regex": "..."}, as Split and Replace have it.
std::unique_ptr<Pattern> ReadPattern(const JsonNode& node);

// How matches and the text between them become pieces (the names of Hugging Face tokenizers).
enum class SplitBehavior {
  kRemoved,             // matches are dropped
  kIsolated,            // each match is a piece
  kMergedWithPrevious,  // a match ends the piece before it
  kMergedWithNext,      // a match begins the piece after it
  kContiguous,          // neighbouring matches are one piece
};

// The pieces of a text of `size` bytes; none is empty. With `invert`, the text between the matches
// plays their part.
std::vector<Range> SplitByMatches(const std::vector<Range>& matches, size_t size,
                                  SplitBehavior behavior, bool invert);

}  // namespace assay::tokenizer
