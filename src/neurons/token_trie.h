// Stages 4 and 5 of Neuron to Graph: paths from an activating token leftwards, merged into a trie,
// and the trie read as a predictor of activations. The trie itself is store::Graph's list of nodes.
// TrieBuilder is not thread-safe; TokenTrie is immutable and thread-safe.
#pragma once

#include <span>
#include <vector>

#include "neurons/graph_options.h"
#include "neurons/token_classes.h"
#include "store/records.h"

namespace assay::neurons {

// One activating token with what stands to its left, nearest first.
struct TriePath {
  TokenId token = 0;
  double activation = 0;  // normalised
  struct Step {
    TokenId token = 0;
    double importance = 0;
    bool important = false;  // else the place is ignored: any token fits
  };
  std::vector<Step> steps;  // what follows the last important step is cut off
};

class TrieBuilder {
 public:
  TrieBuilder(const GraphOptions& options, const TokenClasses& classes);  // borrowed
  void Add(const TriePath& path);

  // Parents before children, depth first, siblings in the order in which they came. Node 0 is the
  // root.
  std::vector<store::TrieNode> Finish();

 private:
  size_t Child(size_t parent, store::TrieNode::Kind kind, TokenId token);
  void MergeIgnored(size_t node);
  void CopyChildren(size_t from, size_t to);

  struct Node {
    store::TrieNode data;
    std::vector<size_t> children;
  };
  const GraphOptions& options_;
  const TokenClasses& classes_;
  std::vector<Node> nodes_;
};

class TokenTrie {
 public:
  // `nodes` as TrieBuilder makes them. `classes` is borrowed.
  TokenTrie(std::span<const store::TrieNode> nodes, const GraphOptions& options,
            const TokenClasses& classes);

  // The normalised activation predicted for tokens[at], from it and the tokens before it down to
  // tokens[begin]; tokens[at] itself may stand before that (BOS). 0 when no path matches.
  double Predict(std::span<const TokenId> tokens, size_t at, size_t begin) const;

 private:
  struct Match {
    double activation = 0;
    int length = -1;  // nodes on the path; -1: none
  };
  void Walk(size_t node, std::span<const TokenId> tokens, int64_t at, int64_t begin, int length,
            Match& best) const;
  Match WalkGreedy(std::span<const TokenId> tokens, int64_t at, int64_t begin) const;
  bool Fits(size_t node, TokenId token) const;

  std::vector<store::TrieNode> nodes_;
  std::vector<std::vector<size_t>> children_;
  std::string match_;
  const TokenClasses& classes_;
};

}  // namespace assay::neurons
