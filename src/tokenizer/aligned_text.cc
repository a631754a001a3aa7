#include "tokenizer/aligned_text.h"

namespace assay::tokenizer {

AlignedText::AlignedText(std::string_view text, uint32_t offset) : text_(text) {
  origins_.resize(text.size());
  for (uint32_t i = 0; i < text.size(); ++i) origins_[i] = {offset + i, offset + i + 1};
}

void AlignedText::Reserve(size_t bytes) {
  text_.reserve(bytes);
  origins_.reserve(bytes);
}

void AlignedText::Append(std::string_view bytes, Range origin) {
  text_ += bytes;
  origins_.insert(origins_.end(), bytes.size(), origin);
}

void AlignedText::AppendPart(const AlignedText& other, Range range) {
  text_.append(other.text_, range.begin, range.end - range.begin);
  origins_.insert(origins_.end(), other.origins_.begin() + range.begin,
                  other.origins_.begin() + range.end);
}

}  // namespace assay::tokenizer
