#include "robustness/tile_predictions.h"

#include <gtest/gtest.h>

#include "base/base_testing.h"
#include "data/tile_image.h"
#include "robustness/robustness_testing.h"

namespace assay::robustness {
namespace {

class TilePredictionsTest : public testing::Test {
 protected:
  // Tiles of grey 50, 200, 210 without labels: "low" below a mean of 0.5.
  data::TileDataset Open(const std::string& manifest) {
    for (const int grey : {50, 200, 210}) {
      data::Tile tile;
      tile.height = tile.width = 8;
      tile.pixels.assign(8 * 8 * 3, static_cast<uint8_t>(grey));
      folder_.Write(fmt::format("{}.png", grey), data::EncodePng(tile));
    }
    folder_.Write("manifest.csv", manifest);
    return data::TileDataset::Open(folder_.path(),
                                   {.height = 8, .width = 8, .class_names = {"low", "high, very"}});
  }
  base::TemporaryFolder folder_;
  StepClassifier model_{0.5};
};

TEST_F(TilePredictionsTest, CountsAnswersAndMeansWithoutLabels) {
  auto tiles = Open("path\n50.png\n200.png\n210.png\n");
  const auto predictions = PredictTiles(model_, tiles, 2);
  ASSERT_EQ(predictions.size(), 3u);
  const auto summary = SummarizePredictions(predictions, tiles.class_names());
  EXPECT_EQ(summary[0].tiles, 1);
  EXPECT_EQ(summary[1].tiles, 2);
  const double high = std::exp(1.0) / (1 + std::exp(1.0));  // the step gives logits 0 and 1
  EXPECT_NEAR(summary[1].mean_probability, (2 * high + (1 - high)) / 3, 1e-6);
  EXPECT_NEAR(summary[0].mean_probability + summary[1].mean_probability, 1, 1e-12);
}

TEST_F(TilePredictionsTest, AreWrittenOneLineATile) {
  auto tiles = Open("path,label\n50.png,low\n200.png,0\n210.png,1\n");
  auto predictions = PredictTiles(model_, tiles, 8);
  predictions[1].info.x = 300;
  predictions[1].info.y = 20;
  predictions[2].info.label = -1;
  EXPECT_EQ(PredictionsCsv(predictions, tiles.class_names()),
            "path,x,y,label,answer,probability low,\"probability high, very\"\n"
            "50.png,,,low,low,0.731059,0.268941\n"
            "200.png,300,20,low,\"high, very\",0.268941,0.731059\n"
            "210.png,,,,\"high, very\",0.268941,0.731059\n");
}

}  // namespace
}  // namespace assay::robustness
