// What tokenizer_config.json, special_tokens_map.json, added_tokens.json and config.json of a model
// folder say about its tokenizer. All of them are optional.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "tokenizer/added_tokens.h"
#include "tokenizer/pipeline.h"
#include "tokenizer/tokenizer.h"

namespace assay::tokenizer {

struct SpecialTokenNames {
  std::optional<std::string> bos, eos, unk, pad, mask, cls, sep;
};

struct TokenizerConfig {
  std::string file;             // for messages
  std::string tokenizer_class;  // without "Fast"; empty when not given
  SpecialTokenNames names;
  SpecialIds model_ids;  // bos, eos and pad of config.json
  std::optional<bool> add_bos_token, add_eos_token, add_prefix_space;
  std::optional<bool> do_lower_case, tokenize_chinese_chars, strip_accents;
  std::vector<AddedToken> added_tokens;
};

// Throws kBadInput naming file and member for malformed content.
TokenizerConfig ReadTokenizerConfig(const std::filesystem::path& folder);

// Sets pipeline.specials; tokens that are named as special and are in the vocabulary become added
// special tokens, as Hugging Face's tokenizers do it. Names that are not in the vocabulary are left
// out.
void ApplySpecialTokens(const TokenizerConfig& config, Pipeline& pipeline);

// The frame of bos and eos that add_bos_token and add_eos_token ask for, with defaults for the case
// that they are not given. Throws kBadInput when the token to add is unknown.
SpecialFrame BosEosFrame(const TokenizerConfig& config, const SpecialIds& specials,
                         bool add_bos_default, bool add_eos_default);

}  // namespace assay::tokenizer
