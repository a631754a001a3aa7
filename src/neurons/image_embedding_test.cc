#include "neurons/image_embedding.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>

#include "base/rng.h"
#include "model/image_testing.h"
#include "model/model_testing.h"

namespace assay::neurons {
namespace {

using model::TemporaryFolder;
using store::ExampleKind;
using store::RunStore;

constexpr int64_t kTiles = 60;
constexpr int64_t kUnusable = 7;  // left out

data::Tile RandomTile(int64_t index) {
  base::Rng rng(4, "tile", static_cast<uint64_t>(index));
  data::Tile tile;
  tile.name = "tile " + std::to_string(index);
  tile.label = index % 3 == 0 ? 1 : 0;
  tile.height = 9;
  tile.width = 10;
  for (int i = 0; i < 9 * 10 * 3; ++i) tile.pixels.push_back(static_cast<uint8_t>(rng.Below(256)));
  return tile;
}

class ImageEmbeddingTest : public testing::Test {
 protected:
  ImageEmbeddingTest() {
    model::WriteTinyClassifier(folder_.path() / "tiny.pt");
    units_.emplace(model::ImageUnits::Load(folder_.path() / "tiny.pt"));
    for (const int layer : units_->Layers()) {
      for (int unit = 0; unit < units_->Units(layer); ++unit) all_.push_back({layer, unit});
    }
  }
  RunStore Run(const std::string& name) const {
    return RunStore::Open(folder_.path() / name, RunStore::Mode::kWrite);
  }
  ImageEmbedContext Context(int64_t breaks_at = -1) {
    return {.model = *units_,
            .tiles = kTiles,
            .read = [this, breaks_at](int64_t index) -> std::optional<data::Tile> {
              if (breaks_at >= 0 && ++reads_ > breaks_at) throw std::runtime_error("killed");
              if (index == kUnusable) return std::nullopt;
              return RandomTile(index);
            },
            .class_names = {"no", "yes"}};
  }
  // Values of a unit at every location of a tile, one tile at a time.
  std::vector<float> Values(UnitId unit, int64_t tile) const {
    const at::Tensor image = PixelsOf(RandomTile(tile), 0, 1).unsqueeze(0);
    const at::Tensor values =
        units_->ByLocation(unit.layer, units_->Run(image, {unit.layer})[0].output)[0][unit.index];
    return {values.data_ptr<float>(), values.data_ptr<float>() + values.numel()};
  }

  TemporaryFolder folder_;
  std::optional<model::ImageUnits> units_;
  std::vector<UnitId> all_;
  int64_t reads_ = 0;
};

TEST_F(ImageEmbeddingTest, ExamplesAndStatisticsAreThoseOfASlowLoop) {
  RunStore store = Run("run");
  EmbedImageUnits(store, all_, {.share = 0.6, .cap = 1000}, {}, Context(), nullptr);
  int examples = 0;
  for (const UnitId unit : all_) {
    double maximum = -1e30, sum = 0;
    int64_t locations = 0, positive = 0;
    for (int64_t tile = 0; tile < kTiles; ++tile) {
      if (tile == kUnusable) continue;
      for (const float value : Values(unit, tile)) {
        maximum = std::max<double>(maximum, value);
        sum += value;
        ++locations;
        positive += value > 0 ? 1 : 0;
      }
    }
    const auto stats = store.GetStats(unit);
    ASSERT_TRUE(stats);
    EXPECT_NEAR(stats->maximum, maximum, 1e-5);
    EXPECT_NEAR(stats->mean, sum / static_cast<double>(locations), 1e-5);
    EXPECT_EQ(stats->tokens, locations);
    EXPECT_NEAR(stats->firing_rate, static_cast<double>(positive) / static_cast<double>(locations),
                1e-3);
    std::set<int64_t> expected, found;
    for (int64_t tile = 0; tile < kTiles; ++tile) {
      if (tile == kUnusable || maximum <= 0) continue;
      const std::vector<float> values = Values(unit, tile);
      if (*std::max_element(values.begin(), values.end()) >= 0.6 * maximum) expected.insert(tile);
    }
    for (const store::Example& example : store.GetExamples(unit, ExampleKind::kAbove)) {
      found.insert(example.sequence);
      const std::vector<float> values = Values(unit, example.sequence);
      EXPECT_NEAR(values.at(static_cast<size_t>(example.pivot)), example.activation, 1e-5);
      EXPECT_NEAR(*std::max_element(values.begin(), values.end()), example.activation, 1e-5);
      EXPECT_EQ(store.GetSequence(example.sequence).source,
                "tile " + std::to_string(example.sequence));
    }
    EXPECT_EQ(found, expected) << base::ToString(unit);
    examples += static_cast<int>(found.size());
    EXPECT_EQ(store.GetMeasures(unit)->examples, static_cast<int>(found.size()));
  }
  EXPECT_GT(examples, 100);
}

TEST_F(ImageEmbeddingTest, EmbeddingsAddUpToTheActivationOfTheirExample) {
  RunStore store = Run("run");
  EmbedImageUnits(store, all_, {.examples = "top", .cap = 7, .quantiles = true}, {}, Context(),
                  nullptr);
  int checked = 0, sampled = 0;
  for (const UnitId unit : all_) {
    const auto embedding = store.GetEmbedding(unit);
    ASSERT_TRUE(embedding);
    const double bias = units_->InputBias(unit.layer)[unit.index].item<double>();
    std::map<store::ExampleKey, store::Example> by_key;
    for (const store::Example& example : store.GetExamples(unit))
      by_key[{example.kind, example.bin, example.rank}] = example;
    for (size_t i = 0; i < embedding->examples.size(); ++i) {
      double sum = bias;
      for (int d = 0; d < embedding->dims; ++d)
        sum +=
            embedding->vectors[i * static_cast<size_t>(embedding->dims) + static_cast<size_t>(d)];
      const store::Example& example = by_key.at(embedding->examples[i]);
      EXPECT_NEAR(sum, example.activation, 1e-4);
      EXPECT_GT(example.activation, 0);
      sampled += example.kind == ExampleKind::kQuantile ? 1 : 0;
      ++checked;
    }
    EXPECT_LE(store.GetExamples(unit, ExampleKind::kTop).size(), 7U);
  }
  EXPECT_GT(checked, 100);
  EXPECT_GT(sampled, 50);
}

TEST_F(ImageEmbeddingTest, MemoryAndInterruptionsChangeNothing) {
  const EmbedOptions options{.share = 0.5, .cap = 5, .quantiles = true};
  RunStore whole = Run("whole"), small = Run("small");
  EmbedImageUnits(whole, all_, options, {}, Context(), nullptr);
  ImageEmbedContext context = Context(1000);
  context.memory_bytes = 20000;  // a few units at a time
  EXPECT_THROW(EmbedImageUnits(small, all_, options, {}, context, nullptr), std::runtime_error);
  const size_t before = small.UnitsWithMeasures().size();
  EXPECT_GT(before, 0U);
  EXPECT_LT(before, all_.size());
  ImageEmbedContext again = Context();
  again.memory_bytes = 20000;
  EmbedImageUnits(small, all_, options, {}, again, nullptr);
  EXPECT_EQ(small.UnitsWithMeasures(), whole.UnitsWithMeasures());
  for (const UnitId unit : all_) {
    const auto a = whole.GetEmbedding(unit), b = small.GetEmbedding(unit);
    ASSERT_EQ(a->examples, b->examples) << base::ToString(unit);
    ASSERT_EQ(a->vectors.size(), b->vectors.size());
    for (size_t i = 0; i < a->vectors.size(); ++i) EXPECT_NEAR(a->vectors[i], b->vectors[i], 1e-5);
    EXPECT_EQ(whole.GetMeasures(unit)->clusters, small.GetMeasures(unit)->clusters);
  }
}

TEST_F(ImageEmbeddingTest, TilesThatCannotBeUsedAreAnError) {
  RunStore store = Run("run");
  ImageEmbedContext context = Context();
  context.read = [](int64_t) { return std::nullopt; };
  EXPECT_EQ(model::ErrorOf([&] { EmbedImageUnits(store, all_, {}, {}, context, nullptr); }).kind(),
            base::ErrorKind::kBadInput);
}

TEST(ClassLabelTest, CommonestClassesFirst) {
  const std::vector<std::string> names = {"no", "yes"};
  EXPECT_EQ(ClassLabel(std::vector<int64_t>{0, 1, 1, -1}, names), "yes 2 / no 1");
  EXPECT_EQ(ClassLabel(std::vector<int64_t>{-1}, names), "");
  EXPECT_EQ(ClassLabel(std::vector<int64_t>{5}, names), "class 5 1");
}

TEST(PixelsOfTest, ChannelsComeFirstInTheWantedRange) {
  data::Tile tile;
  tile.height = 1;
  tile.width = 2;
  tile.pixels = {0, 51, 255, 255, 0, 102};
  const at::Tensor pixels = PixelsOf(tile, -1, 1);
  ASSERT_EQ(pixels.sizes(), (std::vector<int64_t>{3, 1, 2}));
  EXPECT_NEAR(pixels[1][0][0].item<double>(), -0.6, 1e-6);
  EXPECT_NEAR(pixels[0][0][1].item<double>(), 1, 1e-6);
}

}  // namespace
}  // namespace assay::neurons
