#include "view/terminal_summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "view/graph_drawing.h"
#include "view/markup.h"
#include "view/score_html.h"
#include "view/token_text.h"

namespace assay::view {
namespace {

using store::Example;
using Kind = store::TrieNode::Kind;

class Ink {
 public:
  explicit Ink(bool colour) : colour_(colour) {}
  std::string Bold(std::string_view text) const { return Wrap("1", text); }
  std::string Red(std::string_view text) const { return Wrap("31", text); }
  std::string BoldRed(std::string_view text) const { return Wrap("1;31", text); }
  std::string Blue(std::string_view text) const { return Wrap("34", text); }
  std::string Dim(std::string_view text) const { return Wrap("2", text); }

 private:
  std::string Wrap(std::string_view code, std::string_view text) const {
    return colour_ ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : std::string(text);
  }
  bool colour_;
};

std::string Pad(const std::string& text, int columns) {
  return text + std::string(static_cast<size_t>(std::max(0, columns - TextColumns(text))), ' ');
}

std::string Right(const std::string& text, int columns) {
  return std::string(static_cast<size_t>(std::max(0, columns - TextColumns(text))), ' ') + text;
}

std::string Statistics(const NeuronRecords& records) {
  if (!records.stats) return "";
  const store::UnitStats& stats = *records.stats;
  return fmt::format("max {}  min {}  mean {}  sd {}  above zero {} % of {} tokens\n",
                     FormatQuantity(stats.maximum, 3), FormatQuantity(stats.minimum, 3),
                     FormatQuantity(stats.mean, 4), FormatQuantity(std::sqrt(stats.variance), 4),
                     FormatNumber(stats.firing_rate * 100, 2), FormatCount(stats.tokens));
}

struct Pattern {
  float activation = 0;
  std::string text;
};

// The pattern that ends below `node`, read from the activating token.
std::string PatternText(const TerminalSummary& summary, const std::vector<store::TrieNode>& nodes,
                        int32_t node, const Ink& ink) {
  std::vector<int32_t> path;
  for (int32_t at = node; at != 0; at = nodes[static_cast<size_t>(at)].parent) path.push_back(at);
  std::string out;
  int gap = 0;
  for (size_t i = path.size(); i-- > 0;) {
    const store::TrieNode& step = nodes[static_cast<size_t>(path[i])];
    if (step.kind == Kind::kIgnore) {
      ++gap;
      continue;
    }
    const std::string label = ShortenText(TokenLabel(summary.token_texts, step.token), 32);
    if (step.kind == Kind::kActivating) {
      out += ink.BoldRed(label);
    } else {
      out += ink.Dim(gap > 0 ? fmt::format(" <-({})- ", gap) : " <- ") + ink.Blue(label);
    }
    gap = 0;
  }
  return out;
}

std::string GraphText(const TerminalSummary& summary, const Ink& ink) {
  if (!summary.records.graph) return "No graph.\n";
  const store::Graph& graph = *summary.records.graph;
  const DrawnGraph drawn = DrawGraph(graph, summary.token_texts);  // also checks the trie
  std::vector<Pattern> patterns;
  for (const store::TrieNode& node : graph.nodes) {
    if (node.kind == Kind::kEnd)
      patterns.push_back({node.activation, PatternText(summary, graph.nodes, node.parent, ink)});
  }
  std::stable_sort(patterns.begin(), patterns.end(),
                   [](const Pattern& a, const Pattern& b) { return a.activation > b.activation; });
  std::string out = ink.Bold("Graph") +
                    fmt::format("  {} activating, {} context, {} pattern{}\n", drawn.activating,
                                drawn.context, patterns.size(), patterns.size() == 1 ? "" : "s");
  if (patterns.empty()) out += "  no training example was usable\n";
  const size_t shown =
      std::min(patterns.size(), static_cast<size_t>(std::max(0, summary.max_patterns)));
  for (size_t i = 0; i < shown; ++i) {
    out += fmt::format("  {}  {}\n", FormatNumber(patterns[i].activation, 2), patterns[i].text);
  }
  if (shown < patterns.size()) out += fmt::format("  + {} more\n", patterns.size() - shown);
  return out;
}

// The pivot in brackets, its leading spaces outside of them.
std::string Bracketed(const std::string& shown, const Ink& ink) {
  const size_t word = std::min(shown.find_first_not_of(' '), shown.size());
  if (word == shown.size()) return ink.BoldRed("[" + shown + "]");
  return shown.substr(0, word) + ink.BoldRed("[" + shown.substr(word) + "]");
}

// As much text around the pivot as fits, two thirds of it before.
std::string Snippet(const TerminalSummary& summary, const Example& example, int columns,
                    const Ink& ink) {
  const store::Sequence& sequence = SequenceOf(summary.records, example);
  const std::vector<std::string> shown = ShowRunningText(summary.token_texts, sequence.tokens);
  const double max_activation = MaxActivation(summary.records);
  const auto pivot = static_cast<size_t>(example.pivot);
  const int room =
      std::max(0, columns - TextColumns(shown[pivot]) - 4);  // brackets and the two "…"
  size_t begin = pivot, end = pivot + 1;
  int before = room * 2 / 3;
  while (begin > 0 && TextColumns(shown[begin - 1]) <= before)
    before -= TextColumns(shown[--begin]);
  int after = room - room * 2 / 3;
  while (end < shown.size() && TextColumns(shown[end]) <= after) after -= TextColumns(shown[end++]);
  std::string out = begin > 0 ? "…" : "";
  for (size_t i = begin; i < end; ++i) {
    const bool fires = max_activation > 0 && example.activations[i] / max_activation >= 0.5;
    out += i == pivot ? Bracketed(shown[i], ink) : fires ? ink.Red(shown[i]) : shown[i];
  }
  return out + (end < shown.size() ? "…" : "");
}

std::string ExamplesText(const TerminalSummary& summary, const Ink& ink) {
  std::vector<const Example*> examples;
  for (const Example& example : summary.records.examples) {
    if (example.kind == TrainingKind(summary.records)) examples.push_back(&example);
  }
  if (examples.empty()) return "";
  std::stable_sort(examples.begin(), examples.end(),
                   [](const Example* a, const Example* b) { return a->rank < b->rank; });
  std::string out = "\n" + ink.Bold("Strongest examples") + "\n";
  const size_t shown =
      std::min(examples.size(), static_cast<size_t>(std::max(0, summary.max_examples)));
  for (size_t i = 0; i < shown; ++i) {
    const std::string head = Right(fmt::format("#{}", examples[i]->rank + 1), 5) +
                             Right(FormatQuantity(examples[i]->activation, 3), 9) + "  ";
    out += head +
           Snippet(summary, *examples[i], std::max(40, summary.width) - TextColumns(head), ink) +
           "\n";
  }
  if (shown < examples.size()) out += fmt::format("  + {} more\n", examples.size() - shown);
  return out;
}

std::string ScoresText(const std::vector<store::Score>& scores, const Ink& ink) {
  if (scores.empty()) return "";
  const std::vector<std::string> sets = SetsOf(scores);
  std::string titles = Pad("", 16), columns = Pad("", 16);
  for (const std::string& set : sets) {
    titles += "  " + Pad(ShortenText(OneLine(SetTitle(set)), 24), 24);
    columns += "  " + Right("prec", 6) + Right("recall", 8) + Right("F1", 6) + "    ";
  }
  std::string out = "\n" + ink.Bold("Scores") + "\n";
  std::string table = titles + "\n" + columns + "\n";
  for (const std::string& method : MethodsOf(scores)) {
    table += Pad("  " + ShortenText(OneLine(MethodTitle(method)), 14), 16);
    for (const std::string& set : sets) {
      const store::Score* score = FindScore(scores, set, method);
      const auto cell = [&](std::optional<double> store::Score::*value, int width) {
        return Right(FormatNumber(score != nullptr ? score->*value : std::nullopt, 2), width);
      };
      table += "  " + cell(&store::Score::precision, 6) + cell(&store::Score::recall, 8) +
               cell(&store::Score::f1, 6) + "    ";
    }
    table += "\n";
  }
  for (size_t at = 0; at < table.size();) {  // without the blanks at line ends
    const size_t end = table.find('\n', at);
    std::string line = table.substr(at, end - at);
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
    at = end + 1;
  }
  for (const store::Score& score : scores) {
    if (score.method != "n2g" || score.excluded.empty()) continue;
    out += fmt::format("  {}: left out of averages, {}\n", OneLine(SetTitle(score.set)),
                       OneLine(score.excluded));
  }
  return out;
}

}  // namespace

std::string WriteTerminalSummary(const TerminalSummary& summary) {
  const Ink ink(summary.colour);
  std::string out = ink.Bold("Neuron " + base::ToString(summary.records.unit));
  if (!summary.model.empty()) out += "  " + OneLine(summary.model);
  return out + "\n" + Statistics(summary.records) + "\n" + GraphText(summary, ink) +
         ExamplesText(summary, ink) + ScoresText(summary.records.scores, ink);
}

}  // namespace assay::view
