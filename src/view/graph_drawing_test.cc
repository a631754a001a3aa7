#include "view/graph_drawing.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "view/view_testing.h"

namespace assay::view {
namespace {

using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

// "from>to" or "from>to(gap)", tokens with their depth.
std::vector<std::string> Edges(const DrawnGraph& graph) {
  std::vector<std::string> out;
  const auto name = [&](int node) {
    return fmt::format("{}@{}", graph.nodes[node].text, graph.nodes[node].depth);
  };
  for (const DrawnEdge& edge : graph.edges) {
    out.push_back(fmt::format("{}>{}{}", name(edge.from), name(edge.to),
                              edge.max_gap > 0 ? "(" + GapLabel(edge) + ")" : ""));
  }
  return out;
}

const DrawnNode& NodeNamed(const DrawnGraph& graph, const std::string& text, int depth) {
  for (const DrawnNode& node : graph.nodes) {
    if (node.text == text && node.depth == depth) return node;
  }
  throw std::runtime_error("no node " + text);
}

TEST(DrawGraphTest, TurnsIgnoreNodesIntoGaps) {
  Vocabulary vocabulary;
  store::Graph graph = EmptyGraph();
  AddPath(graph, vocabulary, "a", {kAny, kAny, {"b", 0.9f}, {"c", 0.8f}}, 1);
  const DrawnGraph drawn = DrawGraph(graph, vocabulary.texts());
  EXPECT_EQ(drawn.nodes.size(), 3u);
  EXPECT_THAT(Edges(drawn), UnorderedElementsAre("b@1>a@0(2)", "c@2>b@1"));
}

TEST(DrawGraphTest, CollapsesEqualTokensAtTheSameDepth) {
  Vocabulary vocabulary;
  store::Graph graph = EmptyGraph();
  AddPath(graph, vocabulary, "a", {{"x", 0.8f}, {"y", 0.9f}}, 0.7f);
  AddPath(graph, vocabulary, "b", {{"x", 0.95f}}, 1);
  AddPath(graph, vocabulary, "a", {kAny, {"x", 0.76f}}, 0.6f);  // depth 1 once the IGNORE is gone
  const DrawnGraph drawn = DrawGraph(graph, vocabulary.texts());
  EXPECT_THAT(Edges(drawn), UnorderedElementsAre("x@1>a@0(0–1)", "x@1>b@0", "y@2>x@1"));
  const DrawnNode& x = NodeNamed(drawn, "x", 1);
  EXPECT_FLOAT_EQ(x.importance, 0.95f);
  EXPECT_FLOAT_EQ(x.path_activation, 1);
  EXPECT_TRUE(x.can_end);
  EXPECT_EQ(x.trie_nodes.size(), 3u);
  EXPECT_TRUE(NodeNamed(drawn, "y", 2).can_end);
  EXPECT_FALSE(NodeNamed(drawn, "a", 0).can_end);
}

TEST(DrawGraphTest, KeepsTheSameTokenAtAnotherDepthApart) {
  Vocabulary vocabulary;
  store::Graph graph = EmptyGraph();
  AddPath(graph, vocabulary, "a", {{"a", 0.8f}, {"a", 0.9f}}, 1);
  const DrawnGraph drawn = DrawGraph(graph, vocabulary.texts());
  EXPECT_EQ(drawn.nodes.size(), 3u);
  EXPECT_EQ(drawn.activating, 1);
  EXPECT_EQ(drawn.context, 2);
}

TEST(DrawGraphTest, MarksAnActivatingTokenThatNeedsNoContext) {
  Vocabulary vocabulary;
  const store::Graph graph = CapitalGraph(vocabulary);
  const DrawnGraph drawn = DrawGraph(graph, vocabulary.texts());
  EXPECT_TRUE(NodeNamed(drawn, "·London", 0).can_end);
  EXPECT_FALSE(NodeNamed(drawn, "·Paris", 0).can_end);
}

TEST(DrawGraphTest, OfAnEmptyGraphIsEmptyAndSaysSo) {
  const DrawnGraph drawn = DrawGraph(EmptyGraph(), {});
  EXPECT_TRUE(drawn.nodes.empty());
  EXPECT_EQ(HiddenNote(drawn), "");
  EXPECT_THAT(DescribeGraph(drawn), HasSubstr("no training example"));
  store::Graph nothing;
  EXPECT_TRUE(DrawGraph(nothing, {}).nodes.empty());
}

TEST(DrawGraphTest, KeepsTheStrongestWithinTheLimitAndCountsTheRest) {
  Vocabulary vocabulary;
  store::Graph graph = EmptyGraph();
  for (int i = 0; i < 20; ++i) {
    const float activation = 1 - 0.02f * static_cast<float>(i);
    AddPath(graph, vocabulary, fmt::format("act{}", i),
            {{fmt::format("near{}", i), 0.9f}, {fmt::format("far{}", i), 0.8f}}, activation);
  }
  DrawOptions options;
  options.max_nodes = 10;
  const DrawnGraph drawn = DrawGraph(graph, vocabulary.texts(), options);
  ASSERT_EQ(drawn.nodes.size(), 10u);
  EXPECT_EQ(drawn.activating, 20);
  EXPECT_EQ(drawn.context, 40);
  EXPECT_EQ(HiddenNote(drawn), "+ 50 more (15 activating, 35 context)");
  std::set<std::string> kept;
  for (const DrawnNode& node : drawn.nodes) kept.insert(node.text);
  EXPECT_TRUE(kept.contains("act0") && kept.contains("near0") && kept.contains("far0") &&
              kept.contains("act4"));
  EXPECT_FALSE(kept.contains("act5"));
}

TEST(DrawGraphTest, NeverShowsContextWithoutWhatItLeadsTo) {
  Vocabulary vocabulary;
  store::Graph graph = EmptyGraph();
  for (int i = 0; i < 30; ++i) {
    std::vector<Step> context;
    for (int depth = 0; depth < 8; ++depth)
      context.push_back({fmt::format("c{}-{}", i % 7, depth + i % 3), 0.8f});
    AddPath(graph, vocabulary, fmt::format("a{}", i), context,
            0.5f + 0.01f * static_cast<float>(i));
  }
  for (int limit = 1; limit < 60; ++limit) {
    DrawOptions options;
    options.max_nodes = limit;
    const DrawnGraph drawn = DrawGraph(graph, vocabulary.texts(), options);
    ASSERT_EQ(
        drawn.nodes.size() + static_cast<size_t>(drawn.hidden_activating + drawn.hidden_context),
        static_cast<size_t>(drawn.activating + drawn.context));
    std::set<int> leads;
    for (const DrawnEdge& edge : drawn.edges) leads.insert(edge.from);
    for (size_t i = 0; i < drawn.nodes.size(); ++i) {
      ASSERT_TRUE(drawn.nodes[i].activating || leads.contains(static_cast<int>(i))) << limit;
    }
  }
}

TEST(DrawGraphTest, ShortensLabelsButKeepsTheText) {
  Vocabulary vocabulary;
  store::Graph graph = EmptyGraph();
  AddPath(graph, vocabulary, std::string(50, 'w'), {}, 1);
  const DrawnGraph drawn = DrawGraph(graph, vocabulary.texts());
  EXPECT_EQ(drawn.nodes[0].label, std::string(23, 'w') + "…");
  EXPECT_EQ(drawn.nodes[0].text, std::string(50, 'w'));
}

TEST(DrawGraphTest, RefusesWhatIsNoTrie) {
  using Kind = store::TrieNode::Kind;
  const auto refused = [](std::vector<store::TrieNode> nodes) {
    store::Graph graph = EmptyGraph();
    graph.nodes.insert(graph.nodes.end(), nodes.begin(), nodes.end());
    try {
      DrawGraph(graph, {});
    } catch (const base::Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("graph of unit 2:15"));
      return error.kind() == base::ErrorKind::kBadInput;
    }
    return false;
  };
  EXPECT_TRUE(refused({{Kind::kActivating, 5, 0, 0, 0}}));
  EXPECT_TRUE(refused({{Kind::kActivating, -1, 0, 0, 0}}));
  EXPECT_TRUE(refused({{Kind::kContext, 0, 0, 0, 0}}));
  EXPECT_TRUE(refused({{Kind::kRoot, 0, 0, 0, 0}}));
  EXPECT_TRUE(refused(
      {{Kind::kActivating, 0, 0, 0, 0}, {Kind::kEnd, 1, 0, 0, 0}, {Kind::kContext, 2, 0, 0, 0}}));
  EXPECT_TRUE(refused({{Kind::kActivating, 0, 0, 0, 0}, {Kind::kActivating, 1, 0, 0, 0}}));
}

TEST(DrawGraphTest, RefusesOptionsOutOfRange) {
  DrawOptions options;
  options.max_nodes = 0;
  EXPECT_THROW(DrawGraph(EmptyGraph(), {}, options), base::Error);
}

TEST(DescribeGraphTest, CountsAndNames) {
  Vocabulary vocabulary;
  const store::Graph graph = CapitalGraph(vocabulary);
  const DrawnGraph drawn = DrawGraph(graph, vocabulary.texts());
  EXPECT_EQ(DescribeGraph(drawn),
            "2 activating tokens and 2 context tokens. Strongest activating tokens: ·Paris (1.00), "
            "·London (0.60).");
}

}  // namespace
}  // namespace assay::view
