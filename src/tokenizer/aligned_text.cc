#include "tokenizer/aligned_text.h"

#include "base/error.h"

namespace assay::tokenizer {

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
