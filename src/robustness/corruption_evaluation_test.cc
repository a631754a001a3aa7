#include "robustness/corruption_evaluation.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/base_testing.h"
#include "base/file.h"
#include "robustness/evaluation_report.h"
#include "robustness/robustness_testing.h"
#include "transforms/corruption.h"

namespace assay::robustness {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Bright tiles are of class 1: a corruption that darkens turns them into class 0.
class CorruptionEvaluationTest : public testing::Test {
 protected:
  CorruptionEvaluationTest() {
    data_.images = Seeded({12, 3, 16, 16}, 3, false) * 0.2;
    data_.images.narrow(0, 6, 6).add_(0.35);
    data_.labels = at::cat({at::zeros({6}, at::kLong), at::ones({6}, at::kLong)});
    data_.clean_logits = LogitsInBatches(model_, data_.images, 5);
    data_.clean = ToAnswers(data_.clean_logits, data_.labels);
    for (int i = 0; i < 12; ++i) {
      data_.infos.emplace_back();
      data_.clusters.push_back(fmt::format("{}", i));
    }
  }
  json Rows(const std::vector<std::string>& names, int64_t batch = 5,
            const std::string& hash = "a") {
    kept_ = 0;
    return EvaluateCorruptions(model_, data_, names, batch, hash, folder_.path() / "c.json",
                               [&](bool kept) { kept_ += kept ? 1 : 0; });
  }

  StepClassifier model_{0.35};
  EvaluationData data_;
  base::TemporaryFolder folder_;
  int kept_ = 0;
};

TEST_F(CorruptionEvaluationTest, CountsWhatTheClassifierAnswersAtEachSeverity) {
  const json rows = Rows({"darker", "sharpen"});
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].at("name"), "darker");
  double sum = 0;
  for (int severity = 1; severity <= 5; ++severity) {
    const std::vector<int64_t> ids(12);
    const at::Tensor right =
        model_.Logits(transforms::Corrupt(data_.images, "darker", severity, ids))
            .argmax(1)
            .eq(data_.labels);
    const double accuracy = right.to(at::kDouble).mean().item<double>();
    EXPECT_DOUBLE_EQ(rows[0].at("accuracy")[static_cast<size_t>(severity - 1)], accuracy);
    sum += accuracy;
  }
  EXPECT_EQ(rows[0].at("accuracy")[0], 1.0);
  EXPECT_EQ(rows[0].at("accuracy")[4], 0.5);
  EXPECT_NEAR(rows[0].at("mean_accuracy").get<double>(), sum / 5, 1e-12);
  EXPECT_EQ(rows[0].at("auc").size(), 5u);
}

TEST_F(CorruptionEvaluationTest, DoesNotDependOnTheBatch) {
  const json rows = Rows({"noise", "jpeg"}, 5);
  std::filesystem::remove(folder_.path() / "c.json");
  EXPECT_EQ(Rows({"noise", "jpeg"}, 12), rows);
}

TEST_F(CorruptionEvaluationTest, FinishedRowsAreKeptForTheSameModelAndTiles) {
  const json before = Rows({"darker", "blur"});
  EXPECT_EQ(kept_, 0);
  EXPECT_EQ(Rows({"blur", "darker", "jpeg"})[1], before[0]);
  EXPECT_EQ(kept_, 2);
  Rows({"darker"}, 5, "another model");
  EXPECT_EQ(kept_, 0);
  data_.labels = 1 - data_.labels;
  EXPECT_EQ(Rows({"darker"}, 5, "another model")[0].at("accuracy")[0], 0.0);
  EXPECT_EQ(kept_, 0);
}

TEST(CorruptionNamesTest, AllIsOfRgbTilesAndUnknownNamesAreRefused) {
  EvaluationOptions options;
  EXPECT_EQ(CorruptionNames(options, 3).size(), transforms::Corruptions().size());
  EXPECT_THAT(CorruptionNames(options, 1), IsEmpty());
  options.compat = "reet";
  EXPECT_THAT(CorruptionNames(options, 3), IsEmpty());
  options.corruptions = "jpeg, blur";
  EXPECT_THAT(CorruptionNames(options, 3), ElementsAre("jpeg", "blur"));
  EXPECT_THAT(ErrorMessage([&] { CorruptionNames(options, 1); }), HasSubstr("1 channels"));
  options.corruptions = "rain";
  EXPECT_THAT(ErrorMessage([&] { CorruptionNames(options, 3); }), HasSubstr("'rain'"));
  options.corruptions = "none";
  EXPECT_THAT(CorruptionNames(options, 3), IsEmpty());
}

TEST_F(CorruptionEvaluationTest, AreAPartOfTheReport) {
  EvaluationOptions options;
  options.transforms = options.attacks = "none";
  options.corruptions = "darker";
  options.resamples = 20;
  EvaluationSubject subject;
  subject.model = {{"name", "step"}, {"hash", "1"}, {"classes", {"low", "high"}}};
  subject.data = {{"name", "grey"}, {"clusters", "tile"}};
  const json report = RunEvaluation(model_, data_, subject, options, folder_.path());
  EXPECT_EQ(report.at("corruptions").size(), 1u);
  EXPECT_EQ(report.at("corruptions")[0].at("accuracy")[4], 0.5);
  EXPECT_THAT(report.at("items"), IsEmpty());
  options.corruptions = "none";
  EXPECT_THAT(ErrorMessage([&] { RunEvaluation(model_, data_, subject, options, folder_.path()); }),
              HasSubstr("nothing to evaluate"));
}

TEST_F(CorruptionEvaluationTest, ThePackageWithoutTransformsHasNothingToEvaluate) {
  EvaluationOptions options;
  options.transforms = "none";
  options.compat = "reet";
  EXPECT_THAT(ErrorMessage([&] { RunEvaluation(model_, data_, {}, options, folder_.path()); }),
              HasSubstr("nothing to evaluate"));
}

}  // namespace
}  // namespace assay::robustness
