#include "view/score_html.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "view/markup.h"

namespace assay::view {
namespace {

using store::Score;

constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kSets = {
    {{"held_out", "Held-out half"},
     {"random_text", "Random text"},
     {"second_text", "Second text"}}};
constexpr std::array<std::string_view, 6> kMethods = {"n2g",     "token_lookup", "ngram_2",
                                                      "ngram_3", "ngram_4",      "ngram_5"};

template <typename Names, typename Project>
std::vector<std::string> InOrder(std::set<std::string> names, const Names& usual, Project project) {
  std::vector<std::string> out;
  for (const auto& entry : usual) {
    const std::string name(project(entry));
    if (names.erase(name) > 0) out.push_back(name);
  }
  out.insert(out.end(), names.begin(), names.end());
  return out;
}

double BestF1(const std::vector<Score>& scores, std::string_view set) {
  double best = -1;
  for (const Score& score : scores) {
    if (score.set == set && score.f1) best = std::max(best, *score.f1);
  }
  return best;
}

std::string Cell(std::optional<double> value, std::string_view tag) {
  return fmt::format("<td><{0}>{1}</{0}></td>", tag, FormatNumber(value, 2));
}

std::string Row(const Score& score, double best_f1) {
  const bool best = score.f1 && *score.f1 == best_f1 && best_f1 > 0;
  const double bar = score.f1.value_or(0);
  return fmt::format(
      "<tr title=\"{} true positives, {} false positives, {} false negatives\"><th "
      "scope=\"row\">{}</th>{}{}"
      "<td class=\"bar\"><i style=\"--share:{:.2f}\"></i><{}>{}</{}></td>{}</tr>\n",
      score.true_positives, score.false_positives, score.false_negatives,
      EscapeMarkup(MethodTitle(score.method)), Cell(score.precision, "span"),
      Cell(score.recall, "span"), bar, best ? "b" : "span", FormatNumber(score.f1, 2),
      best ? "b" : "span", Cell(score.correlation, "span"));
}

std::string Table(const std::vector<Score>& scores, const std::string& set) {
  std::string out = fmt::format(
      "<div class=\"scores\"><table><caption>{}</caption><thead><tr><th></th><th "
      "scope=\"col\">Precision</th>"
      "<th scope=\"col\">Recall</th><th scope=\"col\">F1</th>"
      "<th scope=\"col\" title=\"correlation of predicted with true "
      "activation\">Corr.</th></tr></thead><tbody>\n",
      EscapeMarkup(SetTitle(set)));
  const double best = BestF1(scores, set);
  std::set<std::string> reasons;
  for (const std::string& method : MethodsOf(scores)) {
    const Score* score = FindScore(scores, set, method);
    if (score == nullptr) continue;
    out += Row(*score, best);
    if (!score->excluded.empty()) reasons.insert(score->excluded);
  }
  out += "</tbody></table>";
  for (const std::string& reason : reasons) {
    out += fmt::format("<p class=\"quiet\">Left out of averages: {}</p>", EscapeMarkup(reason));
  }
  return out + "</div>\n";
}

}  // namespace

std::string SetTitle(std::string_view set) {
  for (const auto& [name, title] : kSets) {
    if (name == set) return std::string(title);
  }
  return std::string(set);
}

std::string MethodTitle(std::string_view method) {
  if (method == "n2g") return "N2G";
  if (method == "token_lookup") return "Token lookup";
  if (method.starts_with("ngram_")) return fmt::format("{}-gram lookup", method.substr(6));
  return std::string(method);
}

std::vector<std::string> SetsOf(const std::vector<Score>& scores) {
  std::set<std::string> names;
  for (const Score& score : scores) names.insert(score.set);
  return InOrder(std::move(names), kSets, [](const auto& entry) { return entry.first; });
}

std::vector<std::string> MethodsOf(const std::vector<Score>& scores) {
  std::set<std::string> names;
  for (const Score& score : scores) names.insert(score.method);
  return InOrder(std::move(names), kMethods, [](std::string_view name) { return name; });
}

const Score* FindScore(const std::vector<Score>& scores, std::string_view set,
                       std::string_view method) {
  for (const Score& score : scores) {
    if (score.set == set && score.method == method) return &score;
  }
  return nullptr;
}

std::string ScoreTablesHtml(const std::vector<Score>& scores) {
  if (scores.empty()) return "<p class=\"quiet\">Not scored.</p>\n";
  std::string out;
  for (const std::string& set : SetsOf(scores)) out += Table(scores, set);
  return out;
}

}  // namespace assay::view
