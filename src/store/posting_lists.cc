#include "store/posting_lists.h"

#include <cmath>

#include "base/error.h"

namespace assay::store {
namespace {

constexpr std::string_view kRowsFrom =
    "SELECT f1_order, layer, unit, activating_tokens, context_tokens, repeated_tokens FROM "
    "graph_tokens "
    "WHERE token = ? AND role = ? AND (f1_order, layer, unit) >= (?, ?, ?) ORDER BY f1_order, "
    "layer, unit";

// Searching the tree costs about as much as reading this many rows.
constexpr int kRowsBeforeSearching = 8;

}  // namespace

PostingList::PostingList(Connection& connection, TokenId token, TokenRole role)
    : token_(token),
      role_(role),
      rows_(std::make_unique<Query>(connection, kRowsFrom, token, role, -INFINITY, 0, 0)) {
  current_.f1_order = -INFINITY;
  Read();
}

void PostingList::Read() {
  at_end_ = !rows_->Next();
  if (at_end_) return;
  const Posting next{
      rows_->Real(0), {rows_->Int(1), rows_->Int(2)}, rows_->Int(3), rows_->Int(4), rows_->Int(5)};
  // In a damaged file the order can be broken, and walking lists together would never end.
  if (!current_.Before(next)) rows_->FailColumn(0, "is out of order");
  current_ = next;
}

void PostingList::Next() { Read(); }

void PostingList::SeekTo(const Posting& place) {
  for (int i = 0; i < kRowsBeforeSearching; ++i) {
    if (at_end_ || !current_.Before(place)) return;
    Read();
  }
  if (at_end_ || !current_.Before(place)) return;
  rows_->Rebind(token_, role_, place.f1_order, place.unit.layer, place.unit.index);
  Read();
}

PostingUnion::PostingUnion(Connection& connection, const std::vector<TokenId>& tokens,
                           TokenRole role) {
  for (const TokenId token : tokens) lists_.emplace_back(connection, token, role);
  FindCurrent();
}

void PostingUnion::FindCurrent() {
  current_ = nullptr;
  for (const PostingList& list : lists_) {
    const Posting* candidate = list.current();
    if (candidate != nullptr && (current_ == nullptr || candidate->Before(*current_))) {
      current_ = candidate;
    }
  }
}

int PostingUnion::TokensOfCurrent() const {
  int count = 0;
  for (const PostingList& list : lists_) {
    if (list.current() != nullptr && list.current()->SamePlace(*current_)) ++count;
  }
  return count;
}

void PostingUnion::Next() {
  const Posting passed = *current_;
  for (PostingList& list : lists_) {
    if (list.current() != nullptr && list.current()->SamePlace(passed)) list.Next();
  }
  FindCurrent();
}

void PostingUnion::SeekTo(const Posting& place) {
  for (PostingList& list : lists_) list.SeekTo(place);
  FindCurrent();
}

void Intersect(std::vector<PostingUnion>& groups,
               const std::function<bool(const Posting&)>& visit) {
  ASSAY_CHECK(!groups.empty());
  for (;;) {
    // Everything moves to the place of the group that is furthest ahead, until all are there.
    const Posting* furthest = groups.front().current();
    for (const PostingUnion& group : groups) {
      if (group.current() == nullptr) return;
      if (furthest->Before(*group.current())) furthest = group.current();
    }
    const Posting place = *furthest;
    bool all_there = true;
    for (PostingUnion& group : groups) {
      if (group.current()->SamePlace(place)) continue;
      group.SeekTo(place);
      all_there = false;
    }
    if (!all_there) continue;
    if (!visit(place)) return;
    groups.front().Next();
  }
}

}  // namespace assay::store
