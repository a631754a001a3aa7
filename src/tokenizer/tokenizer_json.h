// Reads the tokenizer.json of Hugging Face tokenizers.
#pragma once

#include <string_view>

#include "tokenizer/pipeline.h"

namespace assay::tokenizer {

// `file` begins the messages. Throws as LoadTokenizer.
Pipeline ReadTokenizerJson(std::string_view bytes, std::string_view file);

}  // namespace assay::tokenizer
