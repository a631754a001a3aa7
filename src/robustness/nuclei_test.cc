// Segmentation of nuclei, its score, and constructs.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "base/file.h"
#include "data/tile_image.h"
#include "robustness/attack.h"
#include "robustness/constructs.h"
#include "robustness/instance_score.h"
#include "robustness/robustness_testing.h"
#include "robustness/tile_batch.h"

namespace assay::robustness {
namespace {

namespace fs = std::filesystem;

struct Disc {
  double x, y, radius;
};

// Pink ground with violet discs: eosin and haematoxylin as light passes them.
data::Tile DiscTile(int side, const std::vector<Disc>& discs) {
  data::Tile tile;
  tile.name = "discs";
  tile.height = tile.width = side;
  for (int y = 0; y < side; ++y) {
    for (int x = 0; x < side; ++x) {
      double h = 0.05;
      for (const Disc& disc : discs) {
        if (std::hypot(x - disc.x, y - disc.y) <= disc.radius) h = 0.9;
      }
      const double e = 0.35;
      for (const double density : {0.65 * h + 0.07 * e, 0.70 * h + 0.99 * e, 0.29 * h + 0.11 * e})
        tile.pixels.push_back(static_cast<uint8_t>(std::lround(255 * std::exp(-density))));
    }
  }
  return tile;
}

LabelImage Labels(int height, int width, std::vector<int32_t> labels) {
  LabelImage image{.height = height, .width = width, .labels = std::move(labels)};
  for (const int32_t label : image.labels) image.count = std::max(image.count, label);
  return image;
}

TEST(NucleiTest, FindsDiscsAndCutsThoseThatTouch) {
  const std::vector<Disc> discs = {{15, 15, 8}, {45, 20, 10}, {20, 48, 9}, {34, 48, 8}};
  const LabelImage found = SegmentNuclei(DiscTile(64, discs), {});
  EXPECT_EQ(found.count, 4);
  LabelImage truth{.height = 64, .width = 64, .count = 4};
  for (int y = 0; y < 64; ++y) {
    for (int x = 0; x < 64; ++x) {
      int32_t label = 0;
      for (size_t i = 0; i < discs.size(); ++i) {
        if (label == 0 && std::hypot(x - discs[i].x, y - discs[i].y) <= discs[i].radius)
          label = static_cast<int32_t>(i + 1);
      }
      truth.labels.push_back(label);
    }
  }
  const InstanceScore score = ScoreInstances(found, truth);
  EXPECT_EQ(score.matched, 4);
  EXPECT_GT(*score.aji(), 0.8);
}

TEST(NucleiTest, EmptyTilesHaveNone) {
  EXPECT_EQ(SegmentNuclei(DiscTile(40, {}), {}).count, 0);
  data::Tile white = DiscTile(40, {});
  std::fill(white.pixels.begin(), white.pixels.end(), 255);
  EXPECT_EQ(SegmentNuclei(white, {}).count, 0);
  white.channels = 1;
  EXPECT_NE(ErrorMessage([&] { SegmentNuclei(white, {}); }).find("RGB"), std::string::npos);
}

TEST(NucleiTest, StainsOfAMixtureAreFoundAgain) {
  const data::Tile tile = DiscTile(9, {{4, 4, 20}});  // one disc covers all: h 0.9, e 0.35
  const StainDensity stains = SeparateStains(tile);
  // Densities are per stain vector of length 1.
  EXPECT_NEAR(stains.haematoxylin[40], 0.9 * std::hypot(0.65, 0.70, 0.29), 0.02);
  EXPECT_NEAR(stains.eosin[40], 0.35 * std::hypot(0.07, 0.99, 0.11), 0.02);
}

TEST(NucleiTest, PiecesAreCutAtNecks) {
  std::vector<uint8_t> two(static_cast<size_t>(20 * 40));
  for (int y = 0; y < 20; ++y) {
    for (int x = 0; x < 40; ++x) {
      const bool inside = std::hypot(x - 10, y - 10) < 8 || std::hypot(x - 25, y - 10) < 8.5;
      two[static_cast<size_t>(y * 40 + x)] = inside ? 1 : 0;
    }
  }
  EXPECT_EQ(SplitPieces(two, 20, 40, 0.75, 5).count, 2);
  EXPECT_EQ(SplitPieces(two, 20, 40, 0.01, 5).count, 1);
  EXPECT_EQ(SplitPieces(two, 20, 40, 0.75, 5000).count, 0);
}

TEST(InstanceScoreTest, KnownOverlaps) {
  // Truth: 1 (4 px), 2 (2 px). Found: 1 covers 3 px of truth 1 and nothing else, 2 lies elsewhere.
  const LabelImage truth = Labels(2, 5,
                                  {1, 1, 0, 2, 0,  //
                                   1, 1, 0, 2, 0});
  const LabelImage found = Labels(2, 5,
                                  {1, 1, 0, 0, 2,  //
                                   1, 0, 0, 0, 2});
  const InstanceScore score = ScoreInstances(found, truth);
  EXPECT_EQ(score.matched, 1);
  EXPECT_DOUBLE_EQ(*score.f1(), 0.5);
  EXPECT_DOUBLE_EQ(*score.aji(), 3.0 / (4 + 2 + 2));
  EXPECT_DOUBLE_EQ(*score.dice(), 2 * 3.0 / (5 + 6));
  InstanceScore both = score;
  both += ScoreInstances(truth, truth);
  EXPECT_EQ(both.matched, 3);
  EXPECT_FALSE(InstanceScore().f1().has_value());
  EXPECT_THROW(ScoreInstances(found, Labels(1, 1, {0})), base::Error);
}

TEST(NucleiSharedTest, ScoresOnTheSharedMasksDoNotFall) {
  const fs::path folder = ASSAY_SOURCE_DIR "/../shared/data/nuclei";
  if (!fs::exists(folder)) GTEST_SKIP() << folder << " is not here";
  InstanceScore pooled;
  for (const auto& entry : fs::directory_iterator(folder / "images")) {
    std::vector<data::TileProblem> problems;
    const data::Tile tile =
        data::ConvertTile(data::DecodeImage(base::ReadFile(entry.path())), {}, &problems);
    const data::LabelMap map =
        data::DecodeLabelMap(base::ReadFile(folder / "labels" / entry.path().filename()));
    LabelImage truth{.height = map.height, .width = map.width};
    truth.labels.assign(map.labels.begin(), map.labels.end());
    pooled += ScoreInstances(SegmentNuclei(tile, {}), truth);
  }
  EXPECT_GT(*pooled.f1(), 0.59);
  EXPECT_GT(*pooled.aji(), 0.45);
}

TEST(ConstructsTest, PixelsAreNamedByWhatIsThere) {
  data::Tile tile = DiscTile(9, {});
  for (size_t i = 0; i < 9; ++i) {  // an empty column
    for (size_t c = 0; c < 3; ++c) tile.pixels[3 * (9 * i + 8) + c] = 250;
  }
  LabelImage nuclei{.height = 9, .width = 9, .count = 1, .labels = std::vector<int32_t>(81)};
  for (size_t y = 2; y < 7; ++y) {
    for (size_t x = 1; x < 6; ++x) nuclei.labels[9 * y + x] = 1;
  }
  const TileConstructs found = FindConstructs(tile, nuclei);
  const auto at_place = [&](int64_t y, int64_t x) { return found.map[y][x].item<int64_t>(); };
  EXPECT_EQ(at_place(4, 3), kNuclei);
  EXPECT_EQ(at_place(2, 3), kBorder);
  EXPECT_EQ(at_place(1, 3), kBorder);
  EXPECT_EQ(at_place(0, 3), kStroma);
  EXPECT_EQ(at_place(4, 8), kBackground);
  EXPECT_EQ(found.nuclei, 1);
  EXPECT_NEAR(found.nuclei_area, 25.0 / 81, 1e-12);
}

TEST(ConstructsTest, EnergyIsShared) {
  const at::Tensor maps = at::tensor({0, 1, 2, 3}, at::kLong).reshape({1, 2, 2});
  const at::Tensor original = at::zeros({1, 3, 2, 2});
  at::Tensor changed = at::zeros({1, 3, 2, 2});
  changed[0][0][0][0] = 0.3;  // 0.09 in nuclei
  changed[0][2][0][1] = 0.1;  // 0.01 in the border
  const ConstructShares shares = MeasureConstructs(original, changed, maps);
  EXPECT_NEAR(shares.energy[0][0].item<double>(), 0.9, 1e-6);
  EXPECT_NEAR(shares.energy[0][1].item<double>(), 0.1, 1e-6);
  EXPECT_NEAR(shares.area.sum().item<double>(), 1, 1e-12);
  EXPECT_EQ(MeasureConstructs(original, original, maps).energy.sum().item<double>(), 0);
}

TEST(ConstructsTest, ConfinedAttacksChangeNothingElse) {
  const SmallNetwork model(3, 2, 3);
  const at::Tensor images = Seeded({3, 3, 12, 12}, 4, false);
  const at::Tensor labels = Answers(model, images);
  const at::Tensor allowed = Seeded({3, 12, 12}, 5, false) < 0.4;
  for (const char* norm : {"linf", "rmse"}) {
    AttackOptions options{
        .attack = "pgd", .norm = norm, .epsilon = 0.05, .steps = 5, .early_stop = true};
    const AttackResult result = MakeAttack(options, MakeMaskedPixelSpace(images, allowed))
                                    ->Run(model, {.images = images, .labels = labels});
    const at::Tensor change = (result.images - images).abs().amax(1);  // [B, H, W]
    EXPECT_EQ(change.masked_select(allowed.logical_not()).max().item<float>(), 0) << norm;
    EXPECT_GT(change.max().item<float>(), 0) << norm;
  }
  EXPECT_THROW(MakeMaskedPixelSpace(images, allowed.narrow(0, 0, 2)), base::Error);
}

}  // namespace
}  // namespace assay::robustness
