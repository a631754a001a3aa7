// Nearest neighbours among many vectors by cosine similarity, with FAISS: exact while that is
// quick, else inverted lists (IVF), of which as many are searched as the wanted recall needs.
// Searching is thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/options.h"

namespace assay::neurons {

struct VectorIndexOptions {
  std::string index = "auto";
  int64_t exact_below = 50000;
  double recall = 0.95;

  template <typename Visitor>
  void VisitFields(Visitor&& visit) {
    visit("index", index, "how neighbours are found; auto: exact below --exact-below, else ivf",
          base::OneOf({"auto", "exact", "ivf"}));
    visit("exact-below", exact_below, "vectors", base::Between(0, 1e12));
    visit("recall", recall,
          "of ivf: the share of the true nearest to find, measured on some of the vectors",
          base::Between(0, 1));
  }
};

struct VectorMatch {
  int64_t vector = 0;
  float similarity = 0;  // cosine
};

class VectorIndex {
 public:
  // vectors: [n, d] row-major, n >= 1; copied, scaled to length 1. Throws kBadInput for a row that
  // is not finite or zero.
  VectorIndex(std::span<const float> vectors, int64_t d, const VectorIndexOptions& options);
  ~VectorIndex();
  VectorIndex(VectorIndex&&) noexcept;

  const std::string& kind() const { return kind_; }  // exact, ivf
  int64_t size() const;

  // The k nearest of each query, most similar first; fewer where there are fewer. [q, d]
  std::vector<std::vector<VectorMatch>> Search(std::span<const float> queries, int64_t k) const;

  // The share of the true k nearest that Search finds, over `queries` of the index's own vectors,
  // evenly chosen. 1 for the exact index.
  double MeasureRecall(int64_t queries, int64_t k) const;

 private:
  // `shift` in [0, 1): which of the vectors between two evenly chosen ones.
  double RecallOf(int64_t queries, int64_t k, double shift) const;

  struct Faiss;
  std::unique_ptr<Faiss> faiss_;
  std::string kind_;
  int64_t d_;
};

}  // namespace assay::neurons
