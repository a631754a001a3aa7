#include "store/graph_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/rng.h"
#include "store/store_testing.h"

namespace assay::store {
namespace {

using testing::ElementsAre;
using Kind = TrieNode::Kind;

std::vector<TrieNode> RandomTrie(base::Rng& rng, int size) {
  std::vector<TrieNode> nodes(1);
  for (int i = 1; i < size; ++i) {
    TrieNode node;
    node.kind = static_cast<Kind>(1 + rng.Below(4));
    node.parent = static_cast<int32_t>(rng.Below(static_cast<uint64_t>(i)));
    node.token = static_cast<TokenId>(rng.Next() >> (33 + rng.Below(31)));
    node.activation = rng.Below(2) ? static_cast<float>(rng.Normal()) : 0;
    node.importance =
        rng.Below(2) ? std::bit_cast<float>(static_cast<uint32_t>(rng.Next())) : -0.0f;
    nodes.push_back(node);
  }
  return nodes;
}

bool SameNodes(const std::vector<TrieNode>& a, const std::vector<TrieNode>& b) {
  return std::equal(
      a.begin(), a.end(), b.begin(), b.end(), [](const TrieNode& x, const TrieNode& y) {
        return x.kind == y.kind && x.parent == y.parent && x.token == y.token &&
               std::bit_cast<uint32_t>(x.activation) == std::bit_cast<uint32_t>(y.activation) &&
               std::bit_cast<uint32_t>(x.importance) == std::bit_cast<uint32_t>(y.importance);
      });
}

TEST(GraphCodecTest, GivesBackTheNodes) {
  base::Rng rng(1, "tries");
  for (int round = 0; round < 200; ++round) {
    const std::vector<TrieNode> nodes = RandomTrie(rng, static_cast<int>(rng.Below(300)) + 1);
    const auto read = DecodeTrie(EncodeTrie(nodes));
    ASSERT_TRUE(read);
    EXPECT_TRUE(SameNodes(*read, nodes));
  }
  EXPECT_TRUE(DecodeTrie(EncodeTrie({}))->empty());
  std::vector<TrieNode> extreme(2);
  extreme[1] = {Kind::kContext, 0, -1, NAN, -INFINITY};
  EXPECT_TRUE(SameNodes(*DecodeTrie(EncodeTrie(extreme)), extreme));
}

TEST(GraphCodecTest, TakesFewBytes) {
  const Graph graph = MakeGraph({0, 0}, {464, 1212, 50000}, {11, 262});
  EXPECT_LE(EncodeTrie(graph.nodes).size(), graph.nodes.size() * 8);
}

TEST(GraphCodecTest, RefusesEveryTruncation) {
  base::Rng rng(2, "cuts");
  const std::string bytes = EncodeTrie(RandomTrie(rng, 40));
  for (size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_FALSE(DecodeTrie(bytes.substr(0, length)));
  }
  EXPECT_FALSE(DecodeTrie(bytes + '\0'));
  const std::string tokens = EncodeTokens({{1, 300, 70000}, {2, 3}});
  for (size_t length = 0; length < tokens.size(); ++length) {
    EXPECT_FALSE(DecodeTokens(tokens.substr(0, length)));
  }
  EXPECT_FALSE(DecodeTokens(tokens + '\0'));
}

TEST(GraphCodecTest, SurvivesChangedBytes) {
  base::Rng rng(3, "changes");
  const std::string bytes = EncodeTrie(RandomTrie(rng, 40));
  for (int round = 0; round < 5000; ++round) {
    std::string damaged = bytes;
    for (uint64_t i = 0; i <= rng.Below(3); ++i) {
      damaged[rng.Below(bytes.size())] = static_cast<char>(rng.Below(256));
    }
    const auto nodes = DecodeTrie(damaged);
    EXPECT_TRUE(!nodes || !TrieFault(*nodes));
    DecodeTokens(damaged);
  }
}

TEST(GraphCodecTest, NamesTheFaultOfATrie) {
  EXPECT_FALSE(TrieFault({}));
  EXPECT_FALSE(TrieFault({{Kind::kRoot, 0, 0, 0, 0}, {Kind::kActivating, 0, 1, 1, 0}}));
  EXPECT_TRUE(TrieFault({{Kind::kActivating, 0, 1, 1, 0}}));
  EXPECT_TRUE(TrieFault({{Kind::kRoot, 1, 0, 0, 0}}));
  EXPECT_TRUE(TrieFault({{Kind::kRoot, 0, 0, 0, 0}, {Kind::kRoot, 0, 0, 0, 0}}));
  EXPECT_TRUE(TrieFault({{Kind::kRoot, 0, 0, 0, 0}, {Kind::kEnd, 1, 0, 0, 0}}));
  EXPECT_TRUE(TrieFault({{Kind::kRoot, 0, 0, 0, 0}, {Kind::kEnd, -1, 0, 0, 0}}));
}

TEST(GraphCodecTest, CollectsTokensStrongestFirst) {
  const GraphTokens tokens = CollectTokens({{Kind::kRoot, 0, 0, 0, 0},
                                            {Kind::kActivating, 0, 4, 0.75f, 0},
                                            {Kind::kActivating, 0, 9, 1.0f, 0},
                                            {Kind::kActivating, 0, 2, 0.75f, 0},
                                            {Kind::kContext, 1, 7, 0, 0.8f},
                                            {Kind::kContext, 2, 9, 0, NAN},
                                            {Kind::kIgnore, 2, 0, 0, 0},
                                            {Kind::kContext, 6, 4, 0, 0.9f},
                                            {Kind::kContext, 3, 7, 0, 0.95f},
                                            {Kind::kEnd, 8, 0, 1, 0}});
  EXPECT_THAT(tokens.activating, ElementsAre(9, 2, 4));
  EXPECT_THAT(tokens.context, ElementsAre(7, 4, 9));
  EXPECT_EQ(tokens.Repeated(), 2);
  EXPECT_EQ(DecodeTokens(EncodeTokens(tokens)), tokens);
  EXPECT_EQ(DecodeTokens(EncodeTokens({})), GraphTokens{});
}

}  // namespace
}  // namespace assay::store
