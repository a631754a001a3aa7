// A text that has been changed (normalised, byte-mapped, ...) and still knows which bytes of the
// original each of its bytes stands for. Normalizers and pre-tokenizers rewrite it; token offsets
// come from it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/pattern.h"

namespace assay::tokenizer {

// Throws kBadInput when replacements have made absurdly many bytes out of `original`: a file can
// ask for replacements that double the text again and again. Call it wherever the factor is not
// bounded.
void CheckGrowth(size_t original, size_t now);

class AlignedText {
 public:
  AlignedText() = default;
  // `text` itself, found at `offset` in the original. Append to a default-made text instead of to
  // such a one.
  AlignedText(std::string_view text, uint32_t offset)
      : text_(text), unchanged_(true), offset_(offset) {}

  const std::string& text() const { return text_; }
  size_t size() const { return text_.size(); }

  // The original bytes that bytes [range.begin, range.end) stand for. Requires a range that is not
  // empty.
  Range Origin(Range range) const {
    if (unchanged_) return {offset_ + range.begin, offset_ + range.end};
    return {origins_[range.begin].begin, origins_[range.end - 1].end};
  }

  // The same for this text with `more` bytes.
  void CheckGrowth(size_t more = 0) const;

  void Reserve(size_t bytes);
  // Appends bytes that stand for `origin` together.
  void Append(std::string_view bytes, Range origin);
  // Appends a part of another text as it is.
  void AppendPart(const AlignedText& other, Range range);
  // Appends bytes that stand for nothing, placed before `position` of the original.
  void AppendInserted(std::string_view bytes, uint32_t position) {
    Append(bytes, {position, position});
  }

 private:
  std::string text_;
  bool unchanged_ = false;  // then there are no origins: byte i stands for byte offset_ + i
  uint32_t offset_ = 0;
  std::vector<Range> origins_;  // one for each byte of text_; begins and ends never decrease
};

}  // namespace assay::tokenizer
