#include "view/image_unit_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "view/cluster_tabs.h"

namespace assay::view {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Base64Test, TheVectorsOfTheStandard) {
  EXPECT_EQ(Base64(""), "");
  EXPECT_EQ(Base64("f"), "Zg==");
  EXPECT_EQ(Base64("fo"), "Zm8=");
  EXPECT_EQ(Base64("foo"), "Zm9v");
  EXPECT_EQ(Base64("foob"), "Zm9vYg==");
  EXPECT_EQ(Base64("fooba"), "Zm9vYmE=");
  EXPECT_EQ(Base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(Base64(std::string("\xFF\x00\x80", 3)), "/wCA");
}

TEST(PatchFigureTest, IsAPictureWithItsPlaceAndEscapesNames) {
  const std::string html = WritePatchFigure({.png = "foo",
                                             .rank = "central",
                                             .activation = 1.234,
                                             .tile = "a<b>.png",
                                             .place = "rows 0 to 8",
                                             .label = "idc"});
  EXPECT_THAT(html, HasSubstr("data:image/png;base64,Zm9v"));
  EXPECT_THAT(html, HasSubstr("a&lt;b&gt;.png, idc, rows 0 to 8"));
  EXPECT_THAT(html, HasSubstr("central · 1.23"));
  EXPECT_THAT(html, Not(HasSubstr("<b>")));
}

TEST(ImageUnitPageTest, ClustersShowPatchesInsteadOfText) {
  const store::UnitId unit{2, 7};
  NeuronRecords records{.unit = unit};
  records.examples = {{unit, store::ExampleKind::kAbove, 0, 0, 4, 12, 2.5F, {}},
                      {unit, store::ExampleKind::kAbove, 0, 1, 5, 3, 2.0F, {}}};
  ClusterTabs tabs{.records = records};
  tabs.embedding = store::Embedding{
      unit, 1, {{store::ExampleKind::kAbove, 0, 0}, {store::ExampleKind::kAbove, 0, 1}}, {1, 2}};
  tabs.clusters = {{.unit = unit, .cluster = 0, .members = {1, 0}, .label = "idc 2"}};
  tabs.draw = [](const store::Example& example, std::string_view rank) {
    return "[" + std::string(rank) + " " + std::to_string(example.sequence) + "]";
  };
  const std::string html = WriteImageUnitPage({.unit = unit,
                                               .model = "net & co",
                                               .layer = "conv1: 3 x 3 convolution",
                                               .seen = "3 x 3 of 8 x 8 pixels",
                                               .clusters_html = WriteClusterTabs(tabs)});
  EXPECT_THAT(html, HasSubstr("net &amp; co"));
  EXPECT_THAT(html, HasSubstr("3 x 3 of 8 x 8 pixels"));
  EXPECT_THAT(html, HasSubstr("[central 5][2 4]"));
  EXPECT_THAT(html, HasSubstr("idc 2"));
  EXPECT_THAT(WriteImageUnitPage({.unit = unit}), HasSubstr("No clusters"));
}

}  // namespace
}  // namespace assay::view
