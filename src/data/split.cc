#include "data/split.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "base/rng.h"

namespace assay::data {

Halves SplitInHalves(int count, uint64_t seed, uint64_t stream) {
  ASSAY_CHECK(count >= 0);
  std::vector<int> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  base::Rng(seed, "split in halves", stream).Shuffle(order);
  const auto middle = order.begin() + (count + 1) / 2;
  Halves halves{{order.begin(), middle}, {middle, order.end()}};
  std::sort(halves.train.begin(), halves.train.end());
  std::sort(halves.test.begin(), halves.test.end());
  return halves;
}

}  // namespace assay::data
