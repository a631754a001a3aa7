#include "tokenizer/subword_model.h"

#include <string>

#include "tokenizer/byte_level.h"

namespace assay::tokenizer {

void SubwordModel::TokenizeAliases(std::string_view bytes, std::vector<ModelToken>& out) const {
  std::string aliases;
  std::vector<uint32_t> byte_of;  // by byte of `aliases`
  for (uint32_t i = 0; i < bytes.size(); ++i) {
    const std::string_view alias = ByteAlias(static_cast<unsigned char>(bytes[i]));
    aliases += alias;
    byte_of.insert(byte_of.end(), alias.size(), i);
  }
  const size_t first = out.size();
  Tokenize(aliases, out);
  for (size_t i = first; i < out.size(); ++i) {
    Range& range = out[i].range;
    range = {byte_of[range.begin], byte_of[range.end - 1] + 1};
  }
}

}  // namespace assay::tokenizer
