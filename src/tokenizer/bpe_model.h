// Byte-pair encoding (Sennrich et al. 2016): a word starts as characters, and the pair of
// neighbours whose merge was learned first is joined, leftmost first, until no neighbours have a
// merge. Immutable; Tokenize is thread-safe and takes O(n log n) for a word of n characters.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tokenizer/integer_map.h"
#include "tokenizer/subword_model.h"

namespace assay::tokenizer {

struct BpeOptions {
  std::optional<std::string> unk_token;
  std::string continuing_subword_prefix;  // what characters after the first carry in the vocabulary
  std::string end_of_word_suffix;         // what the last character carries
  bool fuse_unk = false;                  // neighbouring unknown characters are one token
  bool byte_fallback = false;             // an unknown character becomes its bytes, "<0xE2>"
  bool ignore_merges = false;             // a word that is a token is that token
};

using MergePairs = std::vector<std::pair<std::string, std::string>>;

class BpeModel : public SubwordModel {
 public:
  // `where` begins the messages. Throws kBadInput when a part or the result of a merge is not in
  // the vocabulary.
  BpeModel(Vocabulary vocabulary, const MergePairs& merges, BpeOptions options,
           std::string_view where);

  // Throws kBadInput when the word needs the unknown token and the vocabulary does not have it.
  // Characters that neither the vocabulary nor bytes nor an unknown token can express give no
  // token, as in Hugging Face tokenizers.
  void Tokenize(std::string_view word, std::vector<ModelToken>& out) const override;
  void TokenizeAliases(std::string_view bytes, std::vector<ModelToken>& out) const override;
  const Vocabulary& vocabulary() const override { return vocabulary_; }

 private:
  struct MergeRule {
    uint32_t rank = 0;
    TokenId id = 0;
  };
  const MergeRule* FindMerge(TokenId left, TokenId right) const {
    return merges_.Find(static_cast<uint64_t>(left) << 32 | static_cast<uint32_t>(right));
  }
  std::optional<std::array<TokenId, 256>> FindAliasTokens() const;
  // The tokens of single characters, before any merge.
  void AppendCharacters(std::string_view word, std::vector<ModelToken>& out) const;
  std::optional<TokenId> FindCharacter(std::string_view word, Range range) const;
  std::string WithAffixes(std::string_view word, Range range) const;
  TokenId UnknownToken() const;
  bool AppendBytes(std::string_view word, Range range, std::vector<ModelToken>& out) const;
  void Merge(std::vector<ModelToken>& out, size_t first) const;
  // Both merge out[first..] in place and agree; the first is quicker for short words.
  void MergeByScanning(std::vector<ModelToken>& out, size_t first) const;
  void MergeByHeap(std::vector<ModelToken>& out, size_t first) const;

  Vocabulary vocabulary_;
  BpeOptions options_;
  IntegerMap<MergeRule> merges_;  // key: left id << 32 | right id
  std::string where_;
  bool has_affixes_;
  // The tokens of the bytes' aliases; nothing when one is missing, so that the slow way has to be
  // taken.
  std::optional<std::array<TokenId, 256>> alias_tokens_;
  IntegerMap<TokenId> characters_;                         // tokens of one code point
  std::array<std::optional<TokenId>, 256> byte_tokens_{};  // "<0x00>"..., with byte_fallback

  friend class BpeModelPeer;  // the test compares the two ways to merge
};

std::unique_ptr<SubwordModel> ReadBpe(const JsonNode& node);

// Reads merges.txt: a "#version" line, then a pair a line. Throws kBadInput naming the line.
MergePairs ReadMergesText(std::string_view text, std::string_view file);

}  // namespace assay::tokenizer
