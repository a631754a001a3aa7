#include "view/cluster_tabs.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "view/markup.h"

namespace assay::view {
namespace {

// Every tab is a radio button, its label and its section, so that no script is needed.
constexpr const char* kCss =
    "<style>.tabs{display:flex;flex-wrap:wrap;gap:6px;margin-top:10px}"
    ".tabs>input{position:absolute;opacity:0}"
    ".tabs>label{order:1;border:1px solid var(--line);border-radius:8px;padding:4px 11px;"
    "cursor:pointer;max-width:30ch;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}"
    ".tabs>input:checked+label{background:var(--ink);color:var(--ground)}"
    ".tabs>input:checked+label .quiet{color:inherit}"
    ".tabs>input:focus-visible+label{outline:2px solid var(--link)}"
    ".tabs>section{order:2;display:none;width:100%}"
    ".tabs>input:checked+label+section{display:block}"
    ".patches{display:flex;flex-wrap:wrap;gap:10px;margin-top:10px}"
    ".patches figure{margin:0;width:min-content}"
    ".patches img{display:block;border-radius:4px}"
    ".patches figcaption{font-size:12.5px;color:var(--quiet);overflow-wrap:anywhere}</style>\n";

std::string Measure(std::string_view name, std::optional<double> value) {
  return fmt::format("<div><dt>{}</dt><dd>{}</dd></div>", name,
                     value ? FormatNumber(value, 3) : "undefined");
}

std::string MeasuresHtml(const store::UnitMeasures& measures) {
  std::string interval;
  if (measures.polysemanticity_low) {
    interval = fmt::format("<div><dt>Polysemanticity, 95% interval</dt><dd>{} to {}</dd></div>",
                           FormatNumber(measures.polysemanticity_low, 3),
                           FormatNumber(measures.polysemanticity_high, 3));
  }
  return fmt::format(
      "<dl class=\"facts\"><div><dt>Examples</dt><dd>{}</dd></div>{}{}{}{}{}{}{}</dl>\n<p "
      "class=\"quiet\">Cut at cosine distance {}: {}</p>\n",
      measures.examples, Measure("Polysemanticity", measures.polysemanticity), interval,
      Measure("Mean distance", measures.mean_distance),
      Measure("Largest distance", measures.max_distance),
      Measure("Within clusters", measures.intra), Measure("Between clusters", measures.inter),
      Measure("Stability", measures.stability), FormatNumber(measures.cut, 3),
      EscapeMarkup(measures.cut_reason));
}

// The example as it was pruned, where it was: the same place may have been collected twice.
const store::Example& BestVersion(const NeuronRecords& records, const store::Example& example) {
  for (const store::Example& other : records.examples) {
    if (other.kind == TrainingKind(records) && other.sequence == example.sequence &&
        other.pivot == example.pivot)
      return other;
  }
  return example;
}

const store::Example& Find(const NeuronRecords& records, const store::ExampleKey& key) {
  for (const store::Example& example : records.examples) {
    if (store::ExampleKey{example.kind, example.bin, example.rank} == key) return example;
  }
  base::Fail(base::ErrorKind::kBadInput, "unit {}: a cluster names an example that is missing",
             base::ToString(records.unit));
}

std::string ExamplesHtml(const ClusterTabs& tabs, const store::FeatureCluster& cluster) {
  std::string out;
  const size_t shown =
      std::min(cluster.members.size(), static_cast<size_t>(std::max(tabs.most_examples, 0)));
  for (size_t i = 0; i < shown; ++i) {
    const auto member = static_cast<size_t>(cluster.members[i]);
    if (!tabs.embedding || member >= tabs.embedding->examples.size()) {
      base::Fail(base::ErrorKind::kBadInput, "unit {}: cluster {} has no embedding {}",
                 base::ToString(tabs.records.unit), cluster.cluster, member);
    }
    const store::Example& example = Find(tabs.records, tabs.embedding->examples[member]);
    const std::string rank = i == 0 ? "central" : fmt::format("{}", i + 1);
    out += tabs.draw ? tabs.draw(example, rank)
                     : ExampleHtml(tabs.records, BestVersion(tabs.records, example), rank,
                                   tabs.token_texts, tabs.examples);
  }
  if (tabs.draw) out = fmt::format("<div class=\"patches\">\n{}</div>\n", out);
  if (shown < cluster.members.size()) {
    out += fmt::format("<p class=\"quiet\">and {} more</p>\n", cluster.members.size() - shown);
  }
  return out;
}

std::string SimilarHtml(const ClusterTabs& tabs, int cluster) {
  std::string items;
  for (const store::SimilarCluster& similar : tabs.similar) {
    if (similar.cluster != cluster) continue;
    const auto label = tabs.labels.find({similar.other, similar.other_cluster});
    const std::string name =
        fmt::format("{} #{}{}", base::ToString(similar.other), similar.other_cluster,
                    label == tabs.labels.end() ? "" : " " + EscapeMarkup(label->second));
    const std::string href = tabs.href ? tabs.href(similar.other) : "";
    items += fmt::format(
        "<li>{} <span class=\"quiet\">{}</span></li>",
        href.empty() ? name : fmt::format("<a href=\"{}\">{}</a>", EscapeLink(href), name),
        FormatNumber(similar.similarity, 2));
  }
  if (items.empty()) return "";
  return fmt::format(
      "<details><summary>Similar features in other neurons</summary><ol>{}</ol></details>\n",
      items);
}

}  // namespace

std::string WriteClusterTabs(const ClusterTabs& tabs) {
  if (tabs.clusters.empty()) return "";
  std::string out = fmt::format("<h2 id=\"clusters\">What makes it fire: {} cluster{}</h2>\n{}{}",
                                tabs.clusters.size(), tabs.clusters.size() == 1 ? "" : "s", kCss,
                                tabs.measures ? MeasuresHtml(*tabs.measures) : "");
  // The largest first: small ones are often single examples.
  std::vector<const store::FeatureCluster*> order;
  for (const store::FeatureCluster& cluster : tabs.clusters) order.push_back(&cluster);
  std::stable_sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return a->members.size() > b->members.size();
  });
  out += "<div class=\"tabs\">\n";
  for (size_t i = 0; i < order.size(); ++i) {
    const store::FeatureCluster& cluster = *order[i];
    out += fmt::format(
        "<input type=\"radio\" name=\"cluster\" id=\"cluster-{0}\"{1}><label for=\"cluster-{0}\" "
        "title=\"{2}\">#{0} {2} <span class=\"quiet\">({3})</span></label>\n<section "
        "aria-label=\"cluster {0}\">\n{4}{5}</section>\n",
        cluster.cluster, i == 0 ? " checked" : "", EscapeMarkup(cluster.label),
        cluster.members.size(), SimilarHtml(tabs, cluster.cluster), ExamplesHtml(tabs, cluster));
  }
  return out + "</div>\n";
}

}  // namespace assay::view
