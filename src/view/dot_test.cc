#include "view/dot.h"

#include <gmock/gmock.h>
#include <graphviz/cgraph.h>
#include <gtest/gtest.h>

#include "view/view_testing.h"

namespace assay::view {
namespace {

TEST(WriteDotTest, GoldenText) {
  Vocabulary vocabulary;
  store::Graph graph = CapitalGraph(vocabulary);
  AddPath(graph, vocabulary, " Paris", {kAny, kAny, {"\"in\"\n", 0.76f}}, 0.9f);
  EXPECT_EQ(WriteDot(DrawGraph(graph, vocabulary.texts()), "2:15"), R"dot(digraph "2:15" {
  graph [rankdir=LR, nodesep=0.15, ranksep=0.5, charset="UTF-8", fontname="Helvetica", labelloc=b,
         label=""];
  node [shape=box, style="rounded,filled", color="#1c2127", fontname="Helvetica", fontsize=14,
        height=0.3, margin="0.12,0.04"];
  edge [color="#98a1ac", fontcolor="#5b6470", fontname="Helvetica", fontsize=11, arrowsize=0.6];
  n0 [label="·Paris", fillcolor="#a50f26", fontcolor="#ffffff", penwidth=0.8, tooltip="·Paris: activation 1.00"];
  n1 [label="·of", fillcolor="#5495d6", fontcolor="#000000", penwidth=0.8, tooltip="·of: importance 0.80"];
  n2 [label="·capital", fillcolor="#2060ab", fontcolor="#ffffff", penwidth=2.6, tooltip="·capital: importance 0.95"];
  n3 [label="\"in\"↵", fillcolor="#70a8de", fontcolor="#000000", penwidth=2.6, tooltip="\"in\"↵: importance 0.76"];
  n4 [label="·London", fillcolor="#fac2b2", fontcolor="#000000", penwidth=2.6, tooltip="·London: activation 0.60"];
  { rank=sink; n0; n4; }
  n1 -> n0;
  n3 -> n0 [style=dashed, label="··2"];
  n2 -> n1;
}
)dot");
}

TEST(WriteDotTest, OfAnEmptyGraphIsADigraph) {
  EXPECT_THAT(WriteDot(DrawGraph(EmptyGraph(), {}), "x"), testing::StartsWith("digraph \"x\" {"));
}

TEST(WriteDotTest, SaysWhatTheLimitLeftOut) {
  Vocabulary vocabulary;
  DrawOptions options;
  options.max_nodes = 1;
  const store::Graph graph = CapitalGraph(vocabulary);
  const std::string dot = WriteDot(DrawGraph(graph, vocabulary.texts(), options), "x");
  EXPECT_THAT(dot, testing::HasSubstr("+ 3 more (1 activating, 2 context)"));
}

// What Graphviz reads back is the label, with its own escapes undone by us.
TEST(WriteDotTest, HostileTokensSurviveGraphvizParser) {
  Vocabulary vocabulary;
  store::Graph graph = EmptyGraph();
  for (const std::string& token : HostileTokens())
    AddPath(graph, vocabulary, token, {{token, 0.9f}}, 1);
  const DrawnGraph drawn = DrawGraph(graph, vocabulary.texts());
  const std::string dot = WriteDot(drawn, HostileTokens()[5] + "\n" + HostileTokens()[0]);
  Agraph_t* parsed = agmemread(dot.c_str());
  ASSERT_NE(parsed, nullptr);
  EXPECT_EQ(agnnodes(parsed), static_cast<int>(drawn.nodes.size()));
  EXPECT_EQ(agnedges(parsed), static_cast<int>(drawn.edges.size()));
  for (size_t i = 0; i < drawn.nodes.size(); ++i) {
    std::string name = "n" + std::to_string(i), attribute = "label";
    Agnode_t* node = agnode(parsed, name.data(), 0);
    ASSERT_NE(node, nullptr);
    std::string
        expected;  // backslashes stay doubled and & an entity until Graphviz draws the label
    for (const char c : drawn.nodes[i].label)
      expected += c == '\\' ? "\\\\" : c == '&' ? "&amp;" : std::string(1, c);
    EXPECT_EQ(agget(node, attribute.data()), expected);
  }
  agclose(parsed);
}

}  // namespace
}  // namespace assay::view
