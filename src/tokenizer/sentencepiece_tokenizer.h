// A tokenizer.model of SentencePiece (Kudo and Richardson 2018), through its library, as Llama's
// and Gemma's slow tokenizers read it. Special tokens written in the text are plain text;
// transformers' tokenizers parse them.
#pragma once

#include <memory>
#include <string_view>

#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_config.h"

namespace assay::tokenizer {

// `model`: the bytes of the file. Throws kBadInput naming `file` for a damaged model, kUnsupported
// when the config names a class with other rules (T5, XLM-R) or tokens beyond the model's.
std::unique_ptr<Tokenizer> MakeSentencePieceTokenizer(std::string_view model, std::string_view file,
                                                      const TokenizerConfig& config);

}  // namespace assay::tokenizer
