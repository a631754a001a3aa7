#include "view/neuron_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "view/index_page.h"
#include "view/view_testing.h"

namespace assay::view {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(NeuronRecordsTest, ImportancesAreThoseOfThePrunedPromptWithoutItsBos) {
  Vocabulary vocabulary;
  const NeuronRecords records = CapitalRecords(vocabulary);
  const auto none = std::optional<float>();
  EXPECT_THAT(ImportancesOf(records, records.examples[0]),
              ElementsAre(none, none, 0.95f, 0.8f, 1.0f, none, none));
  EXPECT_THAT(ImportancesOf(records, records.examples[1]), testing::Each(none))
      << "a quantile example has no pruning";
}

TEST(NeuronRecordsTest, FollowThePivotWhereContextAfterItIsKept) {
  Vocabulary vocabulary;
  NeuronRecords records = CapitalRecords(vocabulary);
  store::Prompt& prompt = records.prompts[0];
  prompt.tokens.push_back(vocabulary("."));
  prompt.activations.push_back(0);
  prompt.importances.push_back(0);
  EXPECT_EQ(ImportancesOf(records, records.examples[0])[3], std::optional<float>(0.8f));
}

TEST(NeuronRecordsTest, GivenExamplesTakeThePlaceOfTopOnes) {
  NeuronRecords records;
  EXPECT_EQ(TrainingKind(records), store::ExampleKind::kTop);
  records.examples.emplace_back().kind = store::ExampleKind::kGiven;
  EXPECT_EQ(TrainingKind(records), store::ExampleKind::kGiven);
}

TEST(NeuronRecordsTest, RefuseRowsThatDoNotFit) {
  Vocabulary vocabulary;
  NeuronRecords records = CapitalRecords(vocabulary);
  records.sequences.clear();
  EXPECT_THROW(SequenceOf(records, records.examples[0]), base::Error);
  records = CapitalRecords(vocabulary);
  records.examples[0].activations.pop_back();
  EXPECT_THROW(SequenceOf(records, records.examples[0]), base::Error);
  records = CapitalRecords(vocabulary);
  records.prompts[0].importances.pop_back();
  EXPECT_THROW(PivotImportances(records.prompts[0]), base::Error);
}

TEST(NeuronPageTest, IsWellFormedAndHoldsEveryPart) {
  Vocabulary vocabulary;
  const NeuronRecords records = CapitalRecords(vocabulary);
  const NeuronPage page{records,
                        vocabulary.texts(),
                        "tiny <model>",
                        "blocks.2.mlp.hook_post",
                        "index.html",
                        "",
                        "2-16.html",
                        {},
                        {}};
  const std::string html = WriteNeuronPage(page);
  const MarkupReport report = CheckMarkup(html, true);
  EXPECT_EQ(report.problem, "");
  EXPECT_EQ(report.elements.at("script"), 1);
  EXPECT_THAT(html, HasSubstr("tiny &lt;model&gt;"));
  EXPECT_THAT(html, HasSubstr("<a href=\"2-16.html\" rel=\"next\">"));
  EXPECT_THAT(html, Not(HasSubstr("rel=\"prev\"")));
  EXPECT_THAT(html, HasSubstr("1,234,567"));
  EXPECT_THAT(html, HasSubstr("<b>0.84</b>")) << "the best F1 is bold";
  EXPECT_THAT(html, HasSubstr("Left out of averages: never fires"));
  EXPECT_THAT(html,
              HasSubstr("Pruned to 2 tokens of left context: activation 1.500 of 2.000 (75 %)"));
  EXPECT_THAT(html, HasSubstr("1 of 2 substitutes kept"));
  EXPECT_THAT(
      html,
      HasSubstr(
          "<b>·centre</b></td><td class=\"n\">0.12</td><td class=\"n\">0.90</td><td>kept</td>"));
  EXPECT_THAT(
      html,
      HasSubstr(
          "<b>·in</b></td><td class=\"n\">0.01</td><td class=\"n\">0.20</td><td>rejected</td>"));
  EXPECT_THAT(html, HasSubstr("<span class=\"t act-10 imp-10 pivot\" data-v=\"activation 2.000 · "
                              "importance 1.00\">Paris</span>"));
  EXPECT_THAT(html, HasSubstr("data-v=\"left out\">&lt;bos&gt;</span>"));
  EXPECT_THAT(html, HasSubstr("Quantile bin 3"));
  EXPECT_THAT(html, HasSubstr("default-src 'none'"));
  for (const char* remote : {"src=\"http", "href=\"http", "@import", "url("})
    EXPECT_THAT(html, Not(HasSubstr(remote)));
}

TEST(NeuronPageTest, FoldsTokensFarFromThePivot) {
  Vocabulary vocabulary;
  const NeuronRecords records = CapitalRecords(vocabulary);
  NeuronPage page{records, vocabulary.texts(), "", "", "", "", "", {}, {}};
  EXPECT_THAT(WriteNeuronPage(page), Not(HasSubstr("class=\"unfold\" aria")));
  page.examples.before = 1;
  page.examples.after = 1;
  const std::string html = WriteNeuronPage(page);
  EXPECT_THAT(html,
              HasSubstr("aria-label=\"show 3 more tokens\">…</button><span class=\"folded\">"));
  EXPECT_THAT(html, HasSubstr("aria-label=\"show 1 more tokens\">"));
  EXPECT_EQ(CheckMarkup(html, true).problem, "");
}

TEST(NeuronPageTest, OfANeuronWithoutAnythingStillReads) {
  NeuronRecords records;
  const std::string html = WriteNeuronPage({records, {}, "", "", "", "", "", {}, {}});
  EXPECT_EQ(CheckMarkup(html, true).problem, "");
  EXPECT_THAT(html, HasSubstr("No graph was made"));
  EXPECT_THAT(html, HasSubstr("Not scored."));
  EXPECT_THAT(html, HasSubstr("No examples."));
}

TEST(NeuronPageTest, HostileStringsAreText) {
  Vocabulary vocabulary;
  NeuronRecords records = CapitalRecords(vocabulary);
  std::vector<std::string> texts = vocabulary.texts();
  for (const std::string& hostile : HostileTokens()) {
    std::fill(texts.begin(), texts.end(), hostile);
    records.sequences[7].source = hostile;
    records.prompts[1].substitution->original = hostile;
    records.prompts[1].substitution->substitute = hostile;
    records.scores[0].method = hostile;
    records.scores[1].set = hostile;
    records.scores[2].excluded = hostile;
    const std::string html =
        WriteNeuronPage({records, texts, hostile, hostile, hostile, hostile, hostile, {}, {}});
    const MarkupReport report = CheckMarkup(html, true);
    EXPECT_EQ(report.problem, "") << hostile;
    EXPECT_EQ(report.elements.at("script"), 1) << hostile;
    EXPECT_FALSE(report.elements.contains("img")) << hostile;
    EXPECT_THAT(html, Not(HasSubstr("\u202E")));
  }
}

TEST(IndexPageTest, ShowsScoresMapGalleryAndFacts) {
  Vocabulary vocabulary;
  const store::Graph graph = CapitalGraph(vocabulary);
  IndexPage page;
  page.manifest = {{"model", "models/<x>"},
                   {"collect", {{"top", 20}, {"inner", {{"deep", true}}}}},
                   {"list", {1, 2}}};
  page.scores = {{0, "held_out", "n2g", 97, 3, 97, 0.67, 0.84, 0.68},
                 {0, "held_out", "token_lookup", 97, 3, 90, 0.45, 0.89, 0.53}};
  page.trajectories = {{0, {0.2, 0.8}}, {5, {0.1, 0.4, 0.9}}};
  page.units = {
      {{0, 1}, 0.5, "0-1.html"}, {{0, 0}, std::nullopt, ""}, {{1, 0}, 1.0, "javascript:alert(1)"}};
  page.gallery.push_back({graph, "F1 0.84", "2-15.html"});
  page.token_texts = vocabulary.texts();
  const std::string html = WriteIndexPage(page);
  EXPECT_EQ(CheckMarkup(html, true).problem, "");
  EXPECT_THAT(html, HasSubstr("<small>0.67 / 0.84 /</small> <b>0.68</b>"));
  EXPECT_THAT(html, HasSubstr("<small>0.45 / 0.89 /</small> <span>0.53</span>"));
  EXPECT_THAT(
      html,
      HasSubstr(
          "<a href=\"0-1.html\" data-unit=\"0:1\" tabindex=\"-1\"><rect class=\"box unit q-5\""));
  EXPECT_THAT(html, HasSubstr("<rect class=\"box unit none\""));
  EXPECT_THAT(html, Not(HasSubstr("javascript:")));
  EXPECT_THAT(html, HasSubstr("<dt>inner.deep</dt><dd dir=\"auto\">true</dd>"));
  EXPECT_THAT(html, HasSubstr("models/&lt;x&gt;"));
  EXPECT_THAT(html, HasSubstr("layer 5"));
  EXPECT_THAT(html, HasSubstr("id=\"g-2-15-title\""));
}

TEST(IndexPageTest, OfAnEmptyRunStillReads) {
  EXPECT_EQ(CheckMarkup(WriteIndexPage({}), true).problem, "");
}

TEST(NeuronPageTest, TheShadingIsChosenAboveTheFirstExamples) {
  Vocabulary vocabulary;
  const NeuronRecords records = CapitalRecords(vocabulary);
  NeuronPage page{.records = records, .token_texts = vocabulary.texts()};
  const std::string without = WriteNeuronPage(page);
  page.clusters_html = "<p id=\"clusters\">tabs</p>";
  const std::string with = WriteNeuronPage(page);
  for (const std::string& html : {without, with}) {
    const size_t bar = html.find("class=\"toolbar\"");
    ASSERT_NE(bar, std::string::npos);
    EXPECT_EQ(html.find("class=\"toolbar\"", bar + 1), std::string::npos);
    EXPECT_LT(bar, html.find("class=\"tokens\""));
  }
  EXPECT_LT(with.find("class=\"toolbar\""), with.find("id=\"clusters\""));
}

}  // namespace
}  // namespace assay::view
