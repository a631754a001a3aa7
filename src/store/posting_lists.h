// Walking the lists of graphs that have a token: unions, intersections. Lists are in one order (F1,
// best first, then unit), so an intersection yields the best graphs first and can stop early.
// Internal to store.
#pragma once

#include <compare>
#include <functional>
#include <memory>
#include <vector>

#include "store/graph_rows.h"
#include "store/sqlite.h"

namespace assay::store {

// A graph in a list.
struct Posting {
  double f1_order = 0;
  UnitId unit;
  int activating_tokens = 0, context_tokens = 0, repeated_tokens = 0;

  bool Before(const Posting& other) const {
    return f1_order != other.f1_order ? f1_order < other.f1_order : unit < other.unit;
  }
  bool SamePlace(const Posting& other) const {
    return f1_order == other.f1_order && unit == other.unit;
  }
  double RepeatedShare() const {
    const int distinct = activating_tokens + context_tokens - repeated_tokens;
    return distinct > 0 ? static_cast<double>(repeated_tokens) / distinct : 0;
  }
};

// The graphs that have one token in one role.
class PostingList {
 public:
  PostingList(Connection& connection, TokenId token, TokenRole role);

  const Posting* current() const { return at_end_ ? nullptr : &current_; }  // null at the end
  void Next();
  void SeekTo(
      const Posting& place);  // to the first graph that is not before `place`; never backwards

 private:
  void Read();

  TokenId token_;
  TokenRole role_;
  std::unique_ptr<Query> rows_;
  Posting current_;
  bool at_end_ = false;
};

// The graphs that have any of some tokens in one role.
class PostingUnion {
 public:
  PostingUnion(Connection& connection, const std::vector<TokenId>& tokens, TokenRole role);

  const Posting* current() const { return current_; }
  int Tokens() const { return static_cast<int>(lists_.size()); }
  int TokensOfCurrent() const;  // how many of the tokens the current graph has
  void Next();
  void SeekTo(const Posting& place);

 private:
  void FindCurrent();

  std::vector<PostingList> lists_;
  const Posting* current_ = nullptr;  // the first of the lists' current ones
};

// Calls visit for each graph that is in all of `groups`, best first, until it returns false.
// `groups` is not empty; during a visit, all of them are at that graph.
void Intersect(std::vector<PostingUnion>& groups, const std::function<bool(const Posting&)>& visit);

}  // namespace assay::store
