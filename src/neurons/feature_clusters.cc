#include "neurons/feature_clusters.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "base/rng.h"

namespace assay::neurons {
namespace {

constexpr int64_t kLeastForAutomaticCut = 4;

struct BestCut {
  double silhouette = -1;
  int clusters = 1;
  double distance = 0;
};

// The number of clusters with the largest silhouette. Numbers that no distance gives (merges at the
// same distance) are left out. clusters stays 1 when there is no candidate.
BestCut LargestSilhouette(const PairDistances& distances, std::span<const Merge> merges,
                          int max_clusters) {
  BestCut best;
  const int64_t n = distances.size();
  for (int64_t k = 2; k <= std::min<int64_t>(max_clusters, n - 1); ++k) {
    const double below = merges[static_cast<size_t>(n - k - 1)].distance,
                 above = merges[static_cast<size_t>(n - k)].distance;
    if (below == above) continue;
    const double silhouette = MeanSilhouette(distances, CutToCount(merges, n, k));
    if (silhouette > best.silhouette)
      best = {silhouette, static_cast<int>(k), below + (above - below) / 2};
  }
  return best;
}

std::vector<float> PermuteWithinCoordinates(std::span<const float> vectors, int64_t d,
                                            base::Rng& rng) {
  std::vector<float> out(vectors.begin(), vectors.end());
  const auto width = static_cast<size_t>(d), n = vectors.size() / width;
  for (size_t column = 0; column < width; ++column) {
    for (size_t i = n; i > 1; --i)
      std::swap(out[(i - 1) * width + column], out[rng.Below(i) * width + column]);
  }
  return out;
}

// Sets out.cut and out.reason.
void ChooseCut(std::span<const float> vectors, int64_t d, const PairDistances& distances,
               const ClusterOptions& options, uint64_t stream, const std::string& name,
               FeatureClusters& out) {
  const int64_t n = distances.size();
  out.cut = options.distance;
  if (options.cut == "fixed") {
    out.reason = fmt::format("fixed distance {}", options.distance);
    return;
  }
  if (n < kLeastForAutomaticCut) {
    out.reason = fmt::format("fixed distance {}: {} examples are too few to choose from",
                             options.distance, n);
    return;
  }
  const BestCut best = LargestSilhouette(distances, out.merges, options.max_clusters);
  const double everything = out.merges.back().distance;
  if (best.clusters == 1) {
    out.cut = everything;
    out.reason = "one cluster: the examples do not differ";
    return;
  }
  const LinkageMethod method = ParseLinkage(options.linkage);
  base::Rng rng(options.seed, "cluster null", stream);
  double largest = -1;
  for (int draw = 0; draw < options.null_draws; ++draw) {
    const PairDistances null =
        CosineDistances(PermuteWithinCoordinates(vectors, d, rng), d, name + " (permuted)");
    const double silhouette =
        LargestSilhouette(null, Linkage(null, method), options.max_clusters).silhouette;
    largest = std::max(largest, silhouette);
    if (largest >= best.silhouette) {
      out.cut = everything;
      out.reason = fmt::format(
          "one cluster: silhouette {:.3f} with {} clusters, a permutation reaches {:.3f}",
          best.silhouette, best.clusters, largest);
      return;
    }
  }
  out.cut = best.distance;
  out.reason = fmt::format("silhouette {:.3f} with {} clusters, {} permutations reach {:.3f}",
                           best.silhouette, best.clusters, options.null_draws, largest);
}

std::optional<double> Stability(const PairDistances& distances, const FeatureClusters& clusters,
                                const ClusterOptions& options, uint64_t stream) {
  const auto n = static_cast<size_t>(distances.size());
  if (n < 2 || options.stability_draws == 0) return std::nullopt;
  const LinkageMethod method = ParseLinkage(options.linkage);
  base::Rng rng(options.seed, "cluster stability", stream);
  double sum = 0;
  for (int draw = 0; draw < options.stability_draws; ++draw) {
    std::vector<char> drawn(n, 0);
    for (size_t i = 0; i < n; ++i) drawn[rng.Below(n)] = 1;
    std::vector<int> kept, before;
    for (size_t i = 0; i < n; ++i) {
      if (!drawn[i]) continue;
      kept.push_back(static_cast<int>(i));
      before.push_back(clusters.labels[i]);
    }
    const PairDistances part = distances.Subset(kept);
    sum += AdjustedRandIndex(before, CutTree(Linkage(part, method), part.size(), clusters.cut));
  }
  return sum / options.stability_draws;
}

}  // namespace

std::vector<std::vector<int>> CentralFirst(const PairDistances& distances,
                                           std::span<const int> labels) {
  std::vector<std::vector<int>> members;
  for (size_t i = 0; i < labels.size(); ++i) {
    if (static_cast<size_t>(labels[i]) >= members.size())
      members.resize(static_cast<size_t>(labels[i]) + 1);
    members[static_cast<size_t>(labels[i])].push_back(static_cast<int>(i));
  }
  for (std::vector<int>& cluster : members) {
    std::vector<double> sum(labels.size(), 0);
    for (const int i : cluster) {
      for (const int j : cluster) sum[static_cast<size_t>(i)] += i == j ? 0 : distances(i, j);
    }
    std::stable_sort(cluster.begin(), cluster.end(), [&](int a, int b) {
      return sum[static_cast<size_t>(a)] < sum[static_cast<size_t>(b)];
    });
  }
  return members;
}

FeatureClusters FindClusters(std::span<const float> vectors, int64_t d,
                             const ClusterOptions& options, uint64_t stream,
                             const std::string& name) {
  base::ValidateFields(options);
  const PairDistances distances = CosineDistances(vectors, d, name);
  FeatureClusters out;
  out.merges = Linkage(distances, ParseLinkage(options.linkage));
  ChooseCut(vectors, d, distances, options, stream, name, out);
  out.labels = CutTree(out.merges, distances.size(), out.cut);
  out.members = CentralFirst(distances, out.labels);
  out.measures = MeasureClusters(distances, out.labels);
  out.polysemanticity_interval =
      PolysemanticityInterval(distances, out.labels, options.interval_draws, options.seed, stream);
  out.stability = Stability(distances, out, options, stream);
  return out;
}

}  // namespace assay::neurons
