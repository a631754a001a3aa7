// An n-gram language model with interpolated modified Kneser-Ney smoothing (Chen & Goodman 1999,
// section 3): the baseline that a trained transformer must beat on the same tokens.
//
//   NgramLm lm({.order = 5}, vocabulary_size);
//   for (const auto& sequence : training) lm.Add(sequence);
//   double perplexity = lm.Score(held_out_sequence).Perplexity();
//
// Adding is not thread-safe; the const methods are safe to call from several threads while nothing
// is added.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "base/options.h"
#include "data/hash_keyed_map.h"
#include "tokenizer/tokenizer.h"

namespace assay::training {

struct NgramLmOptions {
  int order = 5;

  template <typename Visitor>
  void VisitFields(Visitor&& visit) {
    visit("ngram-order", order, "tokens of an n-gram, the predicted one included",
          base::Between(1, 5));
  }
};

// How well a model predicts some tokens. Add scores up for a whole text.
struct TokenScore {
  double log_probability = 0;  // nats, summed over the tokens
  int64_t tokens = 0;

  TokenScore& operator+=(const TokenScore& other) {
    log_probability += other.log_probability;
    tokens += other.tokens;
    return *this;
  }
  // exp of the mean loss; NaN without tokens.
  double Perplexity() const { return std::exp(-log_probability / static_cast<double>(tokens)); }
};

class NgramLm {
 public:
  using TokenId = tokenizer::TokenId;

  // Throws kUsage for bad options. Requires vocabulary_size >= 1.
  NgramLm(const NgramLmOptions& options, int vocabulary_size);

  // Counts the n-grams of one sequence (a document, or a part of it). Its first token, BOS where
  // the tokenizer has one, is context only, as it is for a transformer; n-grams never reach over
  // the ends. Throws kBadInput for an id outside the vocabulary. About 25 bytes an n-gram that
  // differs.
  void Add(std::span<const TokenId> sequence);

  // P(token | history) over the vocabulary: sums to 1 for any history; only its last order - 1
  // tokens count. A history that begins a sequence must hold its first token. Throws kBadInput for
  // a token outside the vocabulary.
  double Probability(std::span<const TokenId> history, TokenId token) const;

  // Every token of the sequence but the first, each given all before it. Throws kBadInput as
  // Probability does.
  TokenScore Score(std::span<const TokenId> sequence) const;

  int order() const { return static_cast<int>(orders_.size()); }
  size_t NgramCount(int n) const;  // different n-grams of n tokens, 1 <= n <= order()
  size_t MemoryBytes() const;

 private:
  // Of the n-grams that begin with one context: the sum of their counts, and how many have count 1,
  // 2, 3 or more.
  struct ContextCounts {
    uint32_t total = 0;
    std::array<uint32_t, 3> with_count = {};
  };
  using Discounts = std::array<double, 3>;  // subtracted from counts of 1, 2, 3 or more

  // Counts are the number of occurrences for the highest order. For a lower one they are the number
  // of different tokens that precede the n-gram, the start of a sequence counting anew each time,
  // since it has no predecessor.
  struct Order {
    data::HashKeyedMap<uint32_t> counts;           // by the hash of the n-gram
    data::HashKeyedMap<ContextCounts> contexts;    // by the hash of its first n - 1 tokens
    std::array<int64_t, 4> counts_of_counts = {};  // how many n-grams have count 1, 2, 3, 4
    Discounts discounts = {};
  };
  using Hashes = std::array<uint64_t, 6>;  // [n]: hash of the last n tokens read so far

  static Hashes HashSuffixes(std::span<const TokenId> tokens, size_t longest);
  static bool AddOne(Order& order, uint64_t ngram, uint64_t context);
  static Discounts EstimateDiscounts(const std::array<int64_t, 4>& counts_of_counts);
  void CheckToken(TokenId token) const;

  int vocabulary_size_;
  std::vector<Order> orders_;  // [n - 1]
};

}  // namespace assay::training
