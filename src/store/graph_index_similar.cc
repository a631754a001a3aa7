// GraphIndex::Similar: pairs of one unit through the search index, pairs among all units through a
// join in memory.
#include <fmt/format.h>

#include <algorithm>

#include "store/database.h"
#include "store/graph_index.h"
#include "store/graph_similarity.h"
#include "store/posting_lists.h"
#include "store/strongest.h"

namespace assay::store {

using base::ErrorKind;
using base::Fail;

namespace {

// Lists longer than this are equally bad.
constexpr int kLongList = 20'000;

std::vector<TokenId> RarestFirst(Connection& connection, const std::vector<TokenId>& tokens,
                                 TokenRole role) {
  std::vector<std::pair<int64_t, TokenId>> sized;
  Query row(
      connection,
      "SELECT count(*) FROM (SELECT 1 FROM graph_tokens WHERE token = ? AND role = ? LIMIT ?)");
  for (const TokenId token : tokens) {
    row.Rebind(token, role, kLongList);
    sized.emplace_back(row.Next() ? row.Int64(0) : 0, token);
  }
  std::sort(sized.begin(), sized.end());
  std::vector<TokenId> rarest_first;
  rarest_first.reserve(sized.size());
  for (const auto& [size, token] : sized) rarest_first.push_back(token);
  return rarest_first;
}

// Tokens of which a graph must have one to overlap enough.
std::vector<TokenId> NeededTokens(Connection& connection, const std::vector<TokenId>& tokens,
                                  TokenRole role, SetOverlap measure, double threshold) {
  if (measure == SetOverlap::kSubset) return tokens;  // the other set may be smaller: any of them
  std::vector<TokenId> needed = RarestFirst(connection, tokens, role);
  const int size = static_cast<int>(needed.size());
  const int needed_size = size - LeastShared(size, threshold) + 1;
  needed.resize(static_cast<size_t>(needed_size));
  return needed;
}

std::vector<TokenId> Sorted(std::vector<TokenId> tokens) {
  std::sort(tokens.begin(), tokens.end());
  return tokens;
}

// Compares one graph with others.
class Comparison {
 public:
  Comparison(const GraphSummary& graph, SetOverlap measure, double threshold)
      : unit_(graph.unit),
        activating_(Sorted(graph.tokens.activating)),
        context_(Sorted(graph.tokens.context)),
        measure_(measure),
        threshold_(threshold) {}

  // Judged by the sizes of the sets and by how many of the tokens looked up the other graph has;
  // `context` is null when the own graph has none.
  bool IsPossible(const Posting& other, const PostingUnion& activating,
                  const PostingUnion* context) const {
    return other.unit != unit_ &&
           BestPossible(activating_, &activating, other.activating_tokens) >= threshold_ &&
           BestPossible(context_, context, other.context_tokens) >= threshold_;
  }

  std::optional<SimilarPair> PairWith(const GraphSummary& other) const {
    const SimilarPair pair{unit_, other.unit, OverlapWith(activating_, other.tokens.activating),
                           OverlapWith(context_, other.tokens.context)};
    if (std::min(pair.activating_overlap, pair.context_overlap) < threshold_) return std::nullopt;
    return pair;
  }

 private:
  double BestPossible(const std::vector<TokenId>& own, const PostingUnion* looked_up,
                      int other_size) const {
    const int size = static_cast<int>(own.size());
    const int missing =
        looked_up != nullptr ? looked_up->Tokens() - looked_up->TokensOfCurrent() : 0;
    return Overlap(measure_, std::min(size - missing, other_size), size, other_size);
  }
  double OverlapWith(const std::vector<TokenId>& own, const std::vector<TokenId>& other) const {
    return Overlap(measure_, CountShared(own, Sorted(other)), static_cast<int>(own.size()),
                   static_cast<int>(other.size()));
  }

  UnitId unit_;
  std::vector<TokenId> activating_, context_;
  SetOverlap measure_;
  double threshold_;
};

}  // namespace

std::vector<SimilarPair> GraphIndex::Similar(std::optional<UnitId> unit, SetOverlap measure,
                                             double threshold, int limit) const {
  if (!(threshold > 0 && threshold <= 1)) {
    Fail(ErrorKind::kUsage, "the overlap threshold is {}; expected more than 0 and at most 1",
         threshold);
  }
  if (limit < 1) {
    Fail(ErrorKind::kUsage, "the limit of similar pairs is {}; expected at least 1", limit);
  }
  const Snapshot snapshot(*store_.database_->connection);
  return unit ? SimilarToUnit(*unit, measure, threshold, limit)
              : SimilarAmongAll(measure, threshold, limit);
}

std::vector<SimilarPair> GraphIndex::SimilarToUnit(UnitId unit, SetOverlap measure,
                                                   double threshold, int limit) const {
  Connection& connection = *store_.database_->connection;
  const std::optional<GraphSummary> graph = ReadGraphSummary(connection, unit);
  if (!graph) {
    Fail(ErrorKind::kNotFound, "{}: unit {} has no graph", connection.path().string(),
         ToString(unit));
  }
  if (graph->tokens.activating.empty()) return {};

  std::vector<PostingUnion> groups;
  const auto add = [&](const std::vector<TokenId>& tokens, TokenRole role) {
    groups.emplace_back(connection, NeededTokens(connection, tokens, role, measure, threshold),
                        role);
  };
  add(graph->tokens.activating, TokenRole::kActivating);
  if (!graph->tokens.context.empty()) add(graph->tokens.context, TokenRole::kContext);

  const Comparison comparison(*graph, measure, threshold);
  Strongest<SimilarPair, decltype(&StrongerPair)> pairs(limit, &StrongerPair);
  Intersect(groups, [&](const Posting& candidate) {
    if (!comparison.IsPossible(candidate, groups.front(),
                               groups.size() > 1 ? &groups[1] : nullptr)) {
      return true;
    }
    const auto other = ReadGraphSummary(connection, candidate.unit);
    if (!other) {
      connection.FailDamaged(
          fmt::format("the search index has no graph {}", ToString(candidate.unit)));
    }
    if (const auto pair = comparison.PairWith(*other)) pairs.Add(*pair);
    return true;
  });
  return pairs.Take();
}

std::vector<SimilarPair> GraphIndex::SimilarAmongAll(SetOverlap measure, double threshold,
                                                     int limit) const {
  std::vector<UnitTokens> graphs;
  Query row(*store_.database_->connection,
            "SELECT layer, unit, token_set FROM graph_summary WHERE activating_tokens > 0");
  while (row.Next()) {
    auto tokens = DecodeTokens(row.Bytes(2));
    if (!tokens) row.FailColumn(2, "is damaged");
    graphs.push_back({{row.Int(0), row.Int(1)}, std::move(*tokens)});
  }
  return JoinSimilar(graphs, measure, threshold, limit);
}

}  // namespace assay::store
