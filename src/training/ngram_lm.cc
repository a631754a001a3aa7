#include "training/ngram_lm.h"

#include <algorithm>

#include "base/error.h"
#include "base/rng.h"

namespace assay::training {
namespace {

// Extends the hash of some tokens by the token to their left.
uint64_t ExtendLeft(uint64_t hash, tokenizer::TokenId token) {
  return base::MixBits(hash + 0x9e3779b97f4a7c15ULL * (static_cast<uint64_t>(token) + 1));
}

}  // namespace

NgramLm::NgramLm(const NgramLmOptions& options, int vocabulary_size)
    : vocabulary_size_(vocabulary_size) {
  base::ValidateFields(options);
  ASSAY_CHECK(vocabulary_size >= 1);
  orders_.resize(static_cast<size_t>(options.order));
}

void NgramLm::CheckToken(TokenId token) const {
  if (token >= 0 && token < vocabulary_size_) return;
  base::Fail(base::ErrorKind::kBadInput,
             "token id {} is outside the n-gram model's vocabulary of {}", token, vocabulary_size_);
}

NgramLm::Hashes NgramLm::HashSuffixes(std::span<const TokenId> tokens, size_t longest) {
  Hashes hashes = {};
  for (size_t n = 1; n <= std::min(longest, tokens.size()); ++n) {
    hashes[n] = ExtendLeft(hashes[n - 1], tokens[tokens.size() - n]);
  }
  return hashes;
}

// Raises the count of the n-gram by 1, and says whether it is the n-gram's first.
bool NgramLm::AddOne(Order& order, uint64_t ngram, uint64_t context) {
  uint32_t& count = order.counts.FindOrInsert(ngram).value;
  ContextCounts& same_context = order.contexts.FindOrInsert(context).value;
  const uint32_t before = count++;
  if (before >= 1) --same_context.with_count[std::min<uint32_t>(before, 3) - 1];
  ++same_context.with_count[std::min<uint32_t>(count, 3) - 1];
  ++same_context.total;
  if (before >= 1 && before <= 4) --order.counts_of_counts[before - 1];
  if (count <= 4) ++order.counts_of_counts[count - 1];
  return before == 0;
}

void NgramLm::Add(std::span<const TokenId> sequence) {
  for (const TokenId token : sequence) CheckToken(token);
  for (size_t i = 1; i < sequence.size(); ++i) {
    const size_t longest = std::min(i + 1, orders_.size());
    const Hashes contexts = HashSuffixes(sequence.first(i), longest - 1);
    const Hashes ngrams = HashSuffixes(sequence.first(i + 1), longest);
    // A new n-gram gives the (n-1)-gram at its end one more different predecessor; an old one gives
    // it none.
    for (size_t n = longest; n >= 1; --n) {
      if (!AddOne(orders_[n - 1], ngrams[n], contexts[n - 1])) break;
    }
  }
  for (Order& order : orders_) order.discounts = EstimateDiscounts(order.counts_of_counts);
}

// Chen & Goodman 1999, equation 26. Small or odd texts have no n-gram of some count, or give a
// discount outside (0, count]: then fixed ones are used, so that an unseen token always has some
// probability.
NgramLm::Discounts NgramLm::EstimateDiscounts(const std::array<int64_t, 4>& counts_of_counts) {
  constexpr Discounts kFallback = {0.5, 1.0, 1.5};
  std::array<double, 4> n;
  std::copy(counts_of_counts.begin(), counts_of_counts.end(), n.begin());
  if (n[0] == 0 || n[1] == 0 || n[2] == 0) return kFallback;
  const double y = n[0] / (n[0] + 2 * n[1]);
  Discounts discounts;
  for (size_t k = 0; k < 3; ++k) {
    const double count = static_cast<double>(k) + 1;
    discounts[k] = count - (count + 1) * y * n[k + 1] / n[k];
    if (!(discounts[k] > 0 && discounts[k] <= count)) return kFallback;
  }
  return discounts;
}

double NgramLm::Probability(std::span<const TokenId> history, TokenId token) const {
  CheckToken(token);
  const Hashes contexts = HashSuffixes(history, orders_.size() - 1);
  double probability = 1.0 / vocabulary_size_;
  uint64_t last = 0;  // hash of the n-gram's last n tokens: the history's, then the token
  const size_t longest = std::min(orders_.size(), history.size() + 1);
  for (size_t n = 1; n <= longest; ++n) {
    const Order& order = orders_[n - 1];
    last = ExtendLeft(last, n == 1 ? token : history[history.size() - (n - 1)]);
    const ContextCounts* const context = order.contexts.Find(contexts[n - 1]);
    if (context == nullptr) break;  // so no longer one was seen either
    const uint32_t* const found = order.counts.Find(last);
    const uint32_t count = found ? *found : 0;
    double kept = 0;
    if (count > 0) kept = count - order.discounts[std::min<uint32_t>(count, 3) - 1];
    double given_up = 0;  // to the shorter context
    for (size_t k = 0; k < 3; ++k) given_up += order.discounts[k] * context->with_count[k];
    probability = (kept + given_up * probability) / context->total;
  }
  return probability;
}

TokenScore NgramLm::Score(std::span<const TokenId> sequence) const {
  TokenScore score;
  for (size_t i = 1; i < sequence.size(); ++i) {
    score.log_probability += std::log(Probability(sequence.first(i), sequence[i]));
    ++score.tokens;
  }
  return score;
}

size_t NgramLm::NgramCount(int n) const {
  return orders_.at(static_cast<size_t>(n - 1)).counts.size();
}

size_t NgramLm::MemoryBytes() const {
  size_t bytes = 0;
  for (const Order& order : orders_)
    bytes += order.counts.MemoryBytes() + order.contexts.MemoryBytes();
  return bytes;
}

}  // namespace assay::training
