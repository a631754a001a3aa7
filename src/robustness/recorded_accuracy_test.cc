// Robust accuracies of real classifiers that third-party tools have recorded (foolbox,
// torchattacks, AutoAttack): ours are to leave at most one image more. ../shared/models; the
// attacks that take minutes are in docs/guide/attacks.md.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "data/tile_dataset.h"
#include "robustness/attack_run.h"
#include "robustness/tile_batch.h"

namespace assay::robustness {
namespace {

namespace fs = std::filesystem;

struct Recorded {
  std::string name, model, tiles, attack;
  double epsilon, accuracy;  // of 200 images
};

class RecordedAccuracyTest : public testing::TestWithParam<Recorded> {};

TEST_P(RecordedAccuracyTest, IsMetWithinOneImage) {
  const Recorded& recorded = GetParam();
  const fs::path shared = ASSAY_SOURCE_DIR "/../shared";
  const fs::path file = shared / "models" / (recorded.model + ".pt");
  if (!fs::exists(file)) GTEST_SKIP() << file << " is not here";
  const auto model = model::LoadImageClassifier(file);
  auto dataset =
      data::TileDataset::Open(shared / "data" / recorded.tiles, OptionsFor(model->spec()), {});
  const TileBatch tiles = ReadAll(dataset, model->spec());
  ASSERT_EQ(tiles.images.size(0), 200);
  AttackOptions options;
  options.attack = recorded.attack;
  options.epsilon = recorded.epsilon;
  const AttackRunResult run = RunAttackInBatches(
      *MakeAttack(options), *model, {.images = tiles.images, .labels = tiles.labels}, 64);
  const auto right = run.result.fooled.logical_not().sum().item<int64_t>();
  EXPECT_LE(right, std::llround(200 * recorded.accuracy) + 1);
}

INSTANTIATE_TEST_SUITE_P(
    Models, RecordedAccuracyTest,
    testing::Values(
        Recorded{"CifarFgsm2", "cifar_resnet20", "cifar10_test_200", "fgsm", 2.0 / 255, .11},
        Recorded{"CifarFgsm8", "cifar_resnet20", "cifar10_test_200", "fgsm", 8.0 / 255, .07},
        Recorded{"CifarPgd", "cifar_resnet20", "cifar10_test_200", "pgd", 8.0 / 255, 0},
        Recorded{"MnistFgsm", "mnist_robust_wk", "mnist_test_200", "fgsm", .1, .98},
        Recorded{"MnistPgd", "mnist_robust_wk", "mnist_test_200", "pgd", .1, .98}),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace assay::robustness
