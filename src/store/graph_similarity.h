// Pairs of graphs with similar token sets, among all graphs at once. Internal to store;
// GraphIndex::Similar explains the measures. Thread-safe (pure functions).
#pragma once

#include <vector>

#include "store/graph_codec.h"
#include "store/graph_index.h"

namespace assay::store {

struct UnitTokens {
  UnitId unit;
  GraphTokens tokens;
};

// |A and B| over the larger or the smaller size; two empty sets: 1, one empty set: 0.
double Overlap(SetOverlap measure, int shared, int size_a, int size_b);

// The least number of tokens that a set of `size` >= 1 tokens must share for an overlap of
// `threshold` to be possible with a set that is not smaller. At least 1.
int LeastShared(int size, double threshold);

// The order of SimilarPairs: the sum of both overlaps, largest first, then the units.
bool StrongerPair(const SimilarPair& a, const SimilarPair& b);

// The strongest `limit` pairs, strongest first; `first` < `second`. Graphs without activating
// tokens are left out.
//
// Two sets that overlap enough must share one of the rarest few tokens of the smaller set (prefix
// filtering: Chaudhuri et al. 2006; Bayardo et al. 2007, "Scaling up all pairs similarity search").
// As both roles must overlap, graphs are filed under pairs (rare activating token, rare context
// token), and only graphs in one file are compared. Graphs with equal sets are compared once.
std::vector<SimilarPair> JoinSimilar(const std::vector<UnitTokens>& graphs, SetOverlap measure,
                                     double threshold, int limit);

}  // namespace assay::store
