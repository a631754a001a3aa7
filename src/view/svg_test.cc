#include "view/svg.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <thread>

#include "view/graph_layout.h"
#include "view/view_testing.h"

namespace assay::view {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string Draw(const store::Graph& graph, const Vocabulary& vocabulary,
                 const SvgOptions& options = {}, int max_nodes = 60) {
  DrawOptions draw;
  draw.max_nodes = max_nodes;
  return WriteSvg(DrawGraph(graph, vocabulary.texts(), draw), options);
}

TEST(WriteSvgTest, IsWellFormedAndNamed) {
  Vocabulary vocabulary;
  SvgOptions options;
  options.title = "Neuron <2:15>";
  options.id = "n-2-15";
  const std::string svg = Draw(CapitalGraph(vocabulary), vocabulary, options);
  const MarkupReport report = CheckMarkup(svg, false);
  EXPECT_EQ(report.problem, "");
  EXPECT_THAT(svg, HasSubstr("role=\"img\" aria-labelledby=\"n-2-15-title n-2-15-desc\""));
  EXPECT_THAT(svg, HasSubstr("<title id=\"n-2-15-title\">Neuron &lt;2:15&gt;</title>"));
  EXPECT_THAT(svg, HasSubstr("<desc id=\"n-2-15-desc\">2 activating tokens and 2 context tokens."));
  EXPECT_THAT(svg, HasSubstr("prefers-color-scheme:dark"));
  EXPECT_EQ(report.elements.at("style"), 1);
}

TEST(WriteSvgTest, HasOneBoxANodeAndOneWireAnEdge) {
  Vocabulary vocabulary;
  const store::Graph graph = CapitalGraph(vocabulary);
  const std::string svg = Draw(graph, vocabulary);
  const auto count = [&](const std::string& pattern) {
    const std::regex regex(pattern);
    return std::distance(std::sregex_iterator(svg.begin(), svg.end(), regex),
                         std::sregex_iterator());
  };
  EXPECT_EQ(count("data-node="), 4);
  EXPECT_EQ(count("data-from="), 2);
  EXPECT_EQ(count("class=\"node act-10\""), 1) << "Paris: needs context, so no bold outline";
  EXPECT_EQ(count("class=\"node act-2 end\""), 1) << "London: 0.6 on a scale from 0.5 to 1";
  EXPECT_EQ(count("class=\"node imp-9 end\""), 1) << "capital";
  EXPECT_EQ(count("class=\"node imp-6\""), 1) << "of";
}

// x of the left edge of a token's box.
double LeftOf(const std::string& svg, const std::string& token) {
  const std::regex regex("<title>" + token + "\n[^<]*</title><rect class=\"box\" x=\"([-0-9.]+)\"");
  std::smatch match;
  if (!std::regex_search(svg, match, regex)) throw std::runtime_error("no box for " + token);
  return std::stod(match[1]);
}

TEST(WriteSvgTest, ReadsFromContextToActivatingToken) {
  Vocabulary vocabulary;
  const std::string svg = Draw(CapitalGraph(vocabulary), vocabulary);
  EXPECT_LT(LeftOf(svg, "·capital"), LeftOf(svg, "·of"));
  EXPECT_LT(LeftOf(svg, "·of"), LeftOf(svg, "·Paris"));
}

TEST(WriteSvgTest, GapsAreDashedAndNumbered) {
  Vocabulary vocabulary;
  store::Graph graph = EmptyGraph();
  AddPath(graph, vocabulary, "a", {kAny, kAny, {"b", 0.9f}}, 1);
  const std::string svg = Draw(graph, vocabulary);
  EXPECT_THAT(svg, HasSubstr("class=\"edge gap\""));
  EXPECT_THAT(svg, HasSubstr("b before a, 2 tokens of any kind between"));
  EXPECT_THAT(svg, HasSubstr("text-anchor=\"middle\">2</text>"));
  EXPECT_THAT(svg, HasSubstr("n tokens of any kind between")) << "legend";
}

TEST(WriteSvgTest, NumbersCoverNoBox) {
  Vocabulary vocabulary;
  store::Graph graph = EmptyGraph();
  for (const char* token : {"first", "second", "third", "fourth", "fifth"})
    AddPath(graph, vocabulary, "a", {kAny, {token, 0.9f}}, 1);
  const std::string svg = Draw(graph, vocabulary);
  struct Rect {
    double x, y, width, height;
  };
  const auto rects = [&](const std::string& css_class) {
    std::vector<Rect> out;
    const std::regex regex("<rect class=\"" + css_class +
                           "\" x=\"([-0-9.]+)\" y=\"([-0-9.]+)\" width=\"([0-9.]+)\" "
                           "height=\"([0-9.]+)\" rx");
    for (std::sregex_iterator at(svg.begin(), svg.end(), regex), end; at != end; ++at)
      out.push_back(
          {std::stod((*at)[1]), std::stod((*at)[2]), std::stod((*at)[3]), std::stod((*at)[4])});
    return out;
  };
  std::vector<Rect> pills = rects("pill");
  ASSERT_EQ(pills.size(), 6u);  // the last one is the legend's
  pills.pop_back();
  const std::vector<Rect> boxes = rects("box");
  ASSERT_EQ(boxes.size(), 6u);
  for (const Rect& pill : pills) {
    for (const Rect& box : boxes) {
      EXPECT_TRUE(pill.x + pill.width <= box.x || box.x + box.width <= pill.x ||
                  pill.y + pill.height <= box.y || box.y + box.height <= pill.y);
    }
  }
}

TEST(WriteSvgTest, SaysWhatTheLimitLeftOut) {
  Vocabulary vocabulary;
  const store::Graph graph = CapitalGraph(vocabulary);
  EXPECT_THAT(Draw(graph, vocabulary, {}, 2), HasSubstr("+ 2 more (1 activating, 1 context)"));
  EXPECT_THAT(Draw(graph, vocabulary), Not(HasSubstr(" more (")));
}

TEST(WriteSvgTest, SaysWhichTokensNeedNoContext) {
  Vocabulary vocabulary;
  const store::Graph graph = CapitalGraph(vocabulary);
  const std::string svg = Draw(graph, vocabulary);
  EXPECT_THAT(svg, HasSubstr("and on this, whatever stands before")) << "London";
  EXPECT_THAT(svg, Not(HasSubstr("not shown")));
  const std::string cut = Draw(graph, vocabulary, {}, 1);
  EXPECT_THAT(cut, HasSubstr("fires on this, after context that is not shown")) << "Paris";
  EXPECT_THAT(cut, Not(HasSubstr("whatever")));
}

TEST(WriteSvgTest, LooseTokensStandBelowWhereAWidePictureFires) {
  Vocabulary vocabulary;
  store::Graph graph = EmptyGraph();
  std::vector<Step> chain;
  for (int i = 0; i < 20; ++i) chain.push_back({fmt::format("context{}", i), 0.9f});
  AddPath(graph, vocabulary, "fires", chain, 1);
  AddPath(graph, vocabulary, "alone", {}, 0.7f);
  const std::string svg = Draw(graph, vocabulary);
  EXPECT_GT(LeftOf(svg, "fires"), 1500);
  EXPECT_GT(LeftOf(svg, "alone"), LeftOf(svg, "fires") - 620);
  EXPECT_LT(LeftOf(svg, "alone"), LeftOf(svg, "fires"));
}

TEST(WriteSvgTest, OfAnEmptyGraphSaysSo) {
  const std::string svg = WriteSvg(DrawGraph(EmptyGraph(), {}), {});
  EXPECT_EQ(CheckMarkup(svg, false).problem, "");
  EXPECT_THAT(svg, HasSubstr("No graph: no training example was usable."));
}

TEST(WriteSvgTest, HostileTokensAreText) {
  Vocabulary vocabulary;
  store::Graph graph = EmptyGraph();
  for (const std::string& token : HostileTokens())
    AddPath(graph, vocabulary, token, {{token, 0.9f}, {"z" + token, 0.8f}}, 1);
  SvgOptions options;
  options.title = HostileTokens()[0] + HostileTokens()[8];
  options.subtitle = HostileTokens()[1];
  const std::string svg = Draw(graph, vocabulary, options, 200);
  const MarkupReport report = CheckMarkup(svg, false);
  EXPECT_EQ(report.problem, "");
  EXPECT_FALSE(report.elements.contains("script"));
  EXPECT_FALSE(report.elements.contains("img"));
  EXPECT_THAT(report.text, HasSubstr("</script><script>alert(1)</script>"));
  EXPECT_THAT(svg, Not(HasSubstr("\u202E")));
}

TEST(WriteSvgTest, InsideAPageCarriesNoStyle) {
  Vocabulary vocabulary;
  SvgOptions options;
  options.standalone = false;
  EXPECT_THAT(Draw(CapitalGraph(vocabulary), vocabulary, options), Not(HasSubstr("<style>")));
}

TEST(WriteSvgTest, IsTheSameFromManyThreads) {
  Vocabulary vocabulary;
  store::Graph graph = CapitalGraph(vocabulary);
  for (int i = 0; i < 30; ++i)
    AddPath(graph, vocabulary, " Paris", {{fmt::format("w{}", i), 0.8f}}, 0.9f);
  const DrawnGraph drawn = DrawGraph(graph, vocabulary.texts());
  const std::string expected = WriteSvg(drawn, {});
  std::vector<std::thread> threads;
  std::vector<std::string> results(4);
  for (std::string& result : results) {
    threads.emplace_back([&] {
      for (int i = 0; i < 5; ++i) result = WriteSvg(drawn, {});
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::string& result : results) EXPECT_EQ(result, expected);
}

TEST(PlaceGraphTest, KeepsBoxesApartAndTheLastColumnAligned) {
  std::vector<LayoutNode> nodes;
  std::vector<LayoutEdge> edges;
  for (int i = 0; i < 12; ++i) nodes.push_back({40.0 + 10 * i, 28, i < 4});
  for (int i = 4; i < 12; ++i) edges.push_back({i, i % 4});
  testing::internal::CaptureStderr();
  const Layout layout = PlaceGraph(nodes, edges);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  ASSERT_EQ(layout.centres.size(), nodes.size());
  ASSERT_EQ(layout.curves.size(), edges.size());
  for (int i = 0; i < 12; ++i) {
    EXPECT_GE(layout.centres[i].x - nodes[i].width_px / 2, -1);
    EXPECT_LE(layout.centres[i].x + nodes[i].width_px / 2, layout.width_px + 1);
    if (i < 4) {
      EXPECT_NEAR(layout.centres[i].x, layout.centres[0].x, 0.5);
    }
    for (int k = 0; k < i; ++k) {
      const bool apart = std::abs(layout.centres[i].x - layout.centres[k].x) >=
                             (nodes[i].width_px + nodes[k].width_px) / 2 ||
                         std::abs(layout.centres[i].y - layout.centres[k].y) >= 28;
      EXPECT_TRUE(apart) << i << " and " << k;
    }
  }
  for (const Layout::Curve& curve : layout.curves) EXPECT_EQ(curve.bezier.size() % 3, 1u);
}

}  // namespace
}  // namespace assay::view
