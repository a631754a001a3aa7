// Agglomerative clustering: pairwise cosine distances, and the tree of merges for average, complete
// and single linkage. Merges, their order and ties are those of SciPy's `linkage`
// (nearest-neighbour chain, Muellner 2011; single linkage by minimum spanning tree), cuts those of
// `fcluster` with criterion "distance". Time n^2, memory n^2 / 2 doubles. Thread-safe.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace assay::neurons {

enum class LinkageMethod { kAverage, kComplete, kSingle };
LinkageMethod ParseLinkage(const std::string& name);  // average, complete, single; throws kUsage

// Distances between n items, each pair once: i < j, row by row (SciPy's condensed form).
class PairDistances {
 public:
  PairDistances() = default;
  // `values` holds n (n - 1) / 2 numbers.
  PairDistances(int64_t n, std::vector<double> values);

  int64_t size() const { return n_; }
  double operator()(int64_t i, int64_t j) const {  // i != j
    return values_[Index(i, j)];
  }
  std::span<const double> values() const { return values_; }
  // Those of the items `kept` (ascending), in their order.
  PairDistances Subset(std::span<const int> kept) const;

 private:
  friend class MergeTreeBuilder;
  size_t Index(int64_t i, int64_t j) const {
    if (i > j) std::swap(i, j);
    return static_cast<size_t>(i * (2 * n_ - i - 3) / 2 + j - 1);
  }
  int64_t n_ = 0;
  std::vector<double> values_;
};

// 1 - cosine of every pair of rows, in [0, 2]. vectors: [n, d] row-major. Throws kBadInput naming
// `name` and the row for a value that is not finite, and for a row of zeros, which has no
// direction.
PairDistances CosineDistances(std::span<const float> vectors, int64_t d, const std::string& name);

// One merge. Items are 0 .. n-1, the merge in row i makes cluster n + i; first < second.
struct Merge {
  int first = 0, second = 0;
  double distance = 0;
  int size = 0;
};

// n - 1 merges, ascending by distance. Empty for n < 2.
std::vector<Merge> Linkage(const PairDistances& distances, LinkageMethod method);

// The cluster of each of n items after all merges with distance <= cut; clusters are numbered in
// the order of their first item, from 0.
std::vector<int> CutTree(std::span<const Merge> merges, int64_t n, double cut);
// The same with a number of clusters (1 .. n) given: the last merges are undone, ties one by one.
std::vector<int> CutToCount(std::span<const Merge> merges, int64_t n, int64_t clusters);

}  // namespace assay::neurons
