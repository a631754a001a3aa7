#include "data/hash_keyed_map.h"

#include <gtest/gtest.h>

#include <map>

namespace assay::data {
namespace {

TEST(HashKeyedMapTest, AgreesWithAnOrderedMap) {
  HashKeyedMap<int> map;
  std::map<uint64_t, int> expected;
  base::Rng rng(1, "keys");
  for (int i = 0; i < 20'000; ++i) {
    const uint64_t key = 1 + rng.Below(5'000);  // small keys: the map must not need mixed ones
    const auto slot = map.FindOrInsert(key);
    EXPECT_EQ(slot.inserted, !expected.contains(key));
    slot.value += i;
    expected[key] += i;
  }
  EXPECT_EQ(map.size(), expected.size());
  for (const auto& [key, value] : expected) {
    ASSERT_NE(map.Find(key), nullptr);
    EXPECT_EQ(*map.Find(key), value);
  }
  EXPECT_EQ(map.Find(6'000), nullptr);
}

TEST(HashKeyedMapTest, TakesEveryKey) {
  HashKeyedMap<int> map;
  EXPECT_EQ(map.Find(0), nullptr);
  EXPECT_TRUE(map.FindOrInsert(0).inserted);
  EXPECT_TRUE(map.FindOrInsert(~uint64_t{0}).inserted);
  EXPECT_FALSE(map.FindOrInsert(0).inserted);
  EXPECT_EQ(map.size(), 2u);
}

}  // namespace
}  // namespace assay::data
