// The tokenizer of a Hugging Face tokenizer.json: added tokens, normalizer, pre-tokenizer, subword
// model, special tokens around the text, decoder. Other file formats are brought into this form.
#pragma once

#include <memory>
#include <string_view>

#include "tokenizer/added_tokens.h"
#include "tokenizer/decoder.h"
#include "tokenizer/normalizer.h"
#include "tokenizer/post_processor.h"
#include "tokenizer/pre_tokenizer.h"
#include "tokenizer/subword_model.h"
#include "tokenizer/token_text.h"
#include "tokenizer/tokenizer.h"

namespace assay::tokenizer {

struct Pipeline {
  AddedTokens added;
  std::unique_ptr<Normalizer> normalizer;       // null: none
  std::unique_ptr<PreTokenizer> pre_tokenizer;  // null: the whole text is one word
  std::unique_ptr<SubwordModel> model;          // required
  SpecialFrame frame;
  std::unique_ptr<Decoder> decoder;  // null: tokens are joined with spaces
  TokenStyle style;
  SpecialIds specials;
};

// `where` begins the messages: throws kBadInput when the frame has an id that is no token.
std::unique_ptr<Tokenizer> MakePipelineTokenizer(Pipeline pipeline, std::string_view where);

}  // namespace assay::tokenizer
