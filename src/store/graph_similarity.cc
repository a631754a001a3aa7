#include "store/graph_similarity.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <tuple>
#include <unordered_map>

#include "store/strongest.h"

namespace assay::store {
namespace {

using Rank = uint32_t;  // of a token among those in one role: 0 is the rarest

// Stand for a context token in file keys.
constexpr Rank kNoContext = std::numeric_limits<Rank>::max();
constexpr Rank kAnyContext = kNoContext - 1;

// Above this many file entries (12 bytes each, plus sorting), context tokens are left out of the
// keys.
constexpr int64_t kMostEntries = 40'000'000;

// Graphs with the same tokens. Ranks and units ascend.
struct Group {
  std::vector<Rank> activating, context;
  std::vector<UnitId> units;
};

struct Entry {
  Rank activating, context;
  uint32_t group;
  auto Key() const { return std::tie(activating, context); }
  bool operator<(const Entry& other) const {
    return std::tie(activating, context, group) <
           std::tie(other.activating, other.context, other.group);
  }
};

struct GroupPair {
  uint32_t x, y;
  SimilarPair best;  // the smallest units of both
};

struct StrongerGroupPair {
  bool operator()(const GroupPair& a, const GroupPair& b) const {
    return StrongerPair(a.best, b.best);
  }
};

// Which tokens of a set its files are made from.
enum class Part { kPrefix, kAll };

// One way of finding pairs: graphs filed under keys from some parts, looked up by keys from other
// parts.
struct Pass {
  Part filed_activating, filed_context, looked_up_activating, looked_up_context;
};

std::unordered_map<TokenId, Rank> RankByRarity(const std::vector<UnitTokens>& graphs,
                                               std::vector<TokenId> GraphTokens::*role) {
  std::unordered_map<TokenId, Rank> counts;
  for (const UnitTokens& graph : graphs) {
    for (const TokenId token : graph.tokens.*role) ++counts[token];
  }
  std::vector<std::pair<Rank, TokenId>> rarest_first;
  rarest_first.reserve(counts.size());
  for (const auto& [token, count] : counts) rarest_first.emplace_back(count, token);
  std::sort(rarest_first.begin(), rarest_first.end());
  for (size_t i = 0; i < rarest_first.size(); ++i) {
    counts[rarest_first[i].second] = static_cast<Rank>(i);
  }
  return counts;
}

std::vector<Rank> SortedRanks(const std::vector<TokenId>& tokens,
                              const std::unordered_map<TokenId, Rank>& ranks) {
  std::vector<Rank> sorted;
  sorted.reserve(tokens.size());
  for (const TokenId token : tokens) sorted.push_back(ranks.at(token));
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

// In ascending order of sizes.
std::vector<Group> GroupEqual(const std::vector<UnitTokens>& graphs) {
  const auto activating = RankByRarity(graphs, &GraphTokens::activating);
  const auto context = RankByRarity(graphs, &GraphTokens::context);
  std::vector<Group> singles;
  for (const UnitTokens& graph : graphs) {
    if (graph.tokens.activating.empty()) continue;
    singles.push_back({SortedRanks(graph.tokens.activating, activating),
                       SortedRanks(graph.tokens.context, context),
                       {graph.unit}});
  }
  std::sort(singles.begin(), singles.end(), [](const Group& a, const Group& b) {
    if (a.activating.size() != b.activating.size()) {
      return a.activating.size() < b.activating.size();
    }
    if (a.context.size() != b.context.size()) return a.context.size() < b.context.size();
    return std::tie(a.activating, a.context, a.units) < std::tie(b.activating, b.context, b.units);
  });
  std::vector<Group> groups;
  for (Group& single : singles) {
    if (!groups.empty() && groups.back().activating == single.activating &&
        groups.back().context == single.context) {
      groups.back().units.push_back(single.units.front());
    } else {
      groups.push_back(std::move(single));
    }
  }
  return groups;
}

struct Shared {
  int count = 0;
  Rank first = kNoContext;
};

Shared CompareRanks(const std::vector<Rank>& a, const std::vector<Rank>& b) {
  Shared shared;
  for (auto i = a.begin(), k = b.begin(); i != a.end() && k != b.end();) {
    if (*i < *k) {
      ++i;
    } else if (*k < *i) {
      ++k;
    } else {
      if (shared.count++ == 0) shared.first = *i;
      ++i, ++k;
    }
  }
  return shared;
}

class Join {
 public:
  Join(std::vector<Group> groups, SetOverlap measure, double threshold, int limit)
      : groups_(std::move(groups)),
        measure_(measure),
        threshold_(threshold),
        limit_(limit),
        found_(limit, {}) {}

  std::vector<SimilarPair> Run() {
    for (uint32_t g = 0; g < groups_.size(); ++g) {
      const std::vector<UnitId>& units = groups_[g].units;
      if (units.size() > 1) found_.Add({g, g, {units[0], units[1], 1, 1}});
    }
    std::vector<Pass> passes;
    if (measure_ == SetOverlap::kOverlap) {
      passes = {{Part::kPrefix, Part::kPrefix, Part::kPrefix, Part::kPrefix}};
    } else {
      // Which of two graphs has the smaller set may be the same in both roles, or not.
      passes = {{Part::kPrefix, Part::kPrefix, Part::kAll, Part::kAll},
                {Part::kPrefix, Part::kAll, Part::kAll, Part::kPrefix}};
    }
    for (const Pass& pass : passes) RunPass(pass);
    return ExpandToUnits();
  }

 private:
  std::span<const Rank> PartOf(const std::vector<Rank>& set, Part part) const {
    if (part == Part::kAll || set.empty()) return set;
    return std::span(set).first(
        set.size() - static_cast<size_t>(LeastShared(static_cast<int>(set.size()), threshold_)) +
        1);
  }

  int64_t CountEntries(Part activating, Part context) const {
    int64_t count = 0;
    for (const Group& group : groups_) {
      count += static_cast<int64_t>(PartOf(group.activating, activating).size() *
                                    std::max<size_t>(1, PartOf(group.context, context).size()));
    }
    return count;
  }

  std::vector<Entry> File(Part activating, Part context, bool by_context) const {
    std::vector<Entry> entries;
    for (uint32_t g = 0; g < groups_.size(); ++g) {
      for (const Rank a : PartOf(groups_[g].activating, activating)) {
        if (groups_[g].context.empty()) {
          entries.push_back({a, kNoContext, g});
        } else if (!by_context) {
          entries.push_back({a, kAnyContext, g});
        } else {
          for (const Rank c : PartOf(groups_[g].context, context)) entries.push_back({a, c, g});
        }
      }
    }
    std::sort(entries.begin(), entries.end());
    return entries;
  }

  void RunPass(const Pass& pass) {
    const bool by_context = CountEntries(pass.filed_activating, pass.filed_context) +
                                CountEntries(pass.looked_up_activating, pass.looked_up_context) <=
                            kMostEntries;
    const std::vector<Entry> filed = File(pass.filed_activating, pass.filed_context, by_context);
    if (measure_ == SetOverlap::kOverlap) {
      CompareAmong(filed);
    } else {
      const bool same_side_smaller = pass.filed_context == Part::kPrefix;
      CompareWith(filed, File(pass.looked_up_activating, pass.looked_up_context, by_context),
                  same_side_smaller);
    }
  }

  void CompareAmong(const std::vector<Entry>& filed) {
    for (auto x = filed.begin(); x != filed.end(); ++x) {
      for (auto y = x + 1; y != filed.end() && y->Key() == x->Key(); ++y) {
        // Groups are in ascending order of sizes: the rest is too large as well.
        if (BestPossible(groups_[x->group].activating, groups_[y->group].activating) < threshold_) {
          break;
        }
        Compare(*x, y->group);
      }
    }
  }

  void CompareWith(const std::vector<Entry>& filed, const std::vector<Entry>& looked_up,
                   bool same_side_smaller) {
    auto begin = looked_up.begin();
    for (const Entry& x : filed) {
      while (begin != looked_up.end() && begin->Key() < x.Key()) ++begin;
      for (auto y = begin; y != looked_up.end() && y->Key() == x.Key(); ++y) {
        if (InTurn(x.group, y->group, same_side_smaller)) Compare(x, y->group);
      }
    }
  }

  // Whether a group filed and a group looked up are to be compared in this pass, in this order:
  // each pair of groups is, in one pass and one order.
  bool InTurn(uint32_t x, uint32_t y, bool same_side_smaller) const {
    const size_t ax = groups_[x].activating.size(), ay = groups_[y].activating.size();
    const size_t cx = groups_[x].context.size(), cy = groups_[y].context.size();
    if (!same_side_smaller) return ax < ay && cx > cy;
    return ax == ay && cx == cy ? x < y : ax <= ay && cx <= cy;
  }

  // A pair can share several files; it counts in the one of the first tokens that both have.
  void Compare(const Entry& file, uint32_t other) {
    const Group& x = groups_[file.group];
    const Group& y = groups_[other];
    if (BestPossible(x.activating, y.activating) < threshold_ ||
        BestPossible(x.context, y.context) < threshold_)
      return;
    const Shared activating = CompareRanks(x.activating, y.activating);
    const double activating_overlap = OverlapOf(activating, x.activating, y.activating);
    if (activating.first != file.activating || activating_overlap < threshold_) return;
    const Shared context = CompareRanks(x.context, y.context);
    const double context_overlap = OverlapOf(context, x.context, y.context);
    if ((file.context != kAnyContext && context.first != file.context) ||
        context_overlap < threshold_)
      return;
    const auto [first, second] = std::minmax(x.units.front(), y.units.front());
    found_.Add({file.group, other, {first, second, activating_overlap, context_overlap}});
  }

  double BestPossible(const std::vector<Rank>& a, const std::vector<Rank>& b) const {
    return OverlapOf({static_cast<int>(std::min(a.size(), b.size())), 0}, a, b);
  }

  double OverlapOf(const Shared& shared, const std::vector<Rank>& a,
                   const std::vector<Rank>& b) const {
    return Overlap(measure_, shared.count, static_cast<int>(a.size()), static_cast<int>(b.size()));
  }

  // All unit pairs of two groups are equally similar. The strongest `limit_` unit pairs are among
  // those of the strongest `limit_` group pairs, as each of these has one at least.
  std::vector<SimilarPair> ExpandToUnits() {
    Strongest<SimilarPair, decltype(&StrongerPair)> pairs(limit_, &StrongerPair);
    for (const GroupPair& found : found_.Take()) {
      const std::vector<UnitId>& x = groups_[found.x].units;
      const std::vector<UnitId>& y = groups_[found.y].units;
      SimilarPair pair = found.best;
      std::vector<UnitId> firsts;
      std::set_union(x.begin(), x.end(), y.begin(), y.end(), std::back_inserter(firsts));
      bool more = true;
      for (auto first = firsts.begin(); more && first != firsts.end(); ++first) {
        const std::vector<UnitId>& partners =
            std::binary_search(x.begin(), x.end(), *first) ? y : x;
        pair.first = *first;
        for (auto second = std::upper_bound(partners.begin(), partners.end(), *first);
             more && second != partners.end(); ++second) {
          pair.second = *second;
          more = pairs.Add(pair);
        }
      }
    }
    return pairs.Take();
  }

  std::vector<Group> groups_;
  SetOverlap measure_;
  double threshold_;
  int limit_;
  Strongest<GroupPair, StrongerGroupPair> found_;
};

}  // namespace

double Overlap(SetOverlap measure, int shared, int size_a, int size_b) {
  if (size_a == 0 && size_b == 0) return 1;
  if (size_a == 0 || size_b == 0) return 0;
  const int size =
      measure == SetOverlap::kOverlap ? std::max(size_a, size_b) : std::min(size_a, size_b);
  return static_cast<double>(shared) / size;
}

int LeastShared(int size, double threshold) {
  // By the same division as Overlap, so that rounding cannot make the two disagree.
  int shared = std::max(1, static_cast<int>(std::ceil(threshold * size)));
  while (shared > 1 && static_cast<double>(shared - 1) / size >= threshold) --shared;
  while (shared < size && static_cast<double>(shared) / size < threshold) ++shared;
  return std::min(shared, size);
}

bool StrongerPair(const SimilarPair& a, const SimilarPair& b) {
  const double strength_a = a.activating_overlap + a.context_overlap;
  const double strength_b = b.activating_overlap + b.context_overlap;
  if (strength_a != strength_b) return strength_a > strength_b;
  return std::tie(a.first, a.second) < std::tie(b.first, b.second);
}

std::vector<SimilarPair> JoinSimilar(const std::vector<UnitTokens>& graphs, SetOverlap measure,
                                     double threshold, int limit) {
  return Join(GroupEqual(graphs), measure, threshold, limit).Run();
}

}  // namespace assay::store
