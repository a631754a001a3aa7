// `assay neurons overview`: all neurons of a run in one picture.
#include <fmt/core.h>

#include <map>
#include <memory>

#include "app/commands.h"
#include "base/error.h"
#include "base/file.h"
#include "store/run_store.h"
#include "view/scatter_chart.h"

namespace assay::app {
namespace {

struct OverviewArguments {
  std::string run, svg;
  int least_examples = 10;
};

void RunOverview(const OverviewArguments& arguments) {
  const store::RunStore store = store::RunStore::Open(arguments.run, store::RunStore::Mode::kRead);
  std::map<base::UnitId, double> f1;
  for (const store::Score& score : store.GetScores("held_out")) {
    if (score.method == "n2g" && score.f1) f1[score.unit] = *score.f1;
  }
  std::map<int, view::ScatterSeries> layers;
  int shown = 0, few = 0;
  for (const store::UnitMeasures& row : store.GetMeasures()) {
    const auto found = f1.find(row.unit);
    if (!row.polysemanticity || found == f1.end()) continue;
    if (row.examples < arguments.least_examples) {
      ++few;
      continue;
    }
    view::ScatterSeries& layer = layers[row.unit.layer];
    layer.name = fmt::format("layer {}", row.unit.layer);
    layer.points.push_back(
        {*row.polysemanticity, found->second,
         fmt::format("{}: polysemanticity {:.2f}, F1 {:.2f}, {} clusters", base::ToString(row.unit),
                     *row.polysemanticity, found->second, row.clusters)});
    ++shown;
  }
  if (shown == 0) {
    base::Fail(base::ErrorKind::kNotFound,
               "{}: no neuron has both measures ({} have, with fewer than {} examples); make them "
               "with `assay neurons embed`, `assay neurons graph` and `assay neurons score`",
               arguments.run, few, arguments.least_examples);
  }
  view::ScatterChart chart{
      .title = "Neurons by polysemanticity and by how well a graph predicts them",
      .x_label = "polysemanticity (mean distance between clusters)",
      .y_label = "held-out F1 of the graph",
      .from_zero = true};
  for (auto& [layer, series] : layers) chart.series.push_back(std::move(series));
  base::WriteFile(arguments.svg, view::WriteScatterChart(chart));
  fmt::print("{} neurons, {} left out with fewer than {} examples; wrote {}\n", shown, few,
             arguments.least_examples, arguments.svg);
}

}  // namespace

void AddNeuronsOverview(CLI::App& neurons) {
  auto arguments = std::make_shared<OverviewArguments>();
  CLI::App* command = neurons.add_subcommand(
      "overview", "A picture of a run: every neuron by polysemanticity and F1, coloured by layer");
  command->add_option("--run", arguments->run, "run folder")->required();
  command->add_option("--svg", arguments->svg, "picture to write")->required();
  command
      ->add_option("--least-examples", arguments->least_examples,
                   "neurons with fewer are left out: two examples say little about one neuron")
      ->check(CLI::Range(2, 1000000))
      ->capture_default_str();
  command->callback([arguments] { RunOverview(*arguments); });
}

}  // namespace assay::app
