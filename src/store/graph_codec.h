// Graphs as bytes: the trie itself, and the sets of tokens that searching and comparing need.
// Internal to store. Thread-safe (pure functions).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/records.h"

namespace assay::store {

// Why the nodes are no trie as records.h describes it (parents first, node 0 the only root); absent
// if they are one. No nodes at all are allowed.
std::optional<std::string> TrieFault(const std::vector<TrieNode>& nodes);

// The same nodes always give the same bytes: two to a dozen a node. Every field comes back bit by
// bit.
std::string EncodeTrie(const std::vector<TrieNode>& nodes);
std::optional<std::vector<TrieNode>> DecodeTrie(std::string_view bytes);  // absent if damaged

// The distinct tokens of a graph in each role, strongest first (ties by token id): activating
// tokens by their largest normalised activation, context tokens by their largest importance.
struct GraphTokens {
  std::vector<TokenId> activating, context;

  int Repeated() const;  // tokens in both roles
  bool operator==(const GraphTokens&) const = default;
};
GraphTokens CollectTokens(const std::vector<TrieNode>& nodes);

std::string EncodeTokens(const GraphTokens& tokens);
std::optional<GraphTokens> DecodeTokens(std::string_view bytes);  // absent if damaged

// Sizes of two sorted sets and of what they share.
int CountShared(const std::vector<TokenId>& sorted_a, const std::vector<TokenId>& sorted_b);

}  // namespace assay::store
