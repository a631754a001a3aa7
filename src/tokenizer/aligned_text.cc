#include "tokenizer/aligned_text.h"

#include "base/error.h"

namespace assay::tokenizer {

void CheckGrowth(size_t original, size_t now) {
  constexpr size_t kFactor = 64;
  constexpr size_t kAlwaysAllowed = size_t{1} << 20;
  if (now <= kAlwaysAllowed + kFactor * original) return;
  base::Fail(base::ErrorKind::kBadInput,
             "the tokenizer's replacements make {} bytes of {} bytes; expected at most {} times as "
             "many",
             now, original, kFactor);
}

void AlignedText::CheckGrowth(size_t more) const {
  const size_t original =
      text_.empty() || unchanged_ ? text_.size() : origins_.back().end - origins_.front().begin;
  tokenizer::CheckGrowth(original, text_.size() + more);
}

void AlignedText::Reserve(size_t bytes) {
  text_.reserve(bytes);
  origins_.reserve(bytes);
}

void AlignedText::Append(std::string_view bytes, Range origin) {
  ASSAY_CHECK(!unchanged_);
  text_ += bytes;
  origins_.insert(origins_.end(), bytes.size(), origin);
}

void AlignedText::AppendPart(const AlignedText& other, Range range) {
  ASSAY_CHECK(!unchanged_);
  text_.append(other.text_, range.begin, range.end - range.begin);
  if (!other.unchanged_) {
    origins_.insert(origins_.end(), other.origins_.begin() + range.begin,
                    other.origins_.begin() + range.end);
    return;
  }
  for (uint32_t i = range.begin; i < range.end; ++i) origins_.push_back(other.Origin({i, i + 1}));
}

}  // namespace assay::tokenizer
