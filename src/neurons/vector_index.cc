#include "neurons/vector_index.h"

#include <faiss/IndexFlat.h>
#include <faiss/IndexIVFFlat.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.h"

namespace assay::neurons {

using base::ErrorKind;
using base::Fail;

namespace {

// Many short lists: a list is read at the speed of memory, finding the right ones is a matrix
// product.
constexpr double kListsPerRoot = 4;
constexpr size_t kLeastProbes = 4;
constexpr int64_t kCalibration = 200, kCalibrationNearest = 20;  // queries, and neighbours of each

std::vector<float> UnitRows(std::span<const float> rows, int64_t d) {
  ASSAY_CHECK(d > 0 && rows.size() % static_cast<size_t>(d) == 0);
  std::vector<float> out(rows.begin(), rows.end());
  for (size_t begin = 0; begin < out.size(); begin += static_cast<size_t>(d)) {
    double squares = 0;
    for (size_t i = begin; i < begin + static_cast<size_t>(d); ++i)
      squares += static_cast<double>(out[i]) * out[i];
    if (!(squares > 0) || !std::isfinite(squares)) {
      Fail(ErrorKind::kBadInput, "vector {} is zero or not finite: it has no direction",
           begin / static_cast<size_t>(d));
    }
    const auto scale = static_cast<float>(1 / std::sqrt(squares));
    for (size_t i = begin; i < begin + static_cast<size_t>(d); ++i) out[i] *= scale;
  }
  return out;
}

}  // namespace

struct VectorIndex::Faiss {
  std::vector<float> vectors;                   // [n, d] of length 1
  std::unique_ptr<faiss::IndexFlatIP> centres;  // of inverted lists; outlives `index`
  std::unique_ptr<faiss::Index> index;
};

VectorIndex::VectorIndex(std::span<const float> vectors, int64_t d,
                         const VectorIndexOptions& options)
    : faiss_(std::make_unique<Faiss>()), d_(d) {
  base::ValidateFields(options);
  faiss_->vectors = UnitRows(vectors, d);
  const int64_t n = size();
  ASSAY_CHECK(n > 0);
  kind_ = options.index != "auto" ? options.index : n < options.exact_below ? "exact" : "ivf";
  if (kind_ == "exact") {
    faiss_->index = std::make_unique<faiss::IndexFlatIP>(d);
    faiss_->index->add(n, faiss_->vectors.data());
    return;
  }
  const auto lists = static_cast<size_t>(std::clamp<int64_t>(
      static_cast<int64_t>(kListsPerRoot * std::sqrt(static_cast<double>(n))), 1, n));
  faiss_->centres = std::make_unique<faiss::IndexFlatIP>(d);
  auto inverted = std::make_unique<faiss::IndexIVFFlat>(
      faiss_->centres.get(), static_cast<size_t>(d), lists, faiss::METRIC_INNER_PRODUCT);
  // Centres need not be good, only near; and fewer vectors than FAISS likes are no fault of the
  // user's.
  inverted->cp.niter = 8;
  inverted->cp.max_points_per_centroid = 64;
  inverted->cp.min_points_per_centroid = 1;
  inverted->cp.seed = 1234;
  inverted->train(n, faiss_->vectors.data());
  inverted->add(n, faiss_->vectors.data());
  faiss::IndexIVFFlat& probed = *inverted;
  faiss_->index = std::move(inverted);
  for (probed.nprobe = std::min(kLeastProbes, lists);
       probed.nprobe < lists && RecallOf(kCalibration, kCalibrationNearest, 0.5) < options.recall;)
    probed.nprobe = std::min(2 * probed.nprobe, lists);
}

VectorIndex::~VectorIndex() = default;
VectorIndex::VectorIndex(VectorIndex&&) noexcept = default;

int64_t VectorIndex::size() const { return static_cast<int64_t>(faiss_->vectors.size()) / d_; }

namespace {

std::vector<std::vector<VectorMatch>> SearchIndex(const faiss::Index& index,
                                                  const std::vector<float>& queries, int64_t n,
                                                  int64_t k) {
  k = std::min<int64_t>(k, index.ntotal);
  std::vector<float> similarities(static_cast<size_t>(n * k));
  std::vector<faiss::Index::idx_t> found(similarities.size());
  index.search(n, queries.data(), k, similarities.data(), found.data());
  std::vector<std::vector<VectorMatch>> out(static_cast<size_t>(n));
  for (size_t q = 0; q < out.size(); ++q) {
    for (size_t i = q * static_cast<size_t>(k); i < (q + 1) * static_cast<size_t>(k); ++i) {
      if (found[i] >= 0) out[q].push_back({found[i], similarities[i]});  // -1: no more were found
    }
  }
  return out;
}

}  // namespace

std::vector<std::vector<VectorMatch>> VectorIndex::Search(std::span<const float> queries,
                                                          int64_t k) const {
  const std::vector<float> unit = UnitRows(queries, d_);
  return SearchIndex(*faiss_->index, unit, static_cast<int64_t>(unit.size()) / d_, k);
}

double VectorIndex::MeasureRecall(int64_t queries, int64_t k) const {
  return kind_ == "exact" ? 1 : RecallOf(queries, k, 0);
}

double VectorIndex::RecallOf(int64_t queries, int64_t k, double shift) const {
  const int64_t n = size(), count = std::min(queries, n);
  std::vector<float> chosen;
  for (int64_t q = 0; q < count; ++q) {
    const double place = (static_cast<double>(q) + shift) * static_cast<double>(n);
    const auto row =
        faiss_->vectors.begin() + static_cast<int64_t>(place / static_cast<double>(count)) * d_;
    chosen.insert(chosen.end(), row, row + d_);
  }
  faiss::IndexFlatIP exact(d_);
  exact.add(n, faiss_->vectors.data());
  const auto truth = SearchIndex(exact, chosen, count, k),
             found = SearchIndex(*faiss_->index, chosen, count, k);
  double hits = 0, all = 0;
  for (size_t q = 0; q < truth.size(); ++q) {
    std::set<int64_t> ids;
    for (const VectorMatch& match : found[q]) ids.insert(match.vector);
    for (const VectorMatch& match : truth[q]) hits += ids.contains(match.vector) ? 1 : 0;
    all += static_cast<double>(truth[q].size());
  }
  return hits / all;
}

}  // namespace assay::neurons
