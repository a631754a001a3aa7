// `assay robust`: how little it takes to fool an image classifier. One file a subcommand.
#include "app/commands.h"

namespace assay::app {

void AddRobust(CLI::App& app) {
  CLI::App* robust =
      app.add_subcommand("robust", "How little it takes to fool an image classifier");
  robust->require_subcommand(1);
  AddRobustCheck(*robust);
  AddRobustSynthesize(*robust);
  AddRobustTrain(*robust);
  AddRobustApply(*robust);
}

}  // namespace assay::app
