// The best few of many values that come one by one. Internal to store.
#pragma once

#include <algorithm>
#include <vector>

namespace assay::store {

template <typename Value, typename Better>
class Strongest {
 public:
  Strongest(int limit, Better better) : limit_(static_cast<size_t>(limit)), better_(better) {}

  // False when the value is not among the best so far; nothing that is not better than it will be.
  bool Add(const Value& value) {
    if (values_.size() == limit_) {
      if (!better_(value, values_.front())) return false;
      std::pop_heap(values_.begin(), values_.end(), better_);
      values_.pop_back();
    }
    values_.push_back(value);
    std::push_heap(values_.begin(), values_.end(), better_);
    return true;
  }

  // Best first. Leaves nothing behind.
  std::vector<Value> Take() {
    std::sort_heap(values_.begin(), values_.end(), better_);
    return std::move(values_);
  }

 private:
  size_t limit_;
  Better better_;
  std::vector<Value> values_;  // a heap with the weakest at the front
};

}  // namespace assay::store
