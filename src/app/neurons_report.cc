// `assay neurons report`: a run as linked HTML pages: an index, and a page for each of some
// neurons.
#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <set>

#include "app/cluster_records.h"
#include "app/commands.h"
#include "app/neurons_run.h"
#include "app/terminal.h"
#include "base/file.h"
#include "neurons/graph_run.h"
#include "neurons/graph_score.h"
#include "view/index_page.h"
#include "view/neuron_page.h"
#include "view/trajectory.h"

namespace assay::app {
namespace {

namespace fs = std::filesystem;

struct ReportArguments {
  std::string run, out;
  int pages_per_layer = 25, gallery_per_layer = 3;
};

std::map<base::UnitId, std::optional<double>> HeldOutF1(const store::RunStore& store) {
  std::map<base::UnitId, std::optional<double>> out;
  for (const base::UnitId unit : store.UnitsWithGraph()) out[unit];
  for (const store::Score& score : store.GetScores("held_out")) {
    if (score.method == "n2g") out[score.unit] = score.f1;
  }
  return out;
}

std::vector<view::LayerScore> LayerScores(const store::RunStore& store) {
  std::vector<view::LayerScore> out;
  for (const std::string& set : store.ScoreSets()) {
    for (const neurons::LayerScore& layer : neurons::AverageByLayer(store.GetScores(set))) {
      int excluded = 0;
      for (const auto& [reason, units] : layer.excluded) excluded += units;
      for (const auto& [method, means] : layer.methods) {
        view::LayerScore row{.layer = layer.layer,
                             .set = set,
                             .method = method,
                             .units = means.units,
                             .excluded = excluded,
                             .precision_units = means.precision_units};
        if (means.precision_units > 0) row.precision = means.precision;
        if (means.units > 0) {
          row.recall = means.recall;
          row.f1 = means.f1;
        }
        out.push_back(row);
      }
    }
  }
  return out;
}

// The neurons of a layer that show most: every few of them from best to worst graph, so that
// failures are seen too.
std::vector<base::UnitId> Spread(std::vector<std::pair<double, base::UnitId>> ranked, int count) {
  std::sort(ranked.rbegin(), ranked.rend());
  std::vector<base::UnitId> out;
  const size_t shown = std::min(ranked.size(), static_cast<size_t>(count));
  for (size_t i = 0; i < shown; ++i) out.push_back(ranked[i * ranked.size() / shown].second);
  return out;
}

std::string PageName(base::UnitId unit) {
  return fmt::format("neurons/{}_{}.html", unit.layer, unit.index);
}

void WritePages(const store::RunStore& store, const std::vector<base::UnitId>& units,
                const std::vector<std::string>& texts, const std::string& name,
                const nlohmann::json& model, const fs::path& out) {
  base::Progress progress("report", "pages", static_cast<int64_t>(units.size()),
                          TerminalProgress());
  const auto href = [](base::UnitId unit) {
    return fmt::format("{}_{}.html", unit.layer, unit.index);
  };
  const std::set<base::UnitId> has_page(units.begin(), units.end());
  const auto cluster_href = [&](base::UnitId unit) {
    return has_page.contains(unit) ? href(unit) + "#clusters" : std::string();
  };
  for (size_t i = 0; i < units.size(); ++i) {
    const view::NeuronRecords records = ReadNeuron(store, units[i]);
    view::NeuronPage page{.records = records,
                          .token_texts = texts,
                          .model = name,
                          .hook = HookOf(model, units[i]),
                          .index_href = "../index.html",
                          .clusters_html = ClusterTabsHtml(store, records, texts, cluster_href)};
    if (i > 0) page.previous_href = href(units[i - 1]);
    if (i + 1 < units.size()) page.next_href = href(units[i + 1]);
    base::WriteFile(out / PageName(units[i]), view::WriteNeuronPage(page));
    progress.Add(1);
  }
  progress.Finish();
}

void RunReport(const ReportArguments& arguments) {
  const store::RunStore store = store::RunStore::Open(arguments.run, store::RunStore::Mode::kRead);
  const fs::path out = arguments.out.empty() ? fs::path(arguments.run) : fs::path(arguments.out);
  const nlohmann::json model = RequireManifest(store, "model", "assay neurons collect");
  const std::string name = fs::path(model.at("folder").get<std::string>()).filename().string();
  const std::vector<std::string> texts = store.TokenTexts();
  const auto f1 = HeldOutF1(store);
  if (f1.empty())
    base::Fail(base::ErrorKind::kNotFound,
               "{}: has no graphs to report; make them with `assay neurons graph`", arguments.run);

  std::map<int, std::vector<std::pair<double, base::UnitId>>> ranked;
  std::map<int, view::TrajectoryMean> trajectories;
  for (const auto& [unit, score] : f1) {
    if (score) ranked[unit.layer].emplace_back(*score, unit);
    for (const store::Pruning& pruning : store.GetPrunings(unit))
      trajectories[unit.layer].Add(pruning);
  }
  std::vector<base::UnitId> paged, shown;
  for (const auto& [layer, units] : ranked) {
    const auto pages = Spread(units, arguments.pages_per_layer);
    paged.insert(paged.end(), pages.begin(), pages.end());
    // The gallery takes good graphs of more than one token: they are what there is to see.
    int taken = 0;
    for (const base::UnitId unit : pages) {
      const auto graph = store.GetGraph(unit);
      if (taken < arguments.gallery_per_layer && graph && graph->nodes.size() >= 6) {
        shown.push_back(unit);
        ++taken;
      }
    }
  }
  std::sort(paged.begin(), paged.end());
  WritePages(store, paged, texts, name, model, out);

  view::IndexPage page{.title = "Neurons of " + name,
                       .manifest = store.WholeManifest(),
                       .scores = LayerScores(store),
                       .token_texts = texts};
  page.manifest.erase("given_examples");
  if (page.manifest.contains("sequences")) page.manifest["sequences"].erase("sampled");
  page.subtitle = fmt::format("{} neurons with graphs, {} pages", f1.size(), paged.size());
  for (const auto& [layer, mean] : trajectories)
    page.trajectories.push_back({layer, mean.Values()});
  const std::set<base::UnitId> has_page(paged.begin(), paged.end());
  for (const auto& [unit, score] : f1)
    page.units.push_back({unit, score, has_page.contains(unit) ? PageName(unit) : ""});
  std::vector<store::Graph> graphs;
  for (const base::UnitId unit : shown) graphs.push_back(*store.GetGraph(unit));
  for (const store::Graph& graph : graphs)
    page.gallery.push_back(
        {graph, fmt::format("F1 {:.2f}", *f1.at(graph.unit)), PageName(graph.unit)});
  base::WriteFile(out / "index.html", view::WriteIndexPage(page));
  fmt::print("wrote {}\n", (out / "index.html").string());
}

}  // namespace

void AddNeuronsReport(CLI::App& neurons) {
  auto arguments = std::make_shared<ReportArguments>();
  CLI::App* command = neurons.add_subcommand(
      "report",
      "A run as linked HTML pages: index.html, and a page for some neurons of each layer");
  command->add_option("--run", arguments->run, "run folder")->required();
  command->add_option("--out", arguments->out, "folder to write; absent: the run folder");
  command
      ->add_option("--pages-per-layer", arguments->pages_per_layer,
                   "neurons with a page, from best to worst graph")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command
      ->add_option("--gallery-per-layer", arguments->gallery_per_layer, "graphs drawn on the index")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->callback([arguments] { RunReport(*arguments); });
}

}  // namespace assay::app
