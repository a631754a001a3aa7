// Predictors of a unit's firing that graphs are compared with: what was seen on a token, or on a
// token and its predecessors, in the training examples. Immutable once built; thread-safe.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

namespace assay::neurons {

using TokenId = int32_t;

// The largest normalised activation seen on the last token of an n-gram, for all n-grams of the
// training examples. n = 1 is the token lookup of the paper. n tokens in all: the token and its n -
// 1 predecessors; near the start of a text, as many as there are, and the start counts as part of
// the key.
class NgramLookup {
 public:
  explicit NgramLookup(int n);
  // activations: normalised, one a token; tokens before `begin` (BOS) have none.
  void Add(std::span<const TokenId> tokens, std::span<const double> activations, size_t begin);
  // 0 for an n-gram that was not seen.
  double Predict(std::span<const TokenId> tokens, size_t at) const;

 private:
  uint64_t Key(std::span<const TokenId> tokens, size_t at) const;
  int n_;
  std::unordered_map<uint64_t, double> largest_;
};

}  // namespace assay::neurons
