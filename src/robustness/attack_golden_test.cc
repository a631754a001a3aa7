// Third-party values: ../shared/golden/attacks, and recorded robust accuracies.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"
#include "model/safetensors.h"
#include "robustness/attack_run.h"
#include "robustness/robustness_testing.h"

namespace assay::robustness {
namespace {

namespace fs = std::filesystem;
const fs::path kShared = ASSAY_SOURCE_DIR "/../shared";

class AttackGoldenTest : public testing::TestWithParam<std::string> {};

// The share of values that differ by more than rounding.
double ShareOfDifferences(const at::Tensor& found, const at::Tensor& expected) {
  return ((found - expected).abs() > 1e-5).to(at::kDouble).mean().item<double>();
}

TEST_P(AttackGoldenTest, PgdAndFgsmEqualTheReference) {
  const fs::path file = kShared / "golden/attacks" / (GetParam() + ".safetensors");
  if (!fs::exists(file)) GTEST_SKIP() << file << " is not here";
  const auto golden = model::SafetensorsFile::Open(file);
  const nlohmann::json facts = base::ReadJson(fs::path(file).replace_extension(".json"));
  const auto model = model::LoadImageClassifier(kShared / "models" /
                                                (facts.at("model").get<std::string>() + ".pt"));
  AttackOptions options;
  options.epsilon = facts.at("eps");
  options.step = facts.at("alpha");
  options.steps = facts.at("steps");
  options.random_start = false;
  options.last_iterate = true;
  options.keep_trajectory = true;
  const AttackInput input{.images = golden.Read("input"), .labels = golden.Read("labels")};
  const auto run = RunAttackInBatches(*MakeAttack(options), *model, input, 3);
  auto found = AttackTensors(options, *model, input, run, 3);
  const auto difference = [&](const std::string& name) {
    EXPECT_EQ(found.at(name).sizes(), golden.Read(name).sizes()) << name;
    return (found.at(name) - golden.Read(name)).abs().max().item<double>();
  };
  EXPECT_LT(difference("clean_logits"), 1e-4);
  EXPECT_LT(difference("clean_loss"), 1e-4);
  const at::Tensor gradient = golden.Read("grad");
  EXPECT_LT(difference("grad"), 1e-4 * gradient.abs().max().item<double>() + 1e-7);
  EXPECT_LT(ShareOfDifferences(found.at("fgsm_adv"), golden.Read("fgsm_adv")), 1e-3);
  EXPECT_LT(difference("fgsm_logits"), 1e-3);
  const std::vector<double> allowed =
      facts.at("pgd_share_of_values_differing_float32_vs_float64_per_step");
  for (int64_t step = 0; step < options.steps; ++step) {
    EXPECT_LE(ShareOfDifferences(found.at("pgd_adv")[step], golden.Read("pgd_adv")[step]),
              2 * allowed[static_cast<size_t>(step)] + 1e-4)
        << step;
  }
  EXPECT_LT(difference("pgd_logits"), 2e-3);
  EXPECT_LT(difference("pgd_loss"), 2e-3);
}

INSTANTIATE_TEST_SUITE_P(Models, AttackGoldenTest,
                         testing::Values("cifar_resnet20", "idc_resnet18w16", "mnist_robust_wk"),
                         [](const auto& name) { return name.param; });

TEST(SaturatedGoldenTest, ConfidentImagesAreFooledByOneStep) {
  const fs::path file = kShared / "golden/attacks/cifar_resnet20_saturated.safetensors";
  if (!fs::exists(file)) GTEST_SKIP() << file << " is not here";
  const auto golden = model::SafetensorsFile::Open(file);
  const auto model = model::LoadImageClassifier(kShared / "models/cifar_resnet20.pt");
  const AttackInput input{.images = golden.Read("input"), .labels = golden.Read("labels")};
  for (const std::string objective : {"cross-entropy", "margin", "dlr"}) {
    AttackOptions options;
    options.attack = "fgsm";
    options.objective = objective;
    options.epsilon = 8.0 / 255;
    const AttackResult result = MakeAttack(options)->Run(*model, input);
    EXPECT_TRUE(result.fooled.all().item<bool>()) << objective;
  }
  // The cross-entropy gradient points where the margin's does: it did not drown in rounding.
  const auto sign_of_step = [&](const std::string& objective) {
    AttackOptions options;
    options.attack = "fgsm";
    options.objective = objective;
    options.epsilon = 1.0 / 255;
    return (MakeAttack(options)->Run(*model, input).images - input.images).sign();
  };
  const double same = (sign_of_step("cross-entropy") == sign_of_step("margin"))
                          .to(at::kDouble)
                          .mean()
                          .item<double>();
  EXPECT_GT(same, 0.9);
}

}  // namespace
}  // namespace assay::robustness
