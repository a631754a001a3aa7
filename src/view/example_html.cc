#include "view/example_html.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "view/charts.h"
#include "view/markup.h"
#include "view/style.h"
#include "view/token_text.h"
#include "view/trajectory.h"

namespace assay::view {
namespace {

using store::PruneOutcome;
using store::Pruning;

std::string TokenHtml(const ShadedText& text, size_t at, const std::string& shown) {
  const float activation = text.activations[at];
  std::string classes = "t";
  std::string value = std::isnan(activation)
                          ? "left out"
                          : fmt::format("activation {}", FormatQuantity(activation, 3));
  const int red = text.max_activation > 0 ? ScaleStep(activation / text.max_activation) : 0;
  if (red > 0) classes += " " + ScaleClass(Scale::kActivation, red);
  if (at < text.importances.size() && text.importances[at].has_value()) {
    const double importance = *text.importances[at];
    if (const int blue = ScaleStep(importance); blue > 0)
      classes += " " + ScaleClass(Scale::kImportance, blue);
    value += fmt::format(" · importance {}", FormatNumber(importance, 2));
  }
  if (static_cast<int>(at) == text.pivot) classes += " pivot";
  // The space before a word stays unshaded, so that a line can break there cleanly.
  const bool spaced = shown.size() > 1 && shown[0] == ' ' && shown[1] != ' ';
  return fmt::format("{}<span class=\"{}\" data-v=\"{}\">{}</span>", spaced ? " " : "", classes,
                     value, EscapeMarkup(std::string_view(shown).substr(spaced ? 1 : 0)));
}

// Tokens from..to that are too far from the pivot, behind a button.
std::string Folded(const ShadedText& text, const std::vector<std::string>& shown, size_t from,
                   size_t to) {
  if (from >= to) return "";
  std::string out = fmt::format(
      "<button type=\"button\" class=\"unfold\" aria-expanded=\"false\" aria-label=\"show {} more "
      "tokens\">…</button>"
      "<span class=\"folded\">",
      to - from);
  for (size_t i = from; i < to; ++i) out += TokenHtml(text, i, shown[i]);
  return out + "</span>";
}

std::string OutcomeText(const Pruning& pruning) {
  const double share =
      pruning.full_activation > 0 ? pruning.pruned_activation / pruning.full_activation : 0;
  const std::string kept =
      fmt::format("{} token{} of left context", pruning.context, pruning.context == 1 ? "" : "s");
  const std::string numbers =
      fmt::format("{} of {} ({} %)", FormatQuantity(pruning.pruned_activation, 3),
                  FormatQuantity(pruning.full_activation, 3), FormatNumber(share * 100, 0));
  switch (pruning.outcome) {
    case PruneOutcome::kReached:
      return fmt::format("Pruned to {}: activation {}", kept, numbers);
    case PruneOutcome::kContextLimit:
      return fmt::format("Not reached within the longest context tried, kept at {}: activation {}",
                         kept, numbers);
    case PruneOutcome::kNotPositive:
      return fmt::format("Left out: the activation at the pivot is {}, no ratio exists",
                         FormatQuantity(pruning.full_activation, 3));
  }
  return "";
}

ShadedText PromptText(const store::Prompt& prompt, double max_activation) {
  const std::vector<float> importances = PivotImportances(prompt);
  ShadedText text{prompt.tokens, prompt.activations, {}, max_activation, prompt.pivot};
  text.importances.assign(importances.begin(), importances.end());
  return text;
}

std::string VariationRow(const store::Prompt& prompt, double max_activation,
                         std::span<const std::string> token_texts) {
  std::string word = "–", probability = "–";
  if (prompt.substitution) {
    word = fmt::format("{} <span class=\"arrow\">→</span> <b>{}</b>",
                       EscapeMarkup(ShowToken(prompt.substitution->original)),
                       EscapeMarkup(ShowToken(prompt.substitution->substitute)));
    probability = fmt::format("{:.2g}", prompt.substitution->probability);
  }
  return fmt::format(
      "<tr class=\"{0}\"><td>{1}</td><td class=\"n\">{2}</td><td class=\"n\">{3}</td><td>{0}</td>"
      "<td class=\"tokens small\" dir=\"auto\">{4}</td></tr>\n",
      prompt.kept ? "kept" : "rejected", word, probability, FormatNumber(prompt.ratio, 2),
      ShadedTextHtml(PromptText(prompt, max_activation), token_texts));
}

std::string Variations(const std::vector<const store::Prompt*>& prompts, double max_activation,
                       std::span<const std::string> token_texts) {
  std::string rows;
  for (const store::Prompt* prompt : prompts) {
    if (prompt->ordinal != 0) rows += VariationRow(*prompt, max_activation, token_texts);
  }
  if (rows.empty()) return "<p class=\"quiet\">No substitutes were tried.</p>";
  return fmt::format(
      "<div class=\"wide\"><table class=\"variations\"><thead><tr><th scope=\"col\">Word → "
      "substitute</th>"
      "<th scope=\"col\" title=\"of the substitute, by the masked language model\">Probability</th>"
      "<th scope=\"col\" title=\"activation at the pivot over that of the pruned "
      "prompt\">Activation ratio</th>"
      "<th scope=\"col\">Outcome</th><th "
      "scope=\"col\">Prompt</th></tr></thead><tbody>\n{}</tbody></table></div>",
      rows);
}

// How an example became paths of the graph; empty when it was not used.
std::string Explanation(const NeuronRecords& records, const store::Example& example,
                        std::span<const std::string> token_texts, double prune_share) {
  if (example.kind != TrainingKind(records)) return "";
  const Pruning* pruning = FindPruning(records, example.rank);
  const auto prompts = FindPrompts(records, example.rank);
  if (pruning == nullptr && prompts.empty()) return "";
  const double max_activation = MaxActivation(records);
  const auto tried =
      std::count_if(prompts.begin(), prompts.end(), [](const auto* p) { return p->ordinal != 0; });
  const auto kept = std::count_if(prompts.begin(), prompts.end(),
                                  [](const auto* p) { return p->ordinal != 0 && p->kept; });
  std::string summary, body;
  if (pruning != nullptr) {
    const std::vector<double> trajectory = NormalisedTrajectory(*pruning);
    summary = fmt::format(
        "{} {}", EscapeMarkup(OutcomeText(*pruning)),
        WriteSparkline(trajectory, prune_share,
                       "activation by tokens of left context, as a share of the whole"));
  }
  summary += fmt::format("<span class=\"quiet\">{} of {} substitutes kept</span>", kept, tried);
  if (!prompts.empty() && prompts.front()->ordinal == 0) {
    body += fmt::format(
        "<p class=\"tokens\" dir=\"auto\" tabindex=\"0\" aria-label=\"pruned prompt\">{}</p>",
        ShadedTextHtml(PromptText(*prompts.front(), max_activation), token_texts));
  }
  body += Variations(prompts, max_activation, token_texts);
  return fmt::format("<details><summary>{}</summary>{}</details>", summary, body);
}

std::string Half(const NeuronRecords& records, const store::Example& example) {
  if (!records.graph || example.kind != TrainingKind(records)) return "";
  const auto has = [&](const std::vector<int>& ranks) {
    return std::find(ranks.begin(), ranks.end(), example.rank) != ranks.end();
  };
  if (has(records.graph->train)) return "<span class=\"tag train\">train</span>";
  return has(records.graph->test) ? "<span class=\"tag\">test</span>" : "";
}

}  // namespace

std::string ShadedTextHtml(const ShadedText& text, std::span<const std::string> token_texts,
                           std::optional<ExampleSettings> settings) {
  const std::vector<std::string> shown = ShowRunningText(token_texts, text.tokens);
  const auto count = static_cast<int>(shown.size());
  const int begin = settings ? std::clamp(text.pivot - settings->before, 0, count) : 0;
  const int end = settings ? std::clamp(text.pivot + 1 + settings->after, begin, count) : count;
  std::string out = Folded(text, shown, 0, static_cast<size_t>(begin));
  for (int i = begin; i < end; ++i)
    out += TokenHtml(text, static_cast<size_t>(i), shown[static_cast<size_t>(i)]);
  return out + Folded(text, shown, static_cast<size_t>(end), shown.size());
}

std::string ExampleHtml(const NeuronRecords& records, const store::Example& example,
                        const std::string& label, std::span<const std::string> token_texts,
                        const ExampleSettings& settings) {
  const store::Sequence& sequence = SequenceOf(records, example);
  const ShadedText text{sequence.tokens, example.activations, ImportancesOf(records, example),
                        MaxActivation(records), example.pivot};
  const std::string place = sequence.source.empty()
                                ? ""
                                : fmt::format("{}, document {}, token {}", sequence.source,
                                              sequence.document, sequence.begin + example.pivot);
  return fmt::format(
      "<article class=\"example\"><header><span class=\"rank\">{}</span><b class=\"value\">{}</b>{}"
      "<span class=\"quiet place\" dir=\"auto\">{}</span></header>\n"
      "<p class=\"tokens\" dir=\"auto\" tabindex=\"0\" aria-label=\"example {}, strongest token "
      "activation {}\">{}</p>\n{}"
      "</article>\n",
      EscapeMarkup(label), FormatQuantity(example.activation, 3), Half(records, example),
      EscapeMarkup(place), EscapeMarkup(label), FormatQuantity(example.activation, 3),
      ShadedTextHtml(text, token_texts, settings),
      Explanation(records, example, token_texts, settings.prune_share));
}

}  // namespace assay::view
