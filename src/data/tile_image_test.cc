#include "data/tile_image.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <opencv2/imgcodecs.hpp>

#include "data/tile_testing.h"

namespace assay::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Kind = TileProblemKind;

Kind DecodeError(std::string_view bytes) {
  try {
    DecodeImage(bytes);
  } catch (const TileError& error) {
    return error.kind();
  }
  ADD_FAILURE() << "decoded";
  return Kind::kBadLabel;
}

Tile Converted(const std::string& bytes, const TileShape& shape, Kind expected) {
  std::vector<TileProblem> problems;
  Tile tile = ConvertTile(DecodeImage(bytes), shape, &problems);
  EXPECT_EQ(problems.size(), 1U);
  if (!problems.empty()) {
    EXPECT_EQ(problems[0].kind, expected);
    EXPECT_FALSE(problems[0].left_out);
  }
  return tile;
}

TEST(TileImageTest, PngKeepsEveryPixelInRgbOrder) {
  const Tile tile = RandomTile(7, 9, 3, 1);
  std::vector<TileProblem> problems;
  const Tile again = ConvertTile(DecodeImage(EncodePng(tile)), {7, 9, 3}, &problems);
  EXPECT_EQ(again.pixels, tile.pixels);
  EXPECT_TRUE(problems.empty());
  EXPECT_EQ(DecodeImage(EncodePng(tile)).samples[0], tile.pixels[0]);
}

TEST(TileImageTest, EveryCutPngAndJpegIsTruncated) {
  const Tile tile = RandomTile(16, 16, 3, 2);
  for (const std::string& bytes : {EncodePng(tile), EncodeJpeg(tile, 90)}) {
    for (size_t length = 10; length + 4 < bytes.size(); length += 7)
      EXPECT_EQ(DecodeError(bytes.substr(0, length)), Kind::kTruncated) << length;
  }
  EXPECT_EQ(DecodeError(""), Kind::kTruncated);
  EXPECT_EQ(DecodeError("hello, no image"), Kind::kUnreadable);
}

TEST(TileImageTest, DamagedPixelsOfAPngAreFound) {
  std::string bytes = EncodePng(RandomTile(32, 32, 3, 2));
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 0x55);
  EXPECT_EQ(DecodeError(bytes), Kind::kTruncated);
}

TEST(TileImageTest, SixteenBitSamplesAreDividedBy257) {
  cv::Mat image(1, 2, CV_16UC3);
  image.at<cv::Vec3w>(0, 0) = {0, 128, 129};  // blue, green, red
  image.at<cv::Vec3w>(0, 1) = {65535, 257 * 100, 257 * 100 + 128};
  EXPECT_THAT(Converted(EncodeMat(image), {}, Kind::kDeepColour).pixels,
              ElementsAre(1, 0, 0, 100, 100, 255));
}

TEST(TileImageTest, AlphaIsLaidOverWhite) {
  cv::Mat image(1, 3, CV_8UC4);
  image.at<cv::Vec4b>(0, 0) = {30, 20, 10, 255};
  image.at<cv::Vec4b>(0, 1) = {30, 20, 10, 0};
  image.at<cv::Vec4b>(0, 2) = {0, 0, 0, 128};
  EXPECT_THAT(Converted(EncodeMat(image), {}, Kind::kAlpha).pixels,
              ElementsAre(10, 20, 30, 255, 255, 255, 127, 127, 127));
}

TEST(TileImageTest, GreyIsRepeatedAndColourIsNoGrey) {
  const Tile grey = RandomTile(2, 2, 1, 3);
  const Tile rgb = Converted(EncodePng(grey), {}, Kind::kGrey);
  EXPECT_EQ(rgb.channels, 3);
  for (size_t i = 0; i < 12; ++i) EXPECT_EQ(rgb.pixels[i], grey.pixels[i / 3]);
  std::vector<TileProblem> problems;
  EXPECT_EQ(ConvertTile(DecodeImage(EncodePng(rgb)), {.channels = 1}, &problems).pixels,
            grey.pixels);
  try {
    ConvertTile(DecodeImage(EncodePng(RandomTile(2, 2, 3, 4))), {.channels = 1}, &problems);
    ADD_FAILURE();
  } catch (const TileError& error) {
    EXPECT_EQ(error.kind(), Kind::kColour);
  }
}

TEST(TileImageTest, OtherSizesAreRefusedOrResized) {
  const std::string bytes = EncodePng(RandomTile(8, 6, 3, 5));
  std::vector<TileProblem> problems;
  try {
    ConvertTile(DecodeImage(bytes), {.height = 8, .width = 8}, &problems);
    ADD_FAILURE();
  } catch (const TileError& error) {
    EXPECT_EQ(error.kind(), Kind::kWrongSize);
    EXPECT_THAT(error.what(), HasSubstr("8x6 pixels (height, width); expected 8x8"));
  }
  const Tile tile = Converted(bytes, {.height = 4, .width = 3, .resize = true}, Kind::kWrongSize);
  EXPECT_EQ(tile.pixels.size(), 36U);
  const RawTile raw = DecodeImage(bytes);  // 2 x 2 means
  const int mean = (raw.samples[0] + raw.samples[3] + raw.samples[18] + raw.samples[21] + 2) / 4;
  EXPECT_NEAR(tile.pixels[0], mean, 1);
}

TEST(TileImageTest, JpegOfFourInksIsLeftOut) {
  const std::string bytes = CmykJpeg();
  // It is a proper file: OpenCV decodes it, by a rule of its own.
  const std::vector<uchar> data(bytes.begin(), bytes.end());
  EXPECT_FALSE(cv::imdecode(data, cv::IMREAD_UNCHANGED).empty());
  EXPECT_EQ(DecodeError(bytes), Kind::kCmyk);
}

TEST(TileImageTest, LabelMapsKeepSixteenBits) {
  const std::vector<uint16_t> labels = {0, 1, 300, 65535, 0, 7};
  const LabelMap map = DecodeLabelMap(EncodeLabelMap(labels, 2, 3));
  EXPECT_EQ(map.height, 2);
  EXPECT_EQ(map.labels, labels);
  EXPECT_THROW(DecodeLabelMap(EncodePng(RandomTile(2, 2, 3, 1))), TileError);
}

}  // namespace
}  // namespace assay::data
