// Learns a byte-level BPE vocabulary from texts and writes it as a Hugging Face tokenizer folder.
// The result depends only on the texts and options: ties go to the pair with the smaller ids. Not
// thread-safe.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/regex.h"
#include "tokenizer/vocabulary.h"

namespace assay::tokenizer {

struct BpeTrainerOptions {
  int vocab_size = 4096;       // tokens, special tokens and the 256 bytes included
  int64_t min_pair_count = 2;  // rarer pairs are not merged
  // The special tokens, in the order of their ids from 0.
  std::string end_of_text_token = "<|endoftext|>";  // bos and eos
  std::optional<std::string> pad_token;
  std::optional<std::string> mask_token;
  std::vector<std::string> other_special_tokens;
};

// NOLINTNEXTLINE(bugprone-exception-escape): the JSON type checks its invariants when it is moved
struct TrainedBpe {
  nlohmann::json tokenizer;         // the content of tokenizer.json
  nlohmann::json tokenizer_config;  // the content of tokenizer_config.json
  int vocab_size = 0;               // less than asked for when the texts have too few pairs
};

class BpeTrainer {
 public:
  // Throws kUsage when the vocabulary size has no room for the bytes and special tokens, or a
  // special token is empty or repeated.
  explicit BpeTrainer(BpeTrainerOptions options);

  // Counts the words of one text. Throws kBadInput unless it is UTF-8.
  void AddText(std::string_view text);

  TrainedBpe Train() const;

 private:
  BpeTrainerOptions options_;
  std::vector<std::string> special_tokens_;
  Regex words_pattern_;
  StringMap<int64_t> word_counts_;
};

TrainedBpe TrainBpe(std::span<const std::string> texts, const BpeTrainerOptions& options);

// Writes tokenizer.json and tokenizer_config.json. Throws kIo.
void WriteTokenizerFolder(const TrainedBpe& trained, const std::filesystem::path& folder);

}  // namespace assay::tokenizer
