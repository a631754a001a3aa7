#include "robustness/clean_check.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/base_testing.h"
#include "data/synthetic_tissue.h"
#include "data/tile_image.h"
#include "model/image_network.h"
#include "robustness/tile_batch.h"

namespace assay::robustness {
namespace {

namespace fs = std::filesystem;

data::Tile Grey(int level) {
  data::Tile tile;
  tile.height = tile.width = 4;
  tile.pixels.assign(48, static_cast<uint8_t>(level));
  return tile;
}

TEST(TileBatchTest, EightBitGoesToTensorsAndBackExactly) {
  data::Tile tile;
  tile.height = 16;
  tile.width = 16;
  tile.channels = 1;
  for (int i = 0; i < 256; ++i) tile.pixels.push_back(static_cast<uint8_t>(i));
  for (const auto& [low, high] :
       {std::pair{0.0, 1.0}, std::pair{-1.0, 1.0}, std::pair{0.0, 255.0}}) {
    const at::Tensor images = ToImages({&tile, 1}, low, high);
    EXPECT_EQ(images.sizes(), (at::IntArrayRef{1, 1, 16, 16}));
    EXPECT_NEAR(images.min().item<double>(), low, 1e-6);
    EXPECT_NEAR(images.max().item<double>(), high, 1e-4);
    EXPECT_EQ(ToTile(images[0], low, high).pixels, tile.pixels);
  }
}

TEST(TileBatchTest, ChannelsComeFirst) {
  data::Tile tile;
  tile.height = 1;
  tile.width = 2;
  tile.label = 4;
  tile.pixels = {255, 0, 51, 0, 255, 102};
  const TileBatch batch = ToBatch({&tile, 1});
  EXPECT_TRUE(
      at::allclose(batch.images.flatten(), at::tensor({1.0F, 0.0F, 0.0F, 1.0F, 0.2F, 0.4F})));
  EXPECT_EQ(batch.labels.item<int64_t>(), 4);
}

// Says class 1 for bright images.
class Brightness : public model::ImageClassifier {
 public:
  explicit Brightness(std::optional<double> declared) {
    spec_.class_names = {"dark", "bright"};
    spec_.any_size = true;
    spec_.clean_accuracy = declared;
  }
  at::Tensor Logits(const at::Tensor& images) const override {
    const at::Tensor level = images.mean({1, 2, 3});
    return at::stack({0.5 - level, level - 0.5}, 1);
  }
};

TEST(CleanCheckTest, CountsByClassAndComparesWithTheSidecar) {
  const base::TemporaryFolder folder;
  std::string manifest = "path,label\n";
  const int levels[] = {10, 20, 200, 230, 240, 30, 250};
  const int labels[] = {0, 0, 0, 1, 1, 1, 1};  // the third and sixth are wrong
  for (int i = 0; i < 7; ++i) {
    folder.Write(fmt::format("{}.png", i), data::EncodePng(Grey(levels[i])));
    manifest += fmt::format("{}.png,{}\n", i, labels[i]);
  }
  folder.Write("manifest.csv", manifest + "gone.png,1\n");
  const auto check = [&](std::optional<double> declared, int64_t batch) {
    auto tiles = data::TileDataset::Open(folder.path(), {});
    const CleanCheck out = CheckClean(Brightness(declared), tiles, batch);
    EXPECT_EQ(tiles.counts().left_out, 1);
    return out;
  };
  for (const int64_t batch : {1, 3, 64}) {
    const CleanCheck out = check(5.0 / 7, batch);
    EXPECT_EQ(out.tiles, 7);
    EXPECT_EQ(out.correct, 5);
    EXPECT_EQ(out.by_class[0].tiles, 3);
    EXPECT_EQ(out.by_class[0].correct, 2);
    EXPECT_EQ(out.by_class[1].correct, 3);
    EXPECT_NEAR(out.lowest, 10.0 / 255, 1e-6);
    EXPECT_NEAR(out.highest, 250.0 / 255, 1e-6);
    EXPECT_EQ(out.declared, DeclaredVerdict::kTooFewToTell);
  }
  EXPECT_EQ(check(0.99, 4).declared, DeclaredVerdict::kContradicted);
  EXPECT_EQ(check(std::nullopt, 4).declared, std::nullopt);
}

TEST(DeclaredVerdictTest, DependsOnTheNumberOfTiles) {
  using enum DeclaredVerdict;
  EXPECT_EQ(JudgeDeclared(977, 1120, 0.8723), kReproduced);
  EXPECT_EQ(JudgeDeclared(161, 200, 0.805), kReproduced);
  EXPECT_EQ(JudgeDeclared(199, 200, 0.995), kReproduced);
  EXPECT_EQ(JudgeDeclared(965, 1120, 0.8723), kWithinChance);  // 0.862
  EXPECT_EQ(JudgeDeclared(940, 1120, 0.8723), kContradicted);  // 0.839
  EXPECT_EQ(JudgeDeclared(1010, 1120, 0.8723), kContradicted);
  // A few tiles tell nothing, unless all is lost.
  EXPECT_EQ(JudgeDeclared(3, 4, 0.8723), kTooFewToTell);
  EXPECT_EQ(JudgeDeclared(4, 4, 0.8723), kTooFewToTell);
  EXPECT_EQ(JudgeDeclared(6, 6, 0.995), kTooFewToTell);
  EXPECT_EQ(JudgeDeclared(1, 4, 0.8723), kContradicted);
  EXPECT_EQ(JudgeDeclared(1, 2, 1.0), kTooFewToTell);  // within one tile
  EXPECT_EQ(JudgeDeclared(98, 100, 1.0), kContradicted);
  EXPECT_EQ(DescribeVerdict(kTooFewToTell, 3, 4), "too few tiles to tell (4)");
}

TEST(DeclaredVerdictTest, OnlyContradictionsAreReported) {
  model::ImageSpec spec{.clean_accuracy = 0.99, .clean_data = "x"};
  EXPECT_THAT(ContradictionOf(spec, 12, 20).value_or(""),
              testing::HasSubstr("0.6000 on these 20 tiles; the sidecar declares 0.9900 (x)"));
  EXPECT_EQ(ContradictionOf(spec, 20, 20), std::nullopt);
  spec.clean_accuracy.reset();
  EXPECT_EQ(ContradictionOf(spec, 12, 20), std::nullopt);
}

// The shipped demonstration classifier, on patients and tiles that it has not seen.
TEST(DefaultClassifierTest, TellsGeneratedTilesApart) {
  const fs::path folder = fs::path(ASSAY_SOURCE_DIR) / "models/assay-he";
  const auto classifier = model::LoadImageClassifier(folder);
  EXPECT_TRUE(classifier->spec().demonstration);
  EXPECT_NE(model::NetworkOf(*classifier), nullptr);
  EXPECT_EQ(model::WhyNotDifferentiable(*classifier), std::nullopt);
  std::vector<data::Tile> tiles;
  for (int64_t i = 0; i < 60; ++i)
    tiles.push_back(data::SynthesizeTile({.seed = 77, .patients = 60}, i).tile);
  const TileBatch batch = ToBatch(tiles);
  const double accuracy = (classifier->Logits(batch.images).argmax(1) == batch.labels)
                              .to(at::kFloat)
                              .mean()
                              .item<double>();
  ASSERT_TRUE(classifier->spec().clean_accuracy.has_value());
  EXPECT_GT(accuracy, *classifier->spec().clean_accuracy - 0.1);  // of 60 tiles
}

struct Declared {
  const char *model, *tiles, *split;
  double accuracy;
  int64_t count;
};
class DeclaredAccuracyTest : public testing::TestWithParam<Declared> {};

TEST_P(DeclaredAccuracyTest, IsReproduced) {
  const Declared& expected = GetParam();
  const fs::path shared = fs::path(ASSAY_SOURCE_DIR) / "../shared";
  if (!fs::exists(shared / "models" / expected.model))
    GTEST_SKIP() << "needs ../shared/models/" << expected.model;
  const auto classifier = model::LoadImageClassifier(shared / "models" / expected.model);
  data::TileOptions options = OptionsFor(classifier->spec());
  options.split = expected.split;
  auto tiles = data::TileDataset::Open(shared / "data" / expected.tiles, options);
  const CleanCheck check = CheckClean(*classifier, tiles, 64);
  EXPECT_EQ(check.tiles, expected.count);
  EXPECT_NEAR(check.accuracy(), expected.accuracy, 5e-4);
  EXPECT_EQ(check.declared, DeclaredVerdict::kReproduced);
  EXPECT_TRUE(tiles.problems().empty());
}

INSTANTIATE_TEST_SUITE_P(
    Shared, DeclaredAccuracyTest,
    testing::Values(Declared{"idc_resnet18w16.pt", "idc", "test", 0.8295, 1120},
                    Declared{"idc_resnet18w16_aug.safetensors", "idc", "test", 0.8723, 1120},
                    Declared{"cifar_resnet20.pt", "cifar10_test_200", "", 0.805, 200},
                    Declared{"mnist_robust_wk.pt", "mnist_test_200", "", 0.995, 200}));

}  // namespace
}  // namespace assay::robustness
