// Loaders of the file formats other than tokenizer.json. Each throws as LoadTokenizer.
#pragma once

#include <filesystem>
#include <memory>

#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_config.h"

namespace assay::tokenizer {

// vocab.json and merges.txt: byte-level BPE as GPT-2 and RoBERTa have it.
std::unique_ptr<Tokenizer> LoadVocabAndMerges(const std::filesystem::path& folder,
                                              TokenizerConfig config);

// tokenizer.model: SentencePiece.
std::unique_ptr<Tokenizer> LoadSentencePiece(const std::filesystem::path& folder,
                                             const TokenizerConfig& config);

// vocab.txt: BERT's WordPiece, a token a line.
std::unique_ptr<Tokenizer> LoadBertVocabulary(const std::filesystem::path& folder,
                                              TokenizerConfig config);

}  // namespace assay::tokenizer
