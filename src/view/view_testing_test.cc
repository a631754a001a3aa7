#include "view/view_testing.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>

namespace assay::view {
namespace {

using Kind = store::TrieNode::Kind;

int32_t FindOrAdd(store::Graph& graph, const store::TrieNode& wanted) {
  for (size_t i = 1; i < graph.nodes.size(); ++i) {
    const store::TrieNode& node = graph.nodes[i];
    if (node.kind == wanted.kind && node.parent == wanted.parent && node.token == wanted.token) {
      return static_cast<int32_t>(i);
    }
  }
  graph.nodes.push_back(wanted);
  return static_cast<int32_t>(graph.nodes.size()) - 1;
}

// Reads markup from left to right; the first problem stops it.
class Checker {
 public:
  Checker(std::string_view markup, bool html) : rest_(markup), html_(html) {}

  MarkupReport Run() {
    while (!rest_.empty() && report_.problem.empty()) {
      const size_t tag = rest_.find('<');
      Text(rest_.substr(0, tag));
      rest_.remove_prefix(std::min(tag, rest_.size()));
      if (!rest_.empty()) Tag();
    }
    if (report_.problem.empty() && !open_.empty()) report_.problem = "unclosed " + open_.back();
    return report_;
  }

 private:
  void Text(std::string_view text) {
    static const std::map<std::string_view, char> kEntities = {
        {"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"#39", '\''}};
    while (!text.empty()) {
      if (text.front() != '&') {
        const auto byte = static_cast<unsigned char>(text.front());
        if (byte < 0x20 && byte != '\n' && byte != '\t') report_.problem = "control character";
        if (byte == '>') report_.problem = "bare >";
        report_.text += text.front();
        text.remove_prefix(1);
        continue;
      }
      const size_t end = text.find(';');
      const auto entity =
          kEntities.find(text.substr(1, end == std::string_view::npos ? 0 : end - 1));
      if (entity == kEntities.end()) {
        report_.problem = "bad entity at " + std::string(text.substr(0, 20));
        return;
      }
      report_.text += entity->second;
      text.remove_prefix(end + 1);
    }
  }

  void Tag() {
    const size_t end = rest_.find('>');
    if (end == std::string_view::npos) {
      report_.problem = "tag without end";
      return;
    }
    std::string_view tag = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    if (tag.starts_with("!DOCTYPE")) return;
    if (tag.starts_with("/")) return Close(std::string(tag.substr(1)));
    const bool closed = tag.ends_with("/");
    if (closed) tag.remove_suffix(1);
    const std::string name(tag.substr(0, tag.find(' ')));
    Attributes(tag.substr(std::min(name.size(), tag.size())));
    ++report_.elements[name];
    static const std::set<std::string> kVoid = {"meta", "input", "br", "img"};
    if (closed || (html_ && kVoid.contains(name))) return;
    open_.push_back(name);
    if (name == "script" || name == "style") {
      rest_.remove_prefix(std::min(rest_.find("</" + name), rest_.size()));
    }
  }

  void Close(const std::string& name) {
    if (open_.empty() || open_.back() != name) {
      report_.problem = "</" + name + "> closes " + (open_.empty() ? "nothing" : open_.back());
      return;
    }
    open_.pop_back();
  }

  // name="value" pairs; in HTML a name may stand alone.
  void Attributes(std::string_view text) {
    while (!text.empty() && report_.problem.empty()) {
      if (text.front() == ' ') {
        text.remove_prefix(1);
        continue;
      }
      const size_t name = text.find_first_of("= ");
      if (html_ && (name == std::string_view::npos || text[name] == ' ')) {
        text.remove_prefix(std::min(name, text.size()));
        continue;
      }
      if (name == std::string_view::npos || text[name] != '=' || name + 1 >= text.size() ||
          text[name + 1] != '"') {
        report_.problem = "attribute at " + std::string(text.substr(0, 30));
        return;
      }
      const size_t end = text.find('"', name + 2);
      if (end == std::string_view::npos) {
        report_.problem = "unquoted " + std::string(text.substr(0, 30));
        return;
      }
      text.remove_prefix(end + 1);
    }
  }

  std::string_view rest_;
  bool html_;
  std::vector<std::string> open_;
  MarkupReport report_;
};

store::Prompt VariationOf(const store::Prompt& original, int ordinal, store::TokenId substitute,
                          const store::Substitution& substitution, float ratio) {
  store::Prompt out = original;
  out.ordinal = ordinal;
  out.substitution = substitution;
  out.tokens[static_cast<size_t>(substitution.position)] = substitute;
  out.ratio = ratio;
  out.kept = ratio >= 0.5f;
  out.activations.back() *= ratio;
  return out;
}

}  // namespace

store::TokenId Vocabulary::operator()(const std::string& text) {
  const auto [found, is_new] = ids_.try_emplace(text, static_cast<store::TokenId>(texts_.size()));
  if (is_new) texts_.push_back(text);
  return found->second;
}

store::Graph EmptyGraph(store::UnitId unit) {
  store::Graph graph;
  graph.unit = unit;
  graph.max_activation = 2;
  graph.nodes.push_back({});
  return graph;
}

void AddPath(store::Graph& graph, Vocabulary& vocabulary, const std::string& activating,
             const std::vector<Step>& context, float activation) {
  int32_t at = FindOrAdd(graph, {Kind::kActivating, 0, vocabulary(activating), 0, 0});
  float& largest = graph.nodes[static_cast<size_t>(at)].activation;
  largest = std::max(largest, activation);
  for (const Step& step : context) {
    if (step.ignore) {
      at = FindOrAdd(graph, {Kind::kIgnore, at, 0, 0, 0});
      continue;
    }
    at = FindOrAdd(graph, {Kind::kContext, at, vocabulary(step.token), 0, 0});
    float& importance = graph.nodes[static_cast<size_t>(at)].importance;
    importance = std::max(importance, step.importance);
  }
  at = FindOrAdd(graph, {Kind::kEnd, at, 0, 0, 0});
  graph.nodes[static_cast<size_t>(at)].activation = activation;
}

store::Graph CapitalGraph(Vocabulary& vocabulary) {
  store::Graph graph = EmptyGraph();
  AddPath(graph, vocabulary, " Paris", {{" of", 0.8f}, {" capital", 0.95f}}, 1);
  AddPath(graph, vocabulary, " London", {}, 0.6f);
  graph.train = {0};
  return graph;
}

NeuronRecords CapitalRecords(Vocabulary& vocabulary) {
  NeuronRecords records;
  records.graph = CapitalGraph(vocabulary);
  records.unit = records.graph->unit;
  records.stats = store::UnitStats{records.unit, 1234567, 0.01, 0.25, 2, -0.125, 0.0625};
  const float nan = std::numeric_limits<float>::quiet_NaN();
  store::Sequence sequence{7, "towns.txt", 3, 100, {}};
  for (const char* token : {"<bos>", "The", " capital", " of", " Paris", ".", "\n"}) {
    sequence.tokens.push_back(vocabulary(token));
  }
  records.sequences[7] = sequence;
  using enum store::ExampleKind;
  records.examples.push_back({records.unit, kTop, 0, 0, 7, 4, 2, {nan, 0, 0.5f, 0, 2, 0, -0.1f}});
  records.examples.push_back(
      {records.unit, kQuantile, 3, 0, 7, 2, 0.5f, {nan, 0, 0.5f, 0, 0, 0, 0}});
  records.prunings.push_back(
      {records.unit, 0, store::PruneOutcome::kReached, 4, 2, 2, 1.5f, {0.25f, 0.5f, 1.5f}});
  store::Prompt prompt;
  prompt.unit = records.unit;
  prompt.tokens = {sequence.tokens[0], sequence.tokens[2], sequence.tokens[3], sequence.tokens[4]};
  prompt.pivot = 3;
  prompt.activations = {nan, 0, 0.25f, 1.5f};
  prompt.targets = {3};
  prompt.importances = {0, 0.95f, 0.8f, 1};
  records.prompts.push_back(prompt);
  records.prompts.push_back(
      VariationOf(prompt, 1, vocabulary(" centre"), {1, " capital", " centre", 0.125}, 0.9f));
  records.prompts.push_back(
      VariationOf(prompt, 2, vocabulary(" in"), {2, " of", " in", 0.01}, 0.2f));
  records.scores.push_back({records.unit, "held_out", "n2g", 8, 1, 2, 8.0 / 9, 0.8, 0.84, 0.7, ""});
  records.scores.push_back(
      {records.unit, "held_out", "token_lookup", 4, 0, 6, 1.0, 0.4, 0.57, 0.5, ""});
  records.scores.push_back(
      {records.unit, "random_text", "n2g", 0, 0, 0, {}, {}, {}, {}, "never fires"});
  return records;
}

std::vector<std::string> HostileTokens() {
  return {"</script><script>alert(1)</script>",
          "\"><img src=x onerror=alert(1)>",
          "' onmouseover='alert(1)",
          "&lt;&amp;&#60;",
          "]]>--><!--",
          "\\\\\" \\N \\G",
          std::string("\0\x01\x1b[31m\x7f", 8),
          "\n\r\t",
          "\xE2\x80\xAEgnirts",
          "\xF0\x9F\x98",
          "\xC0\xAF\xFF\xFE",
          "\xEF\xBF\xBF\xEF\xB7\x90",
          "😀👩‍👩‍👧",
          "שלום",
          "",
          "日本語"};
}

MarkupReport CheckMarkup(std::string_view markup, bool html) { return Checker(markup, html).Run(); }

TEST(CheckMarkupTest, FindsWhatIsBroken) {
  EXPECT_EQ(CheckMarkup("<a b=\"c\"><d/>x &lt;</a>", false).problem, "");
  EXPECT_NE(CheckMarkup("<a><b></a></b>", false).problem, "");
  EXPECT_NE(CheckMarkup("<a b=c></a>", false).problem, "");
  EXPECT_NE(CheckMarkup("<a>&nope;</a>", false).problem, "");
  EXPECT_NE(CheckMarkup("<a>", false).problem, "");
  EXPECT_NE(CheckMarkup("<meta charset=\"x\">", false).problem, "");
  EXPECT_EQ(CheckMarkup("<meta charset=\"x\">", true).problem, "");
}

}  // namespace assay::view
