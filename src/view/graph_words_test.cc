#include "view/graph_words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "view/view_testing.h"

namespace assay::view {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

class TellGraphTest : public ::testing::Test {
 protected:
  std::string Told(const DrawOptions& options = {}) {
    return TellGraph(DrawGraph(graph_, vocabulary_.texts(), options));
  }
  Vocabulary vocabulary_;
  store::Graph graph_ = EmptyGraph();
};

TEST_F(TellGraphTest, NamesTokensWithTheContextRightBefore) {
  graph_ = CapitalGraph(vocabulary_);
  EXPECT_EQ(Told(), "Fires most on “Paris” after “of”; on “London”, whatever stands before.");
}

TEST_F(TellGraphTest, TokensWithTheSameContextStandTogether) {
  AddPath(graph_, vocabulary_, " of", {{" House", 0.9f}}, 1);
  AddPath(graph_, vocabulary_, " of", {{" Lords", 0.8f}}, 0.9f);
  for (const char* token : {" in", " on", " at"}) AddPath(graph_, vocabulary_, token, {}, 0.7f);
  EXPECT_EQ(Told(),
            "Fires most on “of” after “House” or “Lords”; on “in”, “on” or “at”, whatever stands "
            "before.");
}

TEST_F(TellGraphTest, SaysWhenATokenAlsoFiresAlone) {
  AddPath(graph_, vocabulary_, "a", {{"b", 0.9f}}, 1);
  AddPath(graph_, vocabulary_, "a", {}, 0.6f);
  EXPECT_EQ(Told(), "Fires most on “a”, alone or after “b”.");
}

TEST_F(TellGraphTest, ManyTokensAreCounted) {
  for (int i = 0; i < 9; ++i) AddPath(graph_, vocabulary_, fmt::format("alone{}", i), {}, 1);
  for (int i = 0; i < 4; ++i)
    AddPath(graph_, vocabulary_, fmt::format("act{}", i), {{fmt::format("near{}", i), 0.9f}}, 0.9f);
  const std::string told = Told();
  EXPECT_THAT(told, HasSubstr("“alone4” or others, whatever stands before"));
  EXPECT_THAT(told, EndsWith("; and on 2 more tokens."));
  EXPECT_THAT(Told({.max_nodes = 3}), HasSubstr("more tokens."));
}

TEST_F(TellGraphTest, NothingIsSaidOfAnEmptyGraph) { EXPECT_EQ(Told(), ""); }

}  // namespace
}  // namespace assay::view
