#include "view/cluster_tabs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace assay::view {
namespace {

using store::ExampleKind;
using testing::HasSubstr;
using testing::Not;

constexpr store::UnitId kUnit{1, 2};

class ClusterTabsTest : public testing::Test {
 protected:
  ClusterTabsTest() {
    for (int rank = 0; rank < 3; ++rank) {
      records_.examples.push_back(
          {kUnit, ExampleKind::kAbove, 0, rank, rank, 1, 1.0F, {0.1F, 1, 0.2F}});
      records_.sequences[rank] = {rank, "text", 0, 0, {0, 1, 2}};
    }
    records_.unit = kUnit;
  }
  ClusterTabs Tabs() {
    const store::ExampleKey a{ExampleKind::kAbove, 0, 0}, b{ExampleKind::kAbove, 0, 1},
        c{ExampleKind::kAbove, 0, 2};
    ClusterTabs tabs{.records = records_, .token_texts = texts_};
    tabs.embedding = store::Embedding{kUnit, 1, {a, b, c}, {1, 2, 3}};
    tabs.clusters = {{.unit = kUnit, .cluster = 0, .members = {0}, .label = "one <b>"},
                     {.unit = kUnit, .cluster = 1, .members = {2, 1}, .label = "two"}};
    tabs.measures = store::UnitMeasures{
        .unit = kUnit, .examples = 3, .clusters = 2, .mean_distance = 0.5, .cut_reason = "a < b"};
    tabs.similar = {{kUnit, 1, 0, {3, 4}, 0, 0.91}, {kUnit, 1, 1, {3, 5}, 2, 0.8}};
    tabs.labels[{{3, 4}, 0}] = "far & near";
    tabs.href = [](store::UnitId unit) {
      return unit.index == 4 ? std::string("3_4.html") : std::string();
    };
    return tabs;
  }
  NeuronRecords records_;
  std::vector<std::string> texts_ = {"<s>", " big", " cat"};
};

TEST_F(ClusterTabsTest, OneTabAClusterTheLargestOpen) {
  const std::string html = WriteClusterTabs(Tabs());
  EXPECT_THAT(html, HasSubstr("2 clusters"));
  EXPECT_THAT(html, HasSubstr("id=\"cluster-1\" checked"));
  EXPECT_THAT(html, Not(HasSubstr("id=\"cluster-0\" checked")));
  EXPECT_LT(html.find("id=\"cluster-1\""), html.find("id=\"cluster-0\""));
  EXPECT_THAT(html, HasSubstr("one &lt;b&gt;"));
  EXPECT_THAT(html, HasSubstr("a &lt; b"));
  EXPECT_THAT(html, HasSubstr("undefined"));  // intra has no pairs
}

TEST_F(ClusterTabsTest, SimilarFeaturesAreLinksWhereThereIsAPage) {
  const std::string html = WriteClusterTabs(Tabs());
  EXPECT_THAT(html, HasSubstr("<a href=\"3_4.html\">3:4 #0 far &amp; near</a>"));
  EXPECT_THAT(html, HasSubstr("<li>3:5 #2 "));
}

TEST_F(ClusterTabsTest, NothingWithoutClustersAndAnErrorForMissingExamples) {
  ClusterTabs tabs = Tabs();
  tabs.clusters.clear();
  EXPECT_EQ(WriteClusterTabs(tabs), "");
  records_.examples.pop_back();
  EXPECT_THROW(WriteClusterTabs(Tabs()), base::Error);
}

}  // namespace
}  // namespace assay::view
