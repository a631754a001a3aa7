#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/base_testing.h"
#include "base/file.h"
#include "robustness/energy.h"
#include "robustness/evaluation_report.h"
#include "robustness/evaluation_summary.h"
#include "robustness/reet_compat.h"
#include "robustness/robustness_testing.h"

namespace assay::robustness {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

class EvaluationTest : public testing::Test {
 protected:
  EvaluationTest() {
    Take(model_, (Seeded({10, 3, 16, 16}, 1, false) * 255).round() / 255);
    for (int i = 0; i < 10; ++i) {
      data::TileInfo info;
      info.name = fmt::format("tile {}", i);
      data_.infos.push_back(info);
      data_.clusters.push_back(fmt::format("patient {}", i / 2));
      data_.nuclei_count.push_back(i);
      data_.nuclei_area.push_back(0.1 * i);
    }
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
  // Ten images with the classifier's own answers, but for one that is wrong from the start.
  void Take(const model::ImageClassifier& model, const at::Tensor& images) {
    data_.images = images;
    data_.labels = Answers(model, images);
    data_.labels[3] = 1 - data_.labels[3];
    data_.clean_logits = LogitsInBatches(model, images, 4);
    data_.clean = ToAnswers(data_.clean_logits, data_.labels);
    data_.constructs = at::randint(4, {10, images.size(2), images.size(3)}, at::kLong);
  }
  json Run() { return Run(model_); }
  json Run(const model::ImageClassifier& model) {
    kept_ = fresh_ = 0;
    return RunEvaluation(
        model, data_, subject_, options_, folder_.path(),
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
    if (item.at("name") == "least") continue;
    EXPECT_LE(worst.at("accuracy").at("value").get<double>(),
              item.at("metrics").at("accuracy").at("value").get<double>());
    EXPECT_GE(worst.at("flipped"), item.at("metrics").at("flipped"));
  }
  EXPECT_DOUBLE_EQ(report.at("clean").at("accuracy").at("value"), 0.9);
  EXPECT_EQ(report.at("items")[0].at("confined").size(), 4u);
}

std::vector<std::string> Names(const json& items) {
  std::vector<std::string> names;
  for (const json& item : items) names.push_back(item.at("name"));
  return names;
}

// The texts of the report's flags about an item, one under another.
std::string FlagsOf(const json& report, const std::string& name) {
  std::string out;
  for (const json& flag : report.at("flags"))
    if (flag.at("item") == name) out += flag.at("text").get<std::string>() + "\n";
  return out;
}

TEST_F(EvaluationTest, TheWorstCaseIsOfItemsWithABudget) {
  options_.transforms = "none";
  options_.epsilon = 1e-5;  // harmless; the search for the least change goes as far as it must
  const json report = Run();
  ASSERT_EQ(Names(report.at("items")), (std::vector<std::string>{"pgd", "least"}));
  EXPECT_GT(report.at("items")[1].at("metrics").at("flipped"), 5);
  EXPECT_EQ(report.at("items")[0].at("metrics").at("flipped"), 0);
  const json& worst = report.at("worst_case");
  EXPECT_EQ(worst.at("metrics").at("flipped"), 0);
  EXPECT_EQ(worst.at("items"), json::array({"pgd"}));
  EXPECT_EQ(worst.at("left_out")[0].at("item"), "least");
  options_.attacks = "least";
  EXPECT_FALSE(Run().contains("worst_case"));
}

TEST_F(EvaluationTest, CroppedTilesHaveNoPartInTheWorstCase) {
  Take(model_, (Seeded({10, 3, 20, 20}, 1, false) * 255).round() / 255);
  options_.compat = "reet";
  options_.transforms = "blur,jpeg";
  const json worst = Run().at("worst_case");
  EXPECT_EQ(worst.at("items"), json::array({"blur"}));
  EXPECT_EQ(worst.at("left_out")[0].at("item"), "jpeg");
  EXPECT_THAT(worst.at("left_out")[0].at("reason").get<std::string>(), HasSubstr("16 x 16 px"));
}

// A tenth of a grey level from being fooled, all of them.
class NearClassifier : public LinearClassifier {
 public:
  explicit NearClassifier(double mean)
      : LinearClassifier(at::cat({at::full({1, 768}, -1.0 / 768), at::full({1, 768}, 1.0 / 768)}),
                         at::tensor({mean + 0.1 / 255, -mean - 0.1 / 255}).to(at::kFloat), 100) {
    spec_.height = spec_.width = 16;
  }
};

TEST_F(EvaluationTest, ChangesBelowAGreyLevelAreLengthenedUntilTheyCanBeStored) {
  const at::Tensor pixels = (Seeded({3 * 16 * 16}, 1, false) * 200 + 20).round() / 255;
  std::vector<at::Tensor> images;
  for (int64_t i = 0; i < 10; ++i) images.push_back(pixels.roll(i).view({3, 16, 16}));
  const NearClassifier model(pixels.mean().item<double>());
  Take(model, at::stack(images));
  options_.transforms = "none";
  options_.attacks = "least";
  const json report = Run(model);
  const json& item = report.at("items")[0];
  EXPECT_EQ(item.at("metrics").at("flipped"), 9);
  EXPECT_EQ(item.at("stored").at("png"), 0);  // as found, rounding takes all of it away
  EXPECT_EQ(item.at("minimal_energy").at("found"), 9);
  for (const json& value : item.at("minimal_energy").at("values"))
    EXPECT_LE(value.get<double>(), 1.5);
  EXPECT_EQ(FlagsOf(report, "least"), "");
}

TEST_F(EvaluationTest, LeastEnergyIsTheLeastOfAllPixelItemsAtAnyStrength) {
  json report = Run();
  const json& least = report.at("items")[1].at("minimal_energy");
  int64_t by_all = 0;
  for (const auto& [name, tiles] : least.at("from").items()) by_all += tiles.get<int64_t>();
  EXPECT_EQ(by_all, least.at("found"));
  std::vector<FinishedItem> items(2);
  items[0] = {.item = {{"name", "least"}, {"minimal_energy", 0}},
              .least = std::vector<double>(10, 3)};
  items[1] = {.item = {{"name", "pgd"}}, .least = std::vector<double>(10, INFINITY)};
  items[1].least[4] = 2;
  items[0].least[5] = INFINITY;
  TakeLeastOfAll(data_, items);
  const json& taken = items[0].item.at("minimal_energy");
  EXPECT_EQ(taken.at("found"), 9);
  EXPECT_EQ(taken.at("values")[0], 2);
  EXPECT_EQ(taken.at("from"), json({{"least", 8}, {"pgd", 1}}));
  EXPECT_FALSE(items[1].item.contains("minimal_energy"));
}

TEST_F(EvaluationTest, WithoutGradientsWhatNeedsNoneIsEvaluated) {
  const StepClassifier model(0.5);
  Take(model, data_.images);
  options_.attacks = "fgsm,pgd,ensemble,least";
  options_.transforms = "pixel,stain,brightness";
  options_.saliency = "gradient,integrated-gradients";
  options_.queries = 20;
  const json report = Run(model);
  EXPECT_EQ(Names(report.at("items")),
            (std::vector<std::string>{"ensemble", "square", "stain", "brightness"}));
  EXPECT_EQ(report.at("items")[2].at("threat").at("optimizer"), "search");
  EXPECT_EQ(report.at("items")[3].at("saliency")[0].at("method"), "occlusion");
  EXPECT_EQ(report.at("model").at("differentiable"), false);
  EXPECT_THAT(FlagsOf(report, "evaluation"), HasSubstr("gradients: fgsm, pgd, least, pixel;"));
  EXPECT_THAT(FlagsOf(report, "evaluation"), HasSubstr("in place of gradient, integrated"));
  EXPECT_THAT(FlagsOf(report, "ensemble"), HasSubstr("gives no gradients"));
  options_.compat = "reet";
  options_.transforms = "pixel,blur";
  const json reet = Run(model);
  EXPECT_EQ(Names(reet.at("items")), (std::vector<std::string>{"blur"}));
  EXPECT_THAT(FlagsOf(reet, "evaluation"), HasSubstr("gradients: pixel"));
}

TEST_F(EvaluationTest, LimitsSayWhatIsSo) {
  const auto limits = [&] { return fmt::format("{}", fmt::join(LimitsOf(data_, options_), "\n")); };
  EXPECT_THAT(limits(), HasSubstr("resample 5 patients"));
  EXPECT_THAT(limits(), HasSubstr("no worst case"));
  EXPECT_THAT(limits(), Not(HasSubstr("segmented")));  // the masks were given
  data_.nuclei_segmented = true;
  data_.clusters_are_patients = false;
  EXPECT_THAT(limits(), HasSubstr("resample 5 tiles"));
  EXPECT_THAT(limits(), HasSubstr("segmented"));
  data_.clusters.assign(10, "one");
  EXPECT_THAT(limits(), Not(HasSubstr("resample")));
  EXPECT_THAT(limits(), HasSubstr("no intervals"));
}

TEST_F(EvaluationTest, ReportNamesWhatWasSelected) {
  subject_.selection = {{"limit", 10}, {"masks", "none"}};
  const json options = Run().at("options");
  EXPECT_EQ(options.at("limit"), 10);
  EXPECT_EQ(options.at("masks"), "none");
  EXPECT_EQ(options.at("attacks"), "pgd,least");
}

TEST_F(EvaluationTest, OnlyPixelAttacksHaveToFlipSomething) {
  options_.epsilon = 1e-6;
  options_.draws = options_.refinements = 1;
  options_.attacks = "pgd";
  // Too sure of its answers for any offset.
  const at::Tensor weights = at::stack({at::ones({768}), -at::ones({768})});
  class Sure : public LinearClassifier {
   public:
    explicit Sure(const at::Tensor& w) : LinearClassifier(w, at::tensor({1e4F, 0.0F})) {
      spec_.height = spec_.width = 16;
    }
  };
  const Sure model(weights);
  Take(model, data_.images);
  const json report = Run(model);
  EXPECT_THAT(FlagsOf(report, "pgd"), HasSubstr("no image was flipped"));
  EXPECT_EQ(FlagsOf(report, "brightness"), "");
}

TEST_F(EvaluationTest, TheGalleryTellsTheNewAnswerAndItsProbability) {
  const json report = Run();
  for (const json& row : report.at("items")[0].at("gallery")) {
    ASSERT_NE(row.at("answer_after"), row.at("answer_before"));
    EXPECT_NEAR(row.at("score_answer_after").get<double>() + row.at("score_after").get<double>(), 1,
                1e-6);  // of two classes
  }
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

}  // namespace
}  // namespace assay::robustness
