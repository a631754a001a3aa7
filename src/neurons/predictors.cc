#include "neurons/predictors.h"

#include <algorithm>

#include "base/hash.h"

namespace assay::neurons {

NgramLookup::NgramLookup(int n) : n_(n) {}

uint64_t NgramLookup::Key(std::span<const TokenId> tokens, size_t at) const {
  const size_t length = std::min(at + 1, static_cast<size_t>(n_));
  const std::span<const TokenId> gram = tokens.subspan(at + 1 - length, length);
  // The seed keeps a short n-gram at the start apart from a long one.
  return base::HashBytes({reinterpret_cast<const char*>(gram.data()), gram.size_bytes()}, length);
}

void NgramLookup::Add(std::span<const TokenId> tokens, std::span<const double> activations,
                      size_t begin) {
  for (size_t at = begin; at < tokens.size(); ++at) {
    double& largest = largest_.try_emplace(Key(tokens, at), activations[at]).first->second;
    largest = std::max(largest, activations[at]);
  }
}

double NgramLookup::Predict(std::span<const TokenId> tokens, size_t at) const {
  const auto found = largest_.find(Key(tokens, at));
  return found == largest_.end() ? 0 : found->second;
}

}  // namespace assay::neurons
