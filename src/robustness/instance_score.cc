#include "robustness/instance_score.h"

#include <algorithm>
#include <map>
#include <set>

namespace assay::robustness {
namespace {

std::optional<double> Share(int64_t part, int64_t whole) {
  if (whole == 0) return std::nullopt;
  return static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

std::optional<double> InstanceScore::f1() const { return Share(2 * matched, found + truth); }
std::optional<double> InstanceScore::aji() const { return Share(aji_intersection, aji_union); }
std::optional<double> InstanceScore::dice() const {
  return Share(2 * pixels_both, pixels_found + pixels_truth);
}

InstanceScore& InstanceScore::operator+=(const InstanceScore& other) {
  found += other.found;
  truth += other.truth;
  matched += other.matched;
  aji_intersection += other.aji_intersection;
  aji_union += other.aji_union;
  pixels_both += other.pixels_both;
  pixels_found += other.pixels_found;
  pixels_truth += other.pixels_truth;
  return *this;
}

InstanceScore ScoreInstances(const LabelImage& found, const LabelImage& truth) {
  if (found.height != truth.height || found.width != truth.width) {
    base::Fail(base::ErrorKind::kBadInput, "label maps of {} x {} and {} x {} pixels are compared",
               found.width, found.height, truth.width, truth.height);
  }
  std::map<int32_t, int64_t> found_area, truth_area;
  std::map<int32_t, std::map<int32_t, int64_t>> overlaps;  // truth -> found -> pixels
  InstanceScore score;
  for (size_t i = 0; i < truth.labels.size(); ++i) {
    const int32_t t = truth.labels[i], f = found.labels[i];
    if (t != 0) ++truth_area[t];
    if (f != 0) ++found_area[f];
    if (t != 0 && f != 0) {
      ++overlaps[t][f];
      ++score.pixels_both;
    }
  }
  score.found = static_cast<int64_t>(found_area.size());
  score.truth = static_cast<int64_t>(truth_area.size());
  std::set<int32_t> used;
  for (const auto& [t, area] : truth_area) {
    score.pixels_truth += area;
    int32_t best = 0;
    int64_t best_both = 0, best_union = 1;
    for (const auto& [f, both] : overlaps[t]) {
      const int64_t either = area + found_area[f] - both;
      if (both * best_union > best_both * either) {
        best = f;
        best_both = both;
        best_union = either;
      }
    }
    if (2 * best_both > best_union) ++score.matched;
    score.aji_intersection += best_both;
    score.aji_union += best == 0 ? area : best_union;
    if (best != 0) used.insert(best);
  }
  for (const auto& [f, area] : found_area) {
    score.pixels_found += area;
    if (!used.contains(f)) score.aji_union += area;
  }
  return score;
}

}  // namespace assay::robustness
