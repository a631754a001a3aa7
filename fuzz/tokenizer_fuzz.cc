// Reads any bytes as a tokenizer.json, then encodes and decodes a short text: nothing but
// base::Error may come out.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "tokenizer/tokenizer.h"

namespace tokenizer = assay::tokenizer;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr std::string_view kText =
      "Hello  world, it's 12\u00BD! caf\u00E9 e\u0301 \u4E2D\u6587 \U0001F363<s>[MASK]\n\t x";
  try {
    const auto loaded =
        tokenizer::LoadTokenizerJson({reinterpret_cast<const char*>(data), size}, "fuzz input");
    const auto encoding = loaded->Encode(kText, tokenizer::SpecialTokens::kAsConfigured);
    loaded->Decode(encoding.ids);
    for (const tokenizer::TokenId id : encoding.ids) {
      loaded->TokenText(id);
      loaded->ContinuesWord(id);
    }
  } catch (const assay::base::Error&) {
  }
  return 0;
}
