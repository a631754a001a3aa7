#include "view/robustness_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "base/file.h"
#include "view/curve_chart.h"
#include "view/study_page.h"
#include "view/view_testing.h"

namespace assay::view {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

// The example of docs/robustness-report.md.
json Example() {
  const std::string text = base::ReadFile(ASSAY_SOURCE_DIR "/docs/robustness-report.md");
  const size_t begin = text.find("```json\n") + 8;
  return json::parse(text.substr(begin, text.find("```", begin) - begin));
}

std::string Pictures(const std::string& name) { return "PNG of " + name; }

TEST(RobustnessPageTest, ShowsTheDocumentedExample) {
  const std::string page = WriteRobustnessPage(Example(), Pictures);
  const MarkupReport markup = CheckMarkup(page, true);
  EXPECT_EQ(markup.problem, "");
  for (const char* text : {"idc_resnet18w16_aug on idc, test", "2/255", "PGD, largest change",
                           "the loss never rose", "difference × 32", "idc 93.0%", "Threat model"})
    EXPECT_THAT(markup.text, HasSubstr(text));
  EXPECT_EQ(markup.elements.at("img"), 5);
  EXPECT_THAT(page, HasSubstr("data:image/png;base64,"));
  EXPECT_THAT(page, Not(HasSubstr("http://www.w3.org/1999")));
  EXPECT_THAT(page, Not(HasSubstr("src=\"gallery")));
}

TEST(RobustnessPageTest, SaysWhichItemsTheWorstCaseIsOf) {
  json report = Example();
  report["worst_case"]["items"] = {"pgd-linf"};
  report["worst_case"]["left_out"] = {{{"item", "least"}, {"reason", "it has no budget"}}};
  EXPECT_THAT(CheckMarkup(WriteRobustnessPage(report, Pictures), true).text,
              HasSubstr("harms it most of PGD, largest change. Without least: it has no budget."));
  report.erase("worst_case");
  EXPECT_THAT(CheckMarkup(WriteRobustnessPage(report, Pictures), true).text,
              HasSubstr("No worst case"));
}

TEST(RobustnessPageTest, TablesFitThePage) {
  const std::string page = WriteRobustnessPage(Example(), Pictures);
  for (size_t at = page.find("<thead>"); at != std::string::npos;
       at = page.find("<thead>", at + 1)) {
    const std::string head = page.substr(at, page.find("</thead>", at) - at);
    size_t columns = 0;
    for (size_t th = head.find("<th"); th != std::string::npos; th = head.find("<th", th + 1))
      ++columns;
    EXPECT_LE(columns, 12U) << head;  // counts <thead> too
  }
}

TEST(RobustnessPageTest, GalleryTellsTheNewAnswerAndWhatWithstood) {
  json report = Example();
  EXPECT_THAT(CheckMarkup(WriteRobustnessPage(report, Pictures), true).text,
              HasSubstr("perturbed: non_idc 98.0%"));
  EXPECT_THAT(WriteRobustnessPage(report, Pictures), Not(HasSubstr("No tile was fooled")));
  json& row = report["items"][0]["gallery"][0];
  row["fooled"] = false;
  row["answer_after"] = 1;
  EXPECT_THAT(WriteRobustnessPage(report, Pictures), HasSubstr("No tile was fooled"));
}

TEST(RobustnessPageTest, ShowsCorruptionsBesideClean) {
  const MarkupReport markup = CheckMarkup(WriteRobustnessPage(Example(), Pictures), true);
  for (const char* text : {"haematoxylin weak", "gain of haematoxylin", "0.9, 0.8, 0.65, 0.5, 0.3",
                           "86.5 0.92", "66.0", "79.2 0.89"})
    EXPECT_THAT(markup.text, HasSubstr(text));
  json without = Example();
  without.erase("corruptions");  // of an older report
  EXPECT_THAT(CheckMarkup(WriteRobustnessPage(without, Pictures), true).text,
              Not(HasSubstr("corrupted")));
}

TEST(RobustnessPageTest, HostileNamesStayText) {
  json report = Example();
  report["title"] = "<script>alert(1)</script>";
  report["items"][0]["title"] = "\"><img src=x>";
  report["items"][0]["gallery"][0]["tile"] = "<b>&";
  report["model"]["classes"] = {"<i>", "'\""};
  const std::string page = WriteRobustnessPage(report, Pictures);
  EXPECT_EQ(CheckMarkup(page, true).problem, "");
  EXPECT_THAT(page, Not(HasSubstr("<script>alert")));
  EXPECT_THAT(page, Not(HasSubstr("<img src=x>")));
}

TEST(RobustnessPageTest, OtherDocumentsAreRefused) {
  EXPECT_THROW(WriteRobustnessPage(json::object(), Pictures), base::Error);
  json newer = Example();
  newer["version"] = 2;
  EXPECT_THROW(WriteRobustnessPage(newer, Pictures), base::Error);
  json cut = Example();
  cut["items"][0].erase("metrics");
  EXPECT_THROW(WriteRobustnessPage(cut, Pictures), base::Error);
}

TEST(RobustnessPageTest, Base64IsThatOfTheStandard) {
  const std::string prefix = "data:image/png;base64,";
  EXPECT_EQ(PngUrl(""), prefix);
  EXPECT_EQ(PngUrl("f"), prefix + "Zg==");
  EXPECT_EQ(PngUrl("fo"), prefix + "Zm8=");
  EXPECT_EQ(PngUrl("foo"), prefix + "Zm9v");
  EXPECT_EQ(PngUrl("\xff\xfe\xfd"), prefix + "//79");
}

TEST(CurveChartTest, IsWellFormedAndBreaksWhereNothingIsKnown) {
  CurveChart chart{.title = "a < b", .x_label = "x & y"};
  chart.curves = {{.name = "one <",
                   .css_class = "q-3",
                   .points = {{0, 0.5}, {1, std::nullopt}, {2, 1.0}, {3, NAN}}},
                  {.name = "none", .css_class = "q-5"}};
  chart.rule = 0.8;
  const std::string svg = WriteCurveChart(chart);
  EXPECT_EQ(CheckMarkup(svg, false).problem, "");
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  EXPECT_THAT(svg, HasSubstr("one &lt;"));
}

TEST(StudyPageTest, DoesNotTellTheAnswer) {
  StudyPage page{.name = "study-1", .pairs = {{"left", "right"}, {"l", "r"}}};
  const std::string html = WriteStudyPage(page);
  EXPECT_EQ(CheckMarkup(html, true).problem, "");
  for (const char* word : {"level", "epsilon", "key.json", "SSIM"})
    EXPECT_THAT(html, Not(HasSubstr(word)));
  EXPECT_THAT(html, HasSubstr(PngUrl("left")));
  EXPECT_THAT(CheckMarkup(html, true).text, HasSubstr("2 pairs"));
}

}  // namespace
}  // namespace assay::view
