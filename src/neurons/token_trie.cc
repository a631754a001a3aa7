#include "neurons/token_trie.h"

#include <algorithm>

#include "base/error.h"

namespace assay::neurons {

using Kind = store::TrieNode::Kind;

TrieBuilder::TrieBuilder(const GraphOptions& options, const TokenClasses& classes)
    : options_(options), classes_(classes) {
  nodes_.push_back({});
}

size_t TrieBuilder::Child(size_t parent, Kind kind, TokenId token) {
  for (const size_t child : nodes_[parent].children) {
    if (nodes_[child].data.kind == kind && nodes_[child].data.token == token) return child;
  }
  nodes_.push_back({{.kind = kind, .parent = static_cast<int32_t>(parent), .token = token}, {}});
  nodes_[parent].children.push_back(nodes_.size() - 1);
  return nodes_.size() - 1;
}

void TrieBuilder::Add(const TriePath& path) {
  size_t last = path.steps.size();
  while (last > 0 && !path.steps[last - 1].important) --last;
  const auto activation = static_cast<float>(path.activation);
  size_t node = Child(0, Kind::kActivating, classes_.Of(path.token));
  nodes_[node].data.activation = std::max(nodes_[node].data.activation, activation);
  for (size_t i = 0; i < last; ++i) {
    const TriePath::Step& step = path.steps[i];
    node = step.important ? Child(node, Kind::kContext, classes_.Of(step.token))
                          : Child(node, Kind::kIgnore, 0);
    if (step.important)
      nodes_[node].data.importance =
          std::max(nodes_[node].data.importance, static_cast<float>(step.importance));
  }
  const size_t ends = nodes_.size();
  const size_t end = Child(node, Kind::kEnd, 0);
  if (end == ends || (options_.end_value == "max" && activation > nodes_[end].data.activation))
    nodes_[end].data.activation = activation;
}

void TrieBuilder::CopyChildren(size_t from, size_t to) {
  for (size_t i = 0; i < nodes_[from].children.size(); ++i) {  // Child() may move nodes_
    const store::TrieNode child = nodes_[nodes_[from].children[i]].data;
    const size_t before = nodes_.size();
    const size_t copy = Child(to, child.kind, child.token);
    store::TrieNode& data = nodes_[copy].data;
    if (copy == before) {
      data.activation = child.activation;
      data.importance = child.importance;
    } else {
      data.importance = std::max(data.importance, child.importance);
      if (options_.end_value == "max")
        data.activation = std::max(data.activation, child.activation);
    }
    CopyChildren(nodes_[from].children[i], copy);
  }
}

void TrieBuilder::MergeIgnored(size_t node) {
  const std::vector<size_t> children = nodes_[node].children;
  for (const size_t ignored : children) {
    if (nodes_[ignored].data.kind != Kind::kIgnore) continue;
    for (const size_t sibling : children) {
      if (nodes_[sibling].data.kind == Kind::kContext) CopyChildren(sibling, ignored);
    }
  }
  for (size_t i = 0; i < nodes_[node].children.size(); ++i) MergeIgnored(nodes_[node].children[i]);
}

std::vector<store::TrieNode> TrieBuilder::Finish() {
  if (options_.merge_ignored) MergeIgnored(0);
  std::vector<store::TrieNode> out;
  const auto write = [&](auto& self, size_t node, int32_t parent) -> void {
    const auto at = static_cast<int32_t>(out.size());
    out.push_back(nodes_[node].data);
    out.back().parent = parent;
    for (const size_t child : nodes_[node].children) self(self, child, at);
  };
  write(write, 0, 0);
  return out;
}

TokenTrie::TokenTrie(std::span<const store::TrieNode> nodes, const GraphOptions& options,
                     const TokenClasses& classes)
    : nodes_(nodes.begin(), nodes.end()),
      children_(nodes.size()),
      match_(options.match),
      classes_(classes) {
  for (size_t i = 1; i < nodes_.size(); ++i) {
    ASSAY_CHECK(nodes_[i].parent >= 0 && static_cast<size_t>(nodes_[i].parent) < i);
    children_[static_cast<size_t>(nodes_[i].parent)].push_back(i);
  }
}

bool TokenTrie::Fits(size_t node, TokenId token) const {
  const store::TrieNode& data = nodes_[node];
  return data.kind == Kind::kIgnore ||
         ((data.kind == Kind::kContext || data.kind == Kind::kActivating) && data.token == token);
}

void TokenTrie::Walk(size_t node, std::span<const TokenId> tokens, int64_t at, int64_t begin,
                     int length, Match& best) const {
  for (const size_t child : children_[node]) {
    if (nodes_[child].kind == Kind::kEnd) {
      const double activation = nodes_[child].activation;
      const bool better = match_ == "max" ? activation > best.activation || best.length < 0
                                          : length > best.length || (length == best.length &&
                                                                     activation > best.activation);
      if (better) best = {activation, length};
    } else if (at >= begin && Fits(child, classes_.Of(tokens[static_cast<size_t>(at)]))) {
      Walk(child, tokens, at - 1, begin, length + 1, best);
    }
  }
}

// The reference code's reading: an exact child before an ignored place, no way back, the last END
// on the path.
TokenTrie::Match TokenTrie::WalkGreedy(std::span<const TokenId> tokens, int64_t at,
                                       int64_t begin) const {
  Match best;
  size_t node = 0;
  for (int length = 0;; ++length, --at) {
    std::optional<size_t> next;
    for (const size_t child : children_[node]) {
      if (nodes_[child].kind == Kind::kEnd) {
        best = {nodes_[child].activation, length};
      } else if (at >= begin && Fits(child, classes_.Of(tokens[static_cast<size_t>(at)]))) {
        if (!next || nodes_[*next].kind == Kind::kIgnore) next = child;
      }
    }
    if (!next) return best;
    node = *next;
  }
}

double TokenTrie::Predict(std::span<const TokenId> tokens, size_t at, size_t begin) const {
  begin = std::min(begin, at);
  Match best;
  if (match_ == "greedy") {
    best = WalkGreedy(tokens, static_cast<int64_t>(at), static_cast<int64_t>(begin));
  } else {
    Walk(0, tokens, static_cast<int64_t>(at), static_cast<int64_t>(begin), 0, best);
  }
  return best.length > 0 ? best.activation : 0;
}

}  // namespace assay::neurons
