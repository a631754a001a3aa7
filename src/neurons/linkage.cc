#include "neurons/linkage.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/error.h"

namespace assay::neurons {

using base::ErrorKind;
using base::Fail;

LinkageMethod ParseLinkage(const std::string& name) {
  if (name == "average") return LinkageMethod::kAverage;
  if (name == "complete") return LinkageMethod::kComplete;
  if (name == "single") return LinkageMethod::kSingle;
  Fail(ErrorKind::kUsage, "linkage '{}' is unknown; expected average, complete or single", name);
}

PairDistances::PairDistances(int64_t n, std::vector<double> values)
    : n_(n), values_(std::move(values)) {
  ASSAY_CHECK(static_cast<int64_t>(values_.size()) == n * (n - 1) / 2);
}

PairDistances PairDistances::Subset(std::span<const int> kept) const {
  std::vector<double> values;
  values.reserve(kept.size() * (kept.size() + 1) / 2);
  for (size_t i = 0; i < kept.size(); ++i) {
    for (size_t j = i + 1; j < kept.size(); ++j) values.push_back((*this)(kept[i], kept[j]));
  }
  return {static_cast<int64_t>(kept.size()), std::move(values)};
}

PairDistances CosineDistances(std::span<const float> vectors, int64_t d, const std::string& name) {
  ASSAY_CHECK(d > 0 && vectors.size() % static_cast<size_t>(d) == 0);
  const int64_t n = static_cast<int64_t>(vectors.size()) / d;
  at::Tensor unit = at::empty({n, d}, at::kDouble);
  double* out = unit.data_ptr<double>();
  for (int64_t row = 0; row < n; ++row) {
    const auto values = vectors.subspan(static_cast<size_t>(row * d), static_cast<size_t>(d));
    double squares = 0;
    for (size_t column = 0; column < values.size(); ++column) {
      if (!std::isfinite(values[column])) {
        Fail(ErrorKind::kBadInput, "{}: row {}, column {} is {}; expected finite numbers", name,
             row, column, values[column]);
      }
      squares += static_cast<double>(values[column]) * values[column];
    }
    if (squares == 0) {
      Fail(ErrorKind::kBadInput, "{}: row {} is all zeros: it has no direction, so no cosine", name,
           row);
    }
    const double scale = 1 / std::sqrt(squares);
    for (size_t column = 0; column < values.size(); ++column)
      out[row * d + static_cast<int64_t>(column)] = values[column] * scale;
  }
  std::vector<double> condensed;
  condensed.reserve(static_cast<size_t>(n * (n - 1) / 2));
  constexpr int64_t kRows = 512;  // of the product held at a time
  for (int64_t begin = 0; begin < n; begin += kRows) {
    const int64_t rows = std::min(kRows, n - begin);
    const at::Tensor cosines =
        at::mm(unit.narrow(0, begin, rows), unit.narrow(0, begin, n - begin).t());
    const double* data = cosines.data_ptr<double>();
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = i + 1; j < n - begin; ++j)
        condensed.push_back(1 - std::clamp(data[i * (n - begin) + j], -1.0, 1.0));
    }
  }
  return {n, std::move(condensed)};
}

// Follows SciPy's _hierarchy.pyx step by step, since ties are decided by the order of the steps.
class MergeTreeBuilder {
 public:
  MergeTreeBuilder(const PairDistances& distances, LinkageMethod method)
      : n_(distances.size()), method_(method), distances_(distances) {}

  std::vector<Merge> Build() {
    if (n_ < 2) return {};
    method_ == LinkageMethod::kSingle ? SpanningTree() : NeighbourChain();
    std::stable_sort(merges_.begin(), merges_.end(),
                     [](const Merge& a, const Merge& b) { return a.distance < b.distance; });
    NameClusters();
    return std::move(merges_);
  }

 private:
  void SpanningTree() {
    std::vector<char> merged(static_cast<size_t>(n_), 0);
    std::vector<double> nearest(static_cast<size_t>(n_), std::numeric_limits<double>::infinity());
    int64_t x = 0, y = 0;
    for (int64_t k = 0; k < n_ - 1; ++k) {
      double smallest = std::numeric_limits<double>::infinity();
      merged[static_cast<size_t>(x)] = 1;
      for (int64_t i = 0; i < n_; ++i) {
        if (merged[static_cast<size_t>(i)]) continue;
        double& distance = nearest[static_cast<size_t>(i)];
        distance = std::min(distance, distances_(x, i));
        if (distance < smallest) {
          y = i;
          smallest = distance;
        }
      }
      merges_.push_back({static_cast<int>(x), static_cast<int>(y), smallest, 0});
      x = y;
    }
  }

  void NeighbourChain() {
    std::vector<int64_t> chain;
    size_.assign(static_cast<size_t>(n_), 1);
    for (int64_t k = 0; k < n_ - 1; ++k) {
      if (chain.empty()) {
        chain.push_back(std::find_if(size_.begin(), size_.end(), [](int s) { return s > 0; }) -
                        size_.begin());
      }
      int64_t x = 0, y = 0;
      double smallest = 0;
      for (;;) {
        x = chain.back();
        // The previous element of the chain wins ties, which keeps the chain from going in circles.
        const int64_t previous = chain.size() > 1 ? chain[chain.size() - 2] : -1;
        y = previous;
        smallest =
            previous >= 0 ? distances_(x, previous) : std::numeric_limits<double>::infinity();
        NearestOf(x, y, smallest);
        if (previous >= 0 && y == previous) break;
        chain.push_back(y);
      }
      chain.resize(chain.size() - 2);
      if (x > y) std::swap(x, y);
      merges_.push_back({static_cast<int>(x), static_cast<int>(y), smallest, 0});
      Join(x, y);
    }
  }

  void NearestOf(int64_t x, int64_t& y, double& smallest) const {
    const double* values = distances_.values().data();
    size_t at = static_cast<size_t>(x - 1);  // (0, x), if x > 0
    for (int64_t i = 0; i < x; ++i) {
      if (size_[static_cast<size_t>(i)] > 0 && values[at] < smallest) {
        smallest = values[at];
        y = i;
      }
      at += static_cast<size_t>(n_ - i - 2);
    }
    for (int64_t i = x + 1; i < n_; ++i) {
      const double distance = distances_(x, i);
      if (size_[static_cast<size_t>(i)] > 0 && distance < smallest) {
        smallest = distance;
        y = i;
      }
    }
  }

  // x goes, y becomes the two together.
  void Join(int64_t x, int64_t y) {
    const double nx = size_[static_cast<size_t>(x)], ny = size_[static_cast<size_t>(y)];
    size_[static_cast<size_t>(y)] += size_[static_cast<size_t>(x)];
    size_[static_cast<size_t>(x)] = 0;
    for (int64_t i = 0; i < n_; ++i) {
      if (size_[static_cast<size_t>(i)] == 0 || i == y) continue;
      const double to_x = distances_(i, x);
      double& to_y = distances_.values_[distances_.Index(i, y)];
      to_y = method_ == LinkageMethod::kAverage ? (nx * to_x + ny * to_y) / (nx + ny)
                                                : std::max(to_x, to_y);
    }
  }

  // Merges name any item of a cluster so far; from here on they name the cluster.
  void NameClusters() {
    std::vector<int> parent(static_cast<size_t>(2 * n_ - 1)), sizes(parent.size(), 1);
    std::iota(parent.begin(), parent.end(), 0);
    const auto root = [&](int node) {
      while (parent[static_cast<size_t>(node)] != node) {
        int& up = parent[static_cast<size_t>(node)];
        up = parent[static_cast<size_t>(up)];
        node = up;
      }
      return node;
    };
    for (size_t i = 0; i < merges_.size(); ++i) {
      const int a = root(merges_[i].first), b = root(merges_[i].second);
      const int made = static_cast<int>(n_) + static_cast<int>(i);
      merges_[i].first = std::min(a, b);
      merges_[i].second = std::max(a, b);
      merges_[i].size = sizes[static_cast<size_t>(a)] + sizes[static_cast<size_t>(b)];
      parent[static_cast<size_t>(a)] = parent[static_cast<size_t>(b)] = made;
      sizes[static_cast<size_t>(made)] = merges_[i].size;
    }
  }

  int64_t n_;
  LinkageMethod method_;
  PairDistances distances_;  // a copy: average and complete linkage overwrite it
  std::vector<int> size_;
  std::vector<Merge> merges_;
};

std::vector<Merge> Linkage(const PairDistances& distances, LinkageMethod method) {
  return MergeTreeBuilder(distances, method).Build();
}

namespace {

std::vector<int> ClustersAfter(std::span<const Merge> merges, int64_t n, size_t count) {
  std::vector<int> label(static_cast<size_t>(n) + merges.size(), -1);
  int next = static_cast<int>(n);
  std::vector<int> parent(label.size());
  std::iota(parent.begin(), parent.end(), 0);
  for (size_t i = 0; i < count; ++i, ++next) {
    parent[static_cast<size_t>(merges[i].first)] = next;
    parent[static_cast<size_t>(merges[i].second)] = next;
  }
  std::vector<int> out;
  int clusters = 0;
  for (int64_t item = 0; item < n; ++item) {
    auto node = static_cast<size_t>(item);
    while (parent[node] != static_cast<int>(node)) {
      const auto up = static_cast<size_t>(parent[node]);
      parent[node] = parent[up];  // shortens the way for the next item
      node = up;
    }
    if (label[node] < 0) label[node] = clusters++;
    out.push_back(label[node]);
  }
  return out;
}

}  // namespace

std::vector<int> CutTree(std::span<const Merge> merges, int64_t n, double cut) {
  const auto end = std::upper_bound(merges.begin(), merges.end(), cut,
                                    [](double at, const Merge& m) { return at < m.distance; });
  return ClustersAfter(merges, n, static_cast<size_t>(end - merges.begin()));
}

std::vector<int> CutToCount(std::span<const Merge> merges, int64_t n, int64_t clusters) {
  ASSAY_CHECK(clusters >= 1 && clusters <= std::max<int64_t>(n, 1));
  return ClustersAfter(merges, n, static_cast<size_t>(std::max<int64_t>(n - clusters, 0)));
}

}  // namespace assay::neurons
