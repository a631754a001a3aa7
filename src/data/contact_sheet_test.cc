#include "data/contact_sheet.h"

#include <gtest/gtest.h>

#include <array>

#include "base/error.h"

namespace assay::data {
namespace {

// Every pixel says where it is: red its row, green its column.
Tile Ramp(int height, int width) {
  Tile tile;
  tile.name = "ramp";
  tile.height = height;
  tile.width = width;
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      tile.pixels.push_back(static_cast<uint8_t>(y));
      tile.pixels.push_back(static_cast<uint8_t>(x));
      tile.pixels.push_back(7);
    }
  }
  return tile;
}

std::array<int, 3> PixelAt(const Tile& tile, int y, int x) {
  const size_t at = static_cast<size_t>(3 * (y * tile.width + x));
  return {tile.pixels.at(at), tile.pixels.at(at + 1), tile.pixels.at(at + 2)};
}

TEST(CutPatchTest, ScalesThePlaceUpWithSharpPixels) {
  const Tile patch = CutPatch(Ramp(50, 60), {10, 20, 30, 40}, 80);
  ASSERT_EQ(patch.pixels.size(), 80U * 80 * 3);
  for (const int y : {0, 3, 4, 41, 79}) {
    for (const int x : {0, 5, 40, 79})
      EXPECT_EQ(PixelAt(patch, y, x), (std::array{10 + y / 4, 20 + x / 4, 7}));
  }
}

constexpr std::array kBeyond{222, 225, 229};

TEST(CutPatchTest, SmallPlacesAreFramedInTheirSurroundings) {
  const Tile patch = CutPatch(Ramp(50, 60), {10, 30, 14, 34}, 160);  // 16 pixels, 10 each
  EXPECT_EQ(PixelAt(patch, 100, 5), (std::array{14, 24, 7}));  // columns 24 to 40, rows 4 to 20
  EXPECT_EQ(PixelAt(patch, 80, 60), (std::array{0, 0, 0}));    // the frame's left side
  EXPECT_EQ(PixelAt(patch, 75, 80), (std::array{11, 32, 7}));  // within
}

TEST(CutPatchTest, WhatLiesBeyondTheTileIsGrey) {
  const Tile patch = CutPatch(Ramp(50, 60), {-5, 50, 15, 70}, 80);  // 4 pixels each
  EXPECT_EQ(PixelAt(patch, 19, 5), kBeyond);
  EXPECT_EQ(PixelAt(patch, 20, 5), (std::array{0, 51, 7}));  // and no frame: all of it is seen
  EXPECT_EQ(PixelAt(patch, 79, 39), (std::array{14, 59, 7}));
  EXPECT_EQ(PixelAt(patch, 79, 40), kBeyond);
  const Tile outside = CutPatch(Ramp(50, 60), {-25, 0, -5, 20}, 80);
  EXPECT_EQ(PixelAt(outside, 40, 40), kBeyond);
}

TEST(CutPatchTest, PlacesLargerThanTheTileAreFramedOnAllOfIt) {
  const Tile patch = CutPatch(Ramp(20, 20), {-15, -5, 10, 30}, 80);  // 4 pixels each
  EXPECT_EQ(PixelAt(patch, 5, 5), (std::array{1, 1, 7}));
  EXPECT_EQ(PixelAt(patch, 39, 20), (std::array{0, 0, 0}));  // the frame's lower side
  EXPECT_EQ(PixelAt(patch, 70, 70), (std::array{17, 17, 7}));
}

TEST(CutPatchTest, LongPlacesLieInTheMiddleOnWhite) {
  const Tile patch = CutPatch(Ramp(50, 60), {0, 0, 20, 40}, 80);
  EXPECT_EQ(PixelAt(patch, 5, 40), (std::array{255, 255, 255}));
  EXPECT_EQ(PixelAt(patch, 21, 40), (std::array{0, 20, 7}));
}

TEST(CutPatchTest, GreyBecomesColourAndEmptyPlacesAreRefused) {
  Tile grey;
  grey.height = grey.width = 20;
  grey.channels = 1;
  grey.pixels.assign(400, 99);
  EXPECT_EQ(PixelAt(CutPatch(grey, {0, 0, 20, 20}, 40), 3, 3), (std::array{99, 99, 99}));
  EXPECT_THROW(CutPatch(grey, {5, 5, 5, 20}, 40), base::Error);
}

TEST(ContactSheetTest, EveryPatchHasItsPlaceUnderItsTitle) {
  const Tile patch = CutPatch(Ramp(20, 20), {0, 0, 20, 20}, 20);
  const Tile sheet =
      DrawContactSheet({{"one", {patch, patch, patch}}, {"two \xC3\xA9", {patch}}}, 2);
  EXPECT_EQ(sheet.width, 2 * 12 + 2 * 20 + 4);
  EXPECT_EQ(sheet.height, 2 * 12 + 2 * (26 + 4) + 3 * 24);
  EXPECT_EQ(PixelAt(sheet, 12 + 26 + 3, 12 + 5), (std::array{3, 5, 7}));
  EXPECT_EQ(PixelAt(sheet, 12 + 26 + 24 + 3, 12 + 5), (std::array{3, 5, 7}));  // the third
  EXPECT_EQ(PixelAt(sheet, 12 + 26 + 24 + 3, 12 + 24 + 5), (std::array{255, 255, 255}));
  EXPECT_EQ(PixelAt(sheet, 12 + 26 + 48 + 4 + 26 + 3, 12 + 5), (std::array{3, 5, 7}));
  EXPECT_THROW(DrawContactSheet({{"none", {}}}, 2), base::Error);
}

}  // namespace
}  // namespace assay::data
