// A map from 64-bit hashes to small values, for millions of entries: open addressing, 8 bytes and a
// value a slot. Use it where the hash stands for the thing itself (a collision of two hashes is
// taken as equality; with 10 million entries it has a chance of 3e-6). Entries are never removed.
// Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/rng.h"

namespace assay::data {

template <typename Value>
class HashKeyedMap {
 public:
  struct Slot {
    Value& value;  // valid until the next FindOrInsert
    bool inserted;
  };

  // The value of the key, value-initialised if it was not there.
  Slot FindOrInsert(uint64_t key) {
    if (4 * (size_ + 1) > 3 * keys_.size()) Grow();
    key = NonZero(key);
    const size_t slot = SlotOf(key);
    const bool inserted = keys_[slot] == kEmpty;
    if (inserted) {
      keys_[slot] = key;
      ++size_;
    }
    return {values_[slot], inserted};
  }

  // The value of the key, or null.
  const Value* Find(uint64_t key) const {
    if (size_ == 0) return nullptr;
    key = NonZero(key);
    const size_t slot = SlotOf(key);
    return keys_[slot] == kEmpty ? nullptr : &values_[slot];
  }

  size_t size() const { return size_; }
  size_t MemoryBytes() const { return keys_.size() * (sizeof(uint64_t) + sizeof(Value)); }

 private:
  static constexpr uint64_t kEmpty = 0;

  static uint64_t NonZero(uint64_t key) { return key == kEmpty ? 1 : key; }

  // The key's slot, or the empty one where it belongs. Keys need not be well mixed.
  size_t SlotOf(uint64_t key) const {
    const size_t mask = keys_.size() - 1;
    size_t slot = base::MixBits(key) & mask;
    while (keys_[slot] != kEmpty && keys_[slot] != key) slot = (slot + 1) & mask;
    return slot;
  }

  void Grow() {
    HashKeyedMap larger;
    larger.keys_.resize(keys_.empty() ? 16 : 2 * keys_.size(), kEmpty);
    larger.values_.resize(larger.keys_.size());
    for (size_t i = 0; i < keys_.size(); ++i) {
      if (keys_[i] != kEmpty) larger.FindOrInsert(keys_[i]).value = values_[i];
    }
    *this = std::move(larger);
  }

  std::vector<uint64_t> keys_;  // size is 0 or a power of two
  std::vector<Value> values_;
  size_t size_ = 0;
};

}  // namespace assay::data
