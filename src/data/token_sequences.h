// Text cut into the sequences a model is run on: at most max_tokens each, never across documents,
// BOS first where the run's policy says so. Tokenisation can run ahead in a thread of its own; the
// order is the same. Not thread-safe: one consumer. With read_ahead > 0 the corpus and its problem
// reporter are used from that thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/options.h"
#include "data/text_corpus.h"
#include "tokenizer/tokenizer.h"

namespace assay::data {

using tokenizer::TokenId;

struct TokenSequenceOptions {
  int max_tokens = 128;
  int min_tokens = 2;
  std::string bos = "auto";
  int64_t max_sequences = 1'000'000'000'000;
  int64_t max_tokens_total = 1'000'000'000'000;
  int read_ahead = 256;

  template <typename Visitor>
  void VisitFields(Visitor&& visit) {
    visit("sequence-tokens", max_tokens, "longest sequence, in tokens, BOS included",
          base::Between(2, 1 << 20));
    visit("min-sequence-tokens", min_tokens,
          "shorter ends of documents are left out; in tokens of text", base::Between(1, 1 << 20));
    visit("bos", bos,
          "whether sequences begin with BOS: auto is when the model or tokenizer has one",
          base::OneOf({"auto", "always", "never"}));
    visit("max-sequences", max_sequences, "sequences read at most", base::Between(1, 1e12));
    visit("max-tokens", max_tokens_total, "tokens read at most, BOS included",
          base::Between(1, 1e12));
    visit("read-ahead", read_ahead, "sequences tokenised ahead in a thread; 0: none",
          base::Between(0, 1 << 20));
  }
};

// The BOS id that sequences begin with, or none: by `policy` (see TokenSequenceOptions::bos), the
// tokenizer's BOS, else the model's. Throws kUsage for "always" when neither has one.
std::optional<TokenId> ResolveBos(const std::string& policy, const tokenizer::SpecialIds& specials,
                                  std::optional<TokenId> model_bos);

struct TokenSequence {
  int64_t id = 0;               // position in the stream, from 0
  size_t file = 0;              // in TextCorpus::files()
  int64_t document = 0;         // of that file, as Document::index
  int64_t begin = 0;            // the document's token that comes first here (after BOS)
  std::vector<TokenId> tokens;  // BOS first where the stream has one
};

struct SequenceCounts {
  int64_t sequences = 0, tokens = 0;               // given out; BOS included
  int64_t short_tails = 0, short_tail_tokens = 0;  // left out for min_tokens
};

class TokenSequences {
 public:
  // Reads `corpus` from where it stands; nobody else may while this lives. `corpus` and `tokenizer`
  // must outlive it. Throws kUsage for bad options (also when BOS and min_tokens do not fit in
  // max_tokens).
  TokenSequences(TextCorpus& corpus, const tokenizer::Tokenizer& tokenizer,
                 std::optional<TokenId> bos, const TokenSequenceOptions& options);
  ~TokenSequences();  // stops the thread
  TokenSequences(const TokenSequences&) = delete;
  TokenSequences& operator=(const TokenSequences&) = delete;

  // The next sequence; absent after the last one. Throws what reading or tokenising threw, and
  // kBadInput when the text gave no sequence at all.
  std::optional<TokenSequence> Next();

  const SequenceCounts& counts() const { return counts_; }  // up to the last Next

 private:
  class Cutter;
  class ReadAhead;
  struct Item;

  SequenceCounts counts_;
  std::unique_ptr<Cutter> cutter_;
  std::unique_ptr<ReadAhead>
      read_ahead_;  // null: sequences are made when asked for. Destroyed first.
  int64_t max_sequences_, max_tokens_total_;
  bool done_ = false;
};

}  // namespace assay::data
