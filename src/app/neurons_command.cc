// `assay neurons`: what every MLP neuron of a language model responds to (Neuron to Graph).
#include "app/commands.h"

namespace assay::app {

void AddNeurons(CLI::App& app) {
  CLI::App* neurons = app.add_subcommand(
      "neurons",
      "What every MLP neuron of a language model responds to: examples, graphs, scores, search");
  neurons->require_subcommand(1);
  AddNeuronsCollect(*neurons);
  AddNeuronsGraph(*neurons);
  AddNeuronsScore(*neurons);
  AddNeuronsSearch(*neurons);
  AddNeuronsShow(*neurons);
  AddNeuronsReport(*neurons);
  AddNeuronsCluster(*neurons);
  AddNeuronsEmbed(*neurons);
  AddNeuronsOverview(*neurons);
}

}  // namespace assay::app
