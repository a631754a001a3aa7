#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/base_testing.h"
#include "base/file.h"
#include "robustness/energy.h"
#include "robustness/evaluation_report.h"
#include "robustness/perception_study.h"
#include "robustness/reet_compat.h"
#include "robustness/robustness_testing.h"

namespace assay::robustness {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class EvaluationTest : public testing::Test {
 protected:
  EvaluationTest() {
    data_.images = (Seeded({10, 3, 16, 16}, 1, false) * 255).round() / 255;
    data_.labels = Answers(model_, data_.images);
    data_.labels[3] = 1 - data_.labels[3];  // one that is wrong from the start
    data_.clean_logits = LogitsInBatches(model_, data_.images, 4);
    data_.clean = ToAnswers(data_.clean_logits, data_.labels);
    for (int i = 0; i < 10; ++i) {
      data::TileInfo info;
      info.name = fmt::format("tile {}", i);
      data_.infos.push_back(info);
      data_.clusters.push_back(fmt::format("patient {}", i / 2));
      data_.nuclei_count.push_back(i);
      data_.nuclei_area.push_back(0.1 * i);
    }
    data_.constructs = at::randint(4, {10, 16, 16}, at::kLong);
    options_.transforms = "brightness";
    options_.attacks = "pgd,least";
    options_.corruptions = "none";
    options_.epsilon = 0.1;
    options_.steps = 8;
    options_.refinements = 2;
    options_.resamples = 50;
    options_.gallery = 2;
    options_.saliency = "gradient";
    subject_.model = {{"name", "small"}, {"hash", "1"}, {"classes", {"a", "b"}}};
    subject_.data = {{"name", "noise"}, {"clusters", "patient"}};
  }
  json Run() {
    kept_ = fresh_ = 0;
    return RunEvaluation(
        model_, data_, subject_, options_, folder_.path(),
        [&](size_t, size_t, const std::string&, bool kept) { (kept ? kept_ : fresh_) += 1; });
  }

  SmallNetwork model_{3, 2, 7};
  EvaluationData data_;
  EvaluationOptions options_;
  EvaluationSubject subject_;
  base::TemporaryFolder folder_;
  int kept_ = 0, fresh_ = 0;
};

TEST_F(EvaluationTest, ReportsEveryItemConsistently) {
  const json report = Run();
  ASSERT_EQ(report.at("items").size(), 3u);
  for (const json& item : report.at("items")) {
    const json& metrics = item.at("metrics");
    EXPECT_EQ(metrics.at("correct"), 9);
    EXPECT_NEAR(metrics.at("fooling_rate").at("value").get<double>(),
                metrics.at("flipped").get<double>() / 9, 1e-12);
    EXPECT_EQ(item.at("constructs").size(), 4u);
    double shares = 0;
    for (const json& part : item.at("constructs"))
      shares += part.at("energy_share").is_number() ? part.at("energy_share").get<double>() : 0;
    EXPECT_TRUE(std::abs(shares - 1) < 1e-6 || shares == 0);
    for (const json& row : item.at("gallery")) {
      for (const auto& [name, picture] : row.at("pictures").items())
        EXPECT_TRUE(std::filesystem::exists(folder_.path() / picture.get<std::string>()));
    }
  }
  const json& worst = report.at("worst_case").at("metrics");
  for (const json& item : report.at("items")) {
    EXPECT_LE(worst.at("accuracy").at("value").get<double>(),
              item.at("metrics").at("accuracy").at("value").get<double>());
    EXPECT_GE(worst.at("flipped"), item.at("metrics").at("flipped"));
  }
  EXPECT_DOUBLE_EQ(report.at("clean").at("accuracy").at("value"), 0.9);
  EXPECT_EQ(report.at("items")[0].at("confined").size(), 4u);
}

TEST_F(EvaluationTest, CurvesNeverFallAndStartAtZero) {
  const json report = Run();
  for (const json& item : report.at("items")) {
    if (!item.contains("curve")) continue;
    const json& points = item.at("curve").at("points");
    EXPECT_EQ(points.size(), 5u);
    double last = 0, strength = -1;
    for (const json& point : points) {
      EXPECT_GE(point.at("fooling_rate").get<double>(), last);
      EXPECT_GT(point.at("strength").get<double>(), strength);
      last = point.at("fooling_rate");
      strength = point.at("strength");
    }
    EXPECT_EQ(points[0].at("rmse_grey"), 0);
    EXPECT_DOUBLE_EQ(last, item.at("metrics").at("fooling_rate").at("value").get<double>());
  }
}

TEST_F(EvaluationTest, LeastEnergyIsVerifiedAfterRounding) {
  const json report = Run();
  const json& least = report.at("items")[1].at("minimal_energy");
  EXPECT_EQ(least.at("correct"), 9);
  EXPECT_GT(least.at("found"), 5);
  double last = 0;
  for (const json& value : least.at("values")) {
    EXPECT_GE(value.get<double>(), last);
    last = value;
  }
}

TEST_F(EvaluationTest, FinishedItemsAreKeptAndTheReportIsTheSame) {
  json first = Run();
  EXPECT_EQ(fresh_, 3);
  json again = Run();
  EXPECT_EQ(kept_, 3);
  EXPECT_EQ(first, again);
  std::filesystem::remove(folder_.path() / "items" / "least.json");
  json third = Run();
  EXPECT_EQ(kept_, 2);
  for (json* report : {&first, &third}) {  // times are what they are
    report->erase("seconds");
    for (json& item : (*report)["items"]) {
      item["cost"].erase("seconds");
      item["cost"].erase("model_seconds");
    }
  }
  EXPECT_EQ(first, third);
  options_.seed = 1;
  Run();
  EXPECT_EQ(fresh_, 3);
}

TEST_F(EvaluationTest, BatchesDoNotMatter) {
  options_.attacks = "pgd";
  const json large = Run();
  options_.batch = 3;
  const json small = Run();
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(large["items"][i]["metrics"]["flipped"], small["items"][i]["metrics"]["flipped"]);
    EXPECT_NEAR(large["items"][i]["metrics"]["brier"]["value"].get<double>(),
                small["items"][i]["metrics"]["brier"]["value"].get<double>(), 1e-4);
  }
}

TEST_F(EvaluationTest, UniversalPerturbationsAreScoredOneByOne) {
  options_.attacks = "none";
  const at::Tensor deltas = at::stack({at::zeros({3, 16, 16}), at::full({3, 16, 16}, 0.2)});
  subject_.more = {UniversalItem(deltas, {0.1, 0.2}, "linf")};
  const json report = Run();
  const json& item = report.at("items")[0];
  EXPECT_EQ(item.at("kind"), "universal");
  const json& points = item.at("curve").at("points");
  ASSERT_EQ(points.size(), 3u);
  EXPECT_EQ(points[1].at("fooling_rate"), 0);
  const at::Tensor after = Answers(model_, (data_.images + 0.2).clamp(0, 1));
  int64_t flipped = 0;
  for (int64_t i = 0; i < 10; ++i)
    flipped += data_.clean.Correct(i) && after[i].item<int64_t>() != data_.clean.labels[i] ? 1 : 0;
  EXPECT_EQ(item.at("metrics").at("flipped"), flipped);
  EXPECT_EQ(item.at("universal").at("controls").size(), 2u);
  EXPECT_THAT(ErrorMessage([&] {
                UniversalItem(deltas, {0.1, 0.1}, "linf");
              }),
              HasSubstr("larger than"));
  EXPECT_THROW(UniversalItem(deltas, {0.1}, "linf"), base::Error);
}

TEST_F(EvaluationTest, UnknownNamesAreRefused) {
  options_.attacks = "pgd,magic";
  EXPECT_THAT(ErrorMessage([&] { Run(); }), HasSubstr("magic"));
  options_.attacks = "pgd";
  options_.saliency = "entrails";
  EXPECT_THAT(ErrorMessage([&] { Run(); }), HasSubstr("entrails"));
  options_.saliency = "none";
  options_.transforms = "none";
  options_.attacks = "none";
  EXPECT_THAT(ErrorMessage([&] { Run(); }), HasSubstr("no attack and no transform"));
  options_.compat = "reet";
  options_.transforms = "pixel,sharpen";
  EXPECT_THAT(ErrorMessage([&] { Run(); }), HasSubstr("sharpen"));
}

TEST_F(EvaluationTest, ReetBudgetsAreOfTheBatch) {
  ReetSettings settings = ReetDefaults().front();
  ASSERT_EQ(settings.transform, "pixel");
  settings.step = 0.05;
  const at::Tensor images = data_.images * 0.5 + 0.25;
  const ReetResult result = RunReet(model_, images, data_.labels, settings, 1);
  const at::Tensor change = result.images - images;
  EXPECT_NEAR(change.square().mean().sqrt().item<double>(), 2.0 / 255, 1e-5);
  EXPECT_EQ(result.calls.backwards, 100);
  const at::Tensor each = MeasureEnergies(images, result.images).rmse;
  EXPECT_GT((each.max() - each.min()).item<double>(), 0);
}

TEST_F(EvaluationTest, ReetSearchKeepsTheLowestScore) {
  ReetSettings settings{.transform = "rotate"};
  settings.draws = 1;
  const auto score = [&](int draws) {
    settings.draws = draws;
    const ReetResult result = RunReet(model_, data_.images, data_.labels, settings, 5);
    EXPECT_TRUE(at::allclose(result.logits, model_.Logits(result.images), 1e-4, 1e-4));
    return result.logits.gather(1, data_.labels.unsqueeze(1));
  };
  const at::Tensor one = score(1), ten = score(10);
  EXPECT_TRUE((ten <= one + 1e-6).all().item<bool>());
  EXPECT_TRUE((ten < one - 1e-6).any().item<bool>());
}

TEST(EnergyTest, KnownSizes) {
  const at::Tensor a = at::zeros({1, 3, 2, 2});
  at::Tensor b = at::zeros({1, 3, 2, 2});
  b[0][0][0][0] = 0.5;
  const ImageEnergies energies = MeasureEnergies(a, b);
  EXPECT_NEAR(energies.rmse.item<double>(), 0.5 / std::sqrt(12), 1e-7);
  EXPECT_NEAR(energies.mean_abs.item<double>(), 0.5 / 12, 1e-7);
  EXPECT_NEAR(energies.l2.item<double>(), 0.5, 1e-7);
  EXPECT_NEAR(energies.linf.item<double>(), 0.5, 1e-7);
  EXPECT_NEAR(energies.l0.item<double>(), 1.0 / 12, 1e-12);
  EXPECT_GT(energies.delta_e.item<double>(), 10);
}

TEST(PerceptionStudyTest, PairsDifferByTheLevelAndSidesAreMixed) {
  const SmallNetwork model(3, 2, 7);
  TileBatch tiles{.images = (Seeded({6, 3, 12, 12}, 2, false) * 255).round() / 255};
  tiles.labels = Answers(model, tiles.images);
  tiles.infos.resize(6);
  StudyOptions options{.levels = "2,8", .trials = 20, .steps = 4};
  const std::vector<StudyPair> pairs = MakeStudy(model, tiles, options);
  ASSERT_EQ(pairs.size(), 40u);
  int first = 0;
  for (const StudyPair& pair : pairs) {
    int largest = 0;
    for (size_t i = 0; i < pair.first.pixels.size(); ++i)
      largest = std::max(largest, std::abs(pair.first.pixels[i] - pair.second.pixels[i]));
    EXPECT_EQ(largest, static_cast<int>(pair.level));
    first += pair.altered_first ? 1 : 0;
  }
  EXPECT_GT(first, 8);
  EXPECT_LT(first, 32);
  options.levels = "2,0.5";
  EXPECT_THAT(ErrorMessage([&] { MakeStudy(model, tiles, options); }), HasSubstr("'0.5'"));
}

// No change raises any objective, so that the best state of an attack is the tile itself.
class Unmoved : public model::ImageClassifier {
 public:
  Unmoved() { spec_ = {.class_names = {"a", "b"}, .any_size = true}; }
  at::Tensor Logits(const at::Tensor& images) const override {
    const at::Tensor nothing = images.sum({1, 2, 3}) * 0;
    return at::stack({nothing + 5, nothing}, 1);
  }
};

TEST(PerceptionStudyTest, NoPairIsOnePictureTwice) {
  TileBatch tiles{.images = (Seeded({6, 3, 12, 12}, 2, false) * 255).round() / 255};
  tiles.infos.resize(6);
  const StudyOptions options{.levels = "4,8,16", .trials = 12, .steps = 4};
  for (const int64_t label : {0, 1}) {  // right, and wrong from the start
    tiles.labels = at::full({6}, label, at::kLong);
    for (const StudyPair& pair : MakeStudy(Unmoved(), tiles, options)) {
      int largest = 0;
      for (size_t i = 0; i < pair.first.pixels.size(); ++i)
        largest = std::max(largest, std::abs(pair.first.pixels[i] - pair.second.pixels[i]));
      EXPECT_EQ(largest, static_cast<int>(pair.level));
      EXPECT_GT(pair.rmse_grey, 0);
    }
  }
}

TEST(PerceptionStudyTest, ALevelThatNoTileReachesIsRefused) {
  const SmallNetwork model(3, 2, 7);
  TileBatch tiles{.images = at::full({2, 3, 12, 12}, 128.0f / 255)};
  tiles.labels = Answers(model, tiles.images);
  tiles.infos.resize(2);
  const StudyOptions options{.levels = "8,200", .trials = 4, .steps = 4};
  EXPECT_THAT(ErrorMessage([&] { MakeStudy(model, tiles, options); }),
              HasSubstr("none of 2 tiles by 200 grey levels"));
}

}  // namespace
}  // namespace assay::robustness
