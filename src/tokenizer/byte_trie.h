// A set of byte strings with values, for finding the longest one that starts at a place of a text.
// Build it, then read it: const functions are thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "tokenizer/integer_map.h"

namespace assay::tokenizer {

class ByteTrie {
 public:
  using Node = uint32_t;
  static constexpr Node kRoot = 0;

  struct Match {
    size_t length = 0;  // bytes
    int32_t value = 0;
  };

  ByteTrie() : values_(1) {}

  void Insert(std::string_view key, int32_t value) {
    Node node = kRoot;
    for (const char byte : key) {
      Edge& edge = edges_[EdgeKey(node, byte)];
      if (edge.to == kRoot) {
        edge.to = static_cast<Node>(values_.size());
        values_.emplace_back();
      }
      node = edge.to;
    }
    values_[node] = value;
  }

  // The node reached from `from` by the bytes, or nothing.
  std::optional<Node> Walk(std::string_view bytes, Node from = kRoot) const {
    for (const char byte : bytes) {
      const Edge* edge = edges_.Find(EdgeKey(from, byte));
      if (edge == nullptr) return std::nullopt;
      from = edge->to;
    }
    return from;
  }

  // The longest key that starts at text[begin], not counting an empty one; keys begin at `from`.
  std::optional<Match> Longest(std::string_view text, size_t begin, Node from = kRoot) const {
    std::optional<Match> longest;
    for (size_t i = begin; i < text.size(); ++i) {
      const Edge* edge = edges_.Find(EdgeKey(from, text[i]));
      if (edge == nullptr) break;
      from = edge->to;
      if (values_[from]) longest = Match{i + 1 - begin, *values_[from]};
    }
    return longest;
  }

 private:
  struct Edge {
    Node to = kRoot;
  };
  static uint64_t EdgeKey(Node node, char byte) {
    return static_cast<uint64_t>(node) << 8 | static_cast<unsigned char>(byte);
  }

  IntegerMap<Edge> edges_;
  std::vector<std::optional<int32_t>> values_;  // by node
};

}  // namespace assay::tokenizer
