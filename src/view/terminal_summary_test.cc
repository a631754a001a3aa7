#include "view/terminal_summary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "view/token_text.h"
#include "view/view_testing.h"

namespace assay::view {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(TerminalSummaryTest, GoldenText) {
  Vocabulary vocabulary;
  NeuronRecords records = CapitalRecords(vocabulary);
  AddPath(*records.graph, vocabulary, " Paris", {kAny, kAny, {" in", 0.76f}}, 0.8f);
  EXPECT_EQ(WriteTerminalSummary({records, vocabulary.texts(), "tiny"}),
            R"text(Neuron 2:15  tiny
max 2.000  min -0.125  mean 0.0100  sd 0.5000  above zero 6.25 % of 1,234,567 tokens

Graph  2 activating, 3 context, 3 patterns
  1.00  ·Paris <- ·of <- ·capital
  0.80  ·Paris <-(2)- ·in
  0.60  ·London

Strongest examples
   #1    2.000  <bos>The capital of [Paris].↵

Scores
                  Held-out half             Random text
                    prec  recall    F1        prec  recall    F1
  N2G               0.89    0.80  0.84           –       –     –
  Token lookup      1.00    0.40  0.57           –       –     –
  Random text: left out of averages, never fires
)text");
}

TEST(TerminalSummaryTest, CountsWhatItLeavesOut) {
  Vocabulary vocabulary;
  const NeuronRecords records = CapitalRecords(vocabulary);
  TerminalSummary summary{records, vocabulary.texts(), ""};
  summary.max_patterns = 1;
  summary.max_examples = 0;
  const std::string text = WriteTerminalSummary(summary);
  EXPECT_THAT(text, HasSubstr("·capital\n  + 1 more\n"));
  EXPECT_THAT(text, HasSubstr("Strongest examples\n  + 1 more\n"));
}

TEST(TerminalSummaryTest, KeepsLinesWithinTheWidth) {
  Vocabulary vocabulary;
  NeuronRecords records = CapitalRecords(vocabulary);
  store::Sequence& sequence = records.sequences[7];
  store::Example& example = records.examples[0];
  records.examples.resize(1);
  for (int i = 0; i < 200; ++i) {
    sequence.tokens.push_back(vocabulary(i % 3 == 0 ? " 日本" : " word"));
    example.activations.push_back(0);
  }
  for (const int pivot : {1, 20, 100, 206}) {
    example.pivot = pivot;
    TerminalSummary summary{records, vocabulary.texts(), ""};
    summary.width = 60;
    const std::string text = WriteTerminalSummary(summary);
    const size_t at = text.find("   #1");
    const std::string line = text.substr(at, text.find('\n', at) - at);
    EXPECT_LE(TextColumns(line), 60) << line;
    EXPECT_THAT(line, HasSubstr("["));
  }
}

TEST(TerminalSummaryTest, HasColoursOnlyWhenAsked) {
  Vocabulary vocabulary;
  const NeuronRecords records = CapitalRecords(vocabulary);
  TerminalSummary summary{records, vocabulary.texts(), ""};
  EXPECT_THAT(WriteTerminalSummary(summary), Not(HasSubstr("\x1b")));
  summary.colour = true;
  EXPECT_THAT(WriteTerminalSummary(summary), HasSubstr("\x1b[1;31m[Paris]\x1b[0m"));
}

TEST(TerminalSummaryTest, SendsNoControlCharactersOfTokens) {
  Vocabulary vocabulary;
  NeuronRecords records = CapitalRecords(vocabulary);
  std::vector<std::string> texts = vocabulary.texts();
  for (const std::string& hostile : HostileTokens()) {
    std::fill(texts.begin(), texts.end(), hostile);
    records.scores[0].method = hostile;
    records.scores[2].excluded = hostile;
    const std::string text = WriteTerminalSummary({records, texts, hostile});
    for (const char c : text)
      EXPECT_TRUE(c == '\n' || static_cast<unsigned char>(c) >= 0x20) << int{c};
    EXPECT_THAT(text, Not(HasSubstr("\u202E")));
  }
}

TEST(TerminalSummaryTest, OfANeuronWithoutAnything) {
  const NeuronRecords records;
  EXPECT_EQ(WriteTerminalSummary({records, {}, ""}), "Neuron 0:0\n\nNo graph.\n");
}

}  // namespace
}  // namespace assay::view
