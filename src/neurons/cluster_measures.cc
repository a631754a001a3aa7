#include "neurons/cluster_measures.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "base/error.h"
#include "base/rng.h"

namespace assay::neurons {
namespace {

int ClusterCount(std::span<const int> labels) {
  return labels.empty() ? 0 : *std::max_element(labels.begin(), labels.end()) + 1;
}

double Pairs(int64_t n) { return static_cast<double>(n) * static_cast<double>(n - 1) / 2; }

}  // namespace

ClusterMeasures MeasureClusters(const PairDistances& distances, std::span<const int> labels) {
  ASSAY_CHECK(distances.size() == static_cast<int64_t>(labels.size()));
  ClusterMeasures out{.examples = static_cast<int>(labels.size()),
                      .clusters = ClusterCount(labels)};
  double within = 0, across = 0, largest = 0;
  int64_t within_pairs = 0, across_pairs = 0;
  const double* next = distances.values().data();
  for (size_t i = 0; i < labels.size(); ++i) {
    for (size_t j = i + 1; j < labels.size(); ++j) {
      const double distance = *next++;
      largest = std::max(largest, distance);
      (labels[i] == labels[j] ? within : across) += distance;
      ++(labels[i] == labels[j] ? within_pairs : across_pairs);
    }
  }
  const auto all = static_cast<double>(within_pairs + across_pairs);
  if (all > 0) {
    out.mean_distance = (within + across) / all;
    out.max_distance = largest;
    out.polysemanticity = across / all;
  }
  if (within_pairs > 0) out.intra = within / static_cast<double>(within_pairs);
  if (across_pairs > 0) out.inter = across / static_cast<double>(across_pairs);
  return out;
}

std::optional<Interval> PolysemanticityInterval(const PairDistances& distances,
                                                std::span<const int> labels, int draws,
                                                uint64_t seed, uint64_t stream, double level) {
  const size_t n = labels.size();
  if (n < 2 || draws < 1) return std::nullopt;
  base::Rng rng(seed, "polysemanticity", stream);
  std::vector<double> values;
  std::vector<double> times(n);
  while (static_cast<int>(values.size()) < draws) {
    std::fill(times.begin(), times.end(), 0);
    for (size_t i = 0; i < n; ++i) ++times[rng.Below(n)];
    double across = 0, pairs = 0;
    const double* next = distances.values().data();
    for (size_t i = 0; i < n; ++i) {
      if (times[i] == 0) {
        next += n - 1 - i;
        continue;
      }
      for (size_t j = i + 1; j < n; ++j, ++next) {
        const double weight = times[i] * times[j];
        pairs += weight;
        if (labels[i] != labels[j]) across += weight * *next;
      }
    }
    if (pairs > 0) values.push_back(across / pairs);  // else one example, n times: drawn again
  }
  std::sort(values.begin(), values.end());
  const auto at = [&](double share) {
    return values[static_cast<size_t>(std::lround(share * static_cast<double>(draws - 1)))];
  };
  return Interval{at((1 - level) / 2), at((1 + level) / 2)};
}

double MeanSilhouette(const PairDistances& distances, std::span<const int> labels) {
  const size_t n = labels.size(), clusters = static_cast<size_t>(ClusterCount(labels));
  ASSAY_CHECK(clusters >= 2);
  std::vector<double> sizes(clusters, 0), sums(n * clusters, 0);  // sums[i][c]: distances of i to c
  for (const int label : labels) ++sizes[static_cast<size_t>(label)];
  const double* next = distances.values().data();
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = i + 1; j < n; ++j, ++next) {
      sums[i * clusters + static_cast<size_t>(labels[j])] += *next;
      sums[j * clusters + static_cast<size_t>(labels[i])] += *next;
    }
  }
  double total = 0;
  for (size_t i = 0; i < n; ++i) {
    const auto own = static_cast<size_t>(labels[i]);
    if (sizes[own] < 2) continue;
    const double inside = sums[i * clusters + own] / (sizes[own] - 1);
    double outside = INFINITY;
    for (size_t c = 0; c < clusters; ++c) {
      if (c != own) outside = std::min(outside, sums[i * clusters + c] / sizes[c]);
    }
    const double larger = std::max(inside, outside);
    if (larger > 0) total += (outside - inside) / larger;
  }
  return total / static_cast<double>(n);
}

double AdjustedRandIndex(std::span<const int> a, std::span<const int> b) {
  ASSAY_CHECK(a.size() == b.size());
  std::map<std::pair<int, int>, int64_t> both;
  std::map<int, int64_t> in_a, in_b;
  for (size_t i = 0; i < a.size(); ++i) {
    ++both[{a[i], b[i]}];
    ++in_a[a[i]];
    ++in_b[b[i]];
  }
  double together = 0, pairs_a = 0, pairs_b = 0;
  for (const auto& [key, count] : both) together += Pairs(count);
  for (const auto& [key, count] : in_a) pairs_a += Pairs(count);
  for (const auto& [key, count] : in_b) pairs_b += Pairs(count);
  const double all = Pairs(static_cast<int64_t>(a.size()));
  const double expected = all > 0 ? pairs_a * pairs_b / all : 0;
  const double most = (pairs_a + pairs_b) / 2;
  return most == expected ? 1 : (together - expected) / (most - expected);
}

}  // namespace assay::neurons
