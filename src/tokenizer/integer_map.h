// A hash table from 64-bit keys to small values, for look-ups in inner loops (pairs of ids, edges
// of a trie). Open addressing, linear probing, at most half full. Values must be
// default-constructible. Not thread-safe while it is being filled, thread-safe afterwards.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/rng.h"

namespace assay::tokenizer {

template <typename Value>
class IntegerMap {
 public:
  IntegerMap() : slots_(16) {}

  // The value at `key`, made if it is absent.
  Value& operator[](uint64_t key) {
    if (2 * (count_ + 1) > slots_.size()) Grow();
    Slot& slot = slots_[IndexOf(key)];
    if (!slot.used) {
      slot.used = true;
      slot.key = key;
      ++count_;
    }
    return slot.value;
  }

  // Null when `key` is absent.
  const Value* Find(uint64_t key) const {
    const Slot& slot = slots_[IndexOf(key)];
    return slot.used ? &slot.value : nullptr;
  }

  size_t Count() const { return count_; }

 private:
  struct Slot {
    uint64_t key = 0;
    Value value{};
    bool used = false;
  };

  // The slot that holds `key`, or the free one where it belongs. The size is a power of two.
  size_t IndexOf(uint64_t key) const {
    const size_t mask = slots_.size() - 1;
    size_t index = base::MixBits(key) & mask;
    while (slots_[index].used && slots_[index].key != key) index = (index + 1) & mask;
    return index;
  }

  void Grow() {
    std::vector<Slot> old(2 * slots_.size());
    old.swap(slots_);
    for (const Slot& slot : old) {
      if (slot.used) slots_[IndexOf(slot.key)] = slot;
    }
  }

  std::vector<Slot> slots_;
  size_t count_ = 0;
};

}  // namespace assay::tokenizer
