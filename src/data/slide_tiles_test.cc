#include "data/slide_tiles.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "base/base_testing.h"
#include "base/file.h"
#include "data/csv.h"
#include "data/tile_dataset.h"
#include "data/tile_image.h"
#include "data/tile_testing.h"

namespace assay::data {
namespace {

namespace fs = std::filesystem;
using base::ErrorKind;
using base::TemporaryFolder;
using testing::HasSubstr;

Tile Filled(int height, int width, std::vector<uint8_t> rgb) {
  Tile tile;
  tile.height = height;
  tile.width = width;
  for (int i = 0; i < height * width; ++i)
    tile.pixels.insert(tile.pixels.end(), rgb.begin(), rgb.end());
  return tile;
}

TEST(TissueTest, ColouredPartsAreTissueAndGlassIsNot) {
  Tile tile = Filled(40, 60, {238, 236, 240});
  for (int y = 10; y < 30; ++y) {
    for (int x = 20; x < 50; ++x) {
      uint8_t* pixel = &tile.pixels[static_cast<size_t>((y * 60 + x) * 3)];
      pixel[0] = 190;
      pixel[1] = 110;
      pixel[2] = 170;
    }
  }
  const TissueMask mask = FindTissue(tile, 8);
  EXPECT_NEAR(std::accumulate(mask.tissue.begin(), mask.tissue.end(), 0), 600, 8);  // corners
  EXPECT_EQ(mask.tissue[20 * 60 + 35], 1);
  EXPECT_EQ(mask.tissue[5 * 60 + 35], 0);
}

TEST(TissueTest, AnEmptySlideHasNone) {
  Tile tile = Filled(30, 30, {240, 238, 241});
  for (size_t i = 0; i < tile.pixels.size(); i += 7) tile.pixels[i] -= 4;  // noise
  for (const uint8_t tissue : FindTissue(tile, 8).tissue) EXPECT_EQ(tissue, 0);
}

TEST(SlideTest, FilesThatAreNoSlidesAreNamed) {
  const TemporaryFolder folder;
  const auto error = [&](const fs::path& file) {
    try {
      Slide::Open(file, {});
    } catch (const base::Error& caught) {
      return caught;
    }
    return base::Error(ErrorKind::kInternal, "none");
  };
  EXPECT_EQ(error(folder.path() / "none.svs").kind(), ErrorKind::kNotFound);
  EXPECT_THAT(error(folder.Write("text.svs", "no slide")).what(),
              HasSubstr("text.svs: is no slide that OpenSlide knows"));
}

class SharedSlideTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(file_)) GTEST_SKIP() << "needs ../shared/data/wsi";
  }
  fs::path file_ = fs::path(ASSAY_SOURCE_DIR) / "../shared/data/wsi/CMU-1-Small-Region.svs";
};

TEST_F(SharedSlideTest, TilesHaveTheResolutionAskedFor) {
  const Slide slide = Slide::Open(file_, {.microns_per_pixel = 1, .tile_px = 64});
  EXPECT_NEAR(slide.microns_per_pixel(), 0.499, 1e-3);
  EXPECT_EQ(slide.width(), 2220);
  EXPECT_EQ(slide.height(), 2967);
  ASSERT_GT(slide.places().size(), 100U);
  // 64 pixels of 1 micron are 128.3 of the slide: neighbours are that far apart.
  const auto& places = slide.places();
  for (size_t i = 1; i < places.size(); ++i) {
    if (places[i].y != places[i - 1].y) continue;
    EXPECT_GE(places[i].x - places[i - 1].x, 128);
  }
  // The same place at the slide's own resolution, halved by hand, looks the same.
  const Slide full =
      Slide::Open(file_, {.microns_per_pixel = slide.microns_per_pixel(), .tile_px = 128});
  const Tile coarse = slide.Read(places[50]), fine = full.Read(places[50]);
  double difference = 0;
  for (int y = 0; y < 64; ++y) {
    for (int x = 0; x < 64; ++x) {
      for (int c = 0; c < 3; ++c) {
        const auto at = [&](int row, int column) {
          return fine.pixels[static_cast<size_t>((row * 128 + column) * 3 + c)];
        };
        const int sum = at(2 * y, 2 * x) + at(2 * y + 1, 2 * x) + at(2 * y, 2 * x + 1) +
                        at(2 * y + 1, 2 * x + 1);
        difference +=
            std::abs(sum / 4.0 - coarse.pixels[static_cast<size_t>((y * 64 + x) * 3 + c)]);
      }
    }
  }
  EXPECT_LT(difference / (64 * 64 * 3), 4);  // grey levels; 128 against 128.3 pixels
}

TEST_F(SharedSlideTest, MoreTissueIsAskedOfFewerTiles) {
  size_t last = 1 << 20;
  for (const double share : {0.0, 0.3, 0.9}) {
    const Slide slide = Slide::Open(file_, {.tile_px = 128, .min_tissue = share});
    for (const auto& place : slide.places()) EXPECT_GE(place.tissue, share);
    EXPECT_LT(slide.places().size(), last);
    last = slide.places().size();
  }
  EXPECT_GT(last, 0U);
}

TEST_F(SharedSlideTest, IsADatasetWithoutLabels) {
  TileDataset tiles =
      TileDataset::Open(file_, {.height = 256, .width = 256, .microns_per_pixel = 0.5});
  const Tile tile = tiles.Read(3).value();
  EXPECT_EQ(tile.height, 256);
  EXPECT_EQ(tile.label, -1);
  EXPECT_EQ(tile.slide, "CMU-1-Small-Region");
  EXPECT_THAT(tile.name, HasSubstr("CMU-1-Small-Region.svs@"));
  EXPECT_EQ(tile.name, fmt::format("CMU-1-Small-Region.svs@{},{}", tile.x, tile.y));
  EXPECT_GT(tile.x + tile.y, 0);
  EXPECT_EQ(tiles.counts().read, 1);
}

TEST_F(SharedSlideTest, IsKnownByItsContentAndNeedsAResolution) {
  const TemporaryFolder folder;
  const fs::path renamed = folder.Write("scan.bin", base::ReadFile(file_));
  EXPECT_TRUE(IsSlide(renamed));
  EXPECT_FALSE(IsSlide(folder.Write("text.svs", "no slide")));
  EXPECT_FALSE(IsSlide(folder.path() / "none.svs"));
  const auto error = [&](const TileOptions& options) {
    try {
      TileDataset::Open(renamed, options);
    } catch (const base::Error& caught) {
      return std::string(caught.what());
    }
    return std::string();
  };
  EXPECT_THAT(error({.height = 224, .width = 224}), HasSubstr("give --mpp"));
  EXPECT_THAT(error({.microns_per_pixel = 0.5}), HasSubstr("assay robust tiles"));
  EXPECT_THAT(error({.height = 96, .width = 96, .microns_per_pixel = 0.1}),
              HasSubstr("enlarged more than twofold"));
  EXPECT_THAT(error({.split = "test", .height = 96, .width = 96, .microns_per_pixel = 0.5}),
              HasSubstr("split 'test' is empty"));
  EXPECT_EQ(error({.height = 96, .width = 96, .microns_per_pixel = 0.5}), "");
}

TEST_F(SharedSlideTest, IsWrittenAsADatasetOfFiles) {
  const TemporaryFolder folder;
  const Slide slide = Slide::Open(file_, {.tile_px = 64});
  EXPECT_EQ(WriteSlideTiles(slide, folder.path(), 5, "skin, normal"), 5);
  TileDataset tiles = TileDataset::Open(folder.path(), {});
  ASSERT_EQ(tiles.size(), 5);
  EXPECT_THAT(tiles.class_names(), testing::ElementsAre("skin, normal"));
  const CsvTable manifest = ReadCsv(folder.path() / "manifest.csv");
  EXPECT_THAT(manifest.columns,
              testing::ElementsAre("path", "slide", "patient", "x", "y", "label"));
  for (int64_t i = 0; i < 5; ++i) {  // spread over the slide, pixel for pixel
    const auto& place = slide.places()[static_cast<size_t>(i) * slide.places().size() / 5];
    const Tile tile = tiles.Read(i).value();
    EXPECT_EQ(tile.slide, "CMU-1-Small-Region");
    EXPECT_EQ(tile.pixels, slide.Read(place).pixels);
    EXPECT_EQ(manifest.rows[static_cast<size_t>(i)][3], std::to_string(place.x));
  }
  WriteSlideTiles(slide, folder.path(), 2, "");
  EXPECT_FALSE(ReadCsv(folder.path() / "manifest.csv").Find("label"));
  EXPECT_EQ(TileDataset::Open(folder.path(), {}).info(1).label, -1);
}

TEST_F(SharedSlideTest, ACutSlideIsNamed) {
  const TemporaryFolder folder;
  const std::string bytes = base::ReadFile(file_);
  const fs::path cut = folder.Write("cut.svs", bytes.substr(0, bytes.size() / 2));
  EXPECT_THROW(Slide::Open(cut, {}), base::Error);
}

}  // namespace
}  // namespace assay::data
