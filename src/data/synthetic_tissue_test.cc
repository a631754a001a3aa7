#include "data/synthetic_tissue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/base_testing.h"
#include "base/file.h"
#include "data/tile_dataset.h"
#include "data/tile_image.h"

namespace assay::data {
namespace {

using base::TemporaryFolder;

TEST(SyntheticTissueTest, DependsOnSeedAndIndexAlone) {
  const SyntheticTile first = SynthesizeTile({.seed = 3}, 17);
  const SyntheticTile again = SynthesizeTile({.tiles = 5, .seed = 3}, 17);
  EXPECT_EQ(first.tile.pixels, again.tile.pixels);
  EXPECT_EQ(first.labels, again.labels);
  EXPECT_NE(first.tile.pixels, SynthesizeTile({.seed = 4}, 17).tile.pixels);
  EXPECT_NE(first.tile.pixels, SynthesizeTile({.seed = 3}, 18).tile.pixels);
}

TEST(SyntheticTissueTest, MasksAgreeWithNucleiAndLabels) {
  std::set<int64_t> labels;
  for (int64_t i = 0; i < 20; ++i) {
    const SyntheticTile made = SynthesizeTile({.seed = 5}, i);
    std::map<uint16_t, int64_t> areas;
    for (const uint16_t id : made.labels) {
      if (id != 0) ++areas[id];
    }
    ASSERT_EQ(areas.size(), made.nuclei.size());
    double atypical = 0;
    for (const SyntheticNucleus& nucleus : made.nuclei) {
      EXPECT_EQ(areas.at(nucleus.id), nucleus.area_px);
      EXPECT_LT(static_cast<double>(nucleus.area_px),
                3.15 * 1.7 * nucleus.radius_px * nucleus.radius_px);
      atypical += nucleus.atypical;
    }
    const double share = atypical / static_cast<double>(made.nuclei.size());
    EXPECT_DOUBLE_EQ(share, made.atypical_share);
    EXPECT_EQ(made.tile.label, share >= kAtypicalShare ? 1 : 0);
    labels.insert(made.tile.label);
  }
  EXPECT_EQ(labels.size(), 2U);
}

TEST(SyntheticTissueTest, NucleiAreBlueAndDarkOnPink) {
  for (int64_t i = 0; i < 10; ++i) {
    const SyntheticTile made = SynthesizeTile({.seed = 6}, i);
    std::array<double, 3> inside{}, outside{};
    double inside_count = 0;
    for (size_t p = 0; p < made.labels.size(); ++p) {
      inside_count += made.labels[p] != 0;
      for (size_t c = 0; c < 3; ++c)
        (made.labels[p] != 0 ? inside : outside)[c] += made.tile.pixels[3 * p + c];
    }
    const double outside_count = static_cast<double>(made.labels.size()) - inside_count;
    EXPECT_GT(inside_count, 0.05 * outside_count);
    EXPECT_LT(inside[0] / inside_count + 40, outside[0] / outside_count);    // darker in red
    EXPECT_GT(outside[0] / outside_count, outside[1] / outside_count + 15);  // pink: little green
    EXPECT_LT(inside[0] / inside_count, inside[2] / inside_count);           // blue
  }
}

TEST(SyntheticTissueTest, FilesAreADatasetWithMasksAndSplitsByPatient) {
  const TemporaryFolder folder;
  const SynthesisOptions options{.tiles = 12, .seed = 2, .patients = 5, .size_px = 48};
  WriteSyntheticTiles(options, folder.path());
  TileDataset tiles = TileDataset::Open(folder.path(), {});
  ASSERT_EQ(tiles.size(), 12);
  EXPECT_EQ(tiles.splits().at("train"), 8);
  EXPECT_EQ(tiles.splits().at("val"), 2);
  EXPECT_EQ(tiles.splits().at("test"), 2);
  for (int64_t i = 0; i < 12; ++i) {
    const SyntheticTile made = SynthesizeTile(options, i);
    const Tile tile = tiles.Read(i).value();
    EXPECT_EQ(tile.pixels, made.tile.pixels);
    EXPECT_EQ(tile.label, made.tile.label);
    EXPECT_EQ(tile.patient, made.tile.patient);
    const auto map =
        DecodeLabelMap(base::ReadFile(folder.path() / fmt::format("masks/{:05}.png", i)));
    EXPECT_EQ(map.labels, made.labels);
  }
  // Named as the shipped classifier names them, in its order.
  const auto shipped = base::ReadJson(ASSAY_SOURCE_DIR "/models/assay-he/assay-he.json");
  EXPECT_EQ(tiles.class_names(), shipped.at("class_names").get<std::vector<std::string>>());
  EXPECT_EQ(shipped.at("microns_per_pixel"), kSyntheticMicronsPerPixel);
  const std::string hash = tiles.ContentHash();
  WriteSyntheticTiles(options, folder.path());
  EXPECT_EQ(TileDataset::Open(folder.path(), {}).ContentHash(), hash);
}

}  // namespace
}  // namespace assay::data
