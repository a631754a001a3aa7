// Names for clusters of examples: the commonest tokens on which the unit fires in the cluster, and
// those that stand before them more often than before other examples. Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace assay::neurons {

using TokenId = int32_t;

// An example's tokens up to and including its pivot.
struct LabelledExample {
  std::span<const TokenId> tokens;
  size_t pivot = 0;
};

struct ClusterLabel {
  std::vector<TokenId> activating,
      context;       // at most 3 of each that read differently, commonest first
  std::string text;  // UTF-8: "cat / dog (after: the, big)"
};

class ClusterLabeller {
 public:
  // texts[id] is how token id reads; borrowed. Tokens before `first_counted` (BOS) are no context.
  ClusterLabeller(std::span<const std::string> texts, size_t first_counted)
      : texts_(texts), first_counted_(first_counted) {}

  // Counts an example among all, against which contexts are compared.
  void AddToBackground(const LabelledExample& example);

  // A context token must stand before at least two examples, or the only one, and before a larger
  // share of them than of all examples. `examples` is not empty.
  ClusterLabel Label(std::span<const LabelledExample> examples) const;

 private:
  std::vector<TokenId> ContextOf(const LabelledExample& example) const;  // distinct

  std::span<const std::string> texts_;
  size_t first_counted_;
  std::map<TokenId, int64_t> background_;
  int64_t background_examples_ = 0;
};

}  // namespace assay::neurons
