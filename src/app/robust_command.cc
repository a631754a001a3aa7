// `assay robust`: how little it takes to fool an image classifier. One file a subcommand.
#include "app/commands.h"

namespace assay::app {

void AddRobust(CLI::App& app) {
  CLI::App* robust =
      app.add_subcommand("robust", "How little it takes to fool an image classifier");
  robust->require_subcommand(1);
  AddRobustCheck(*robust);
  AddRobustAttack(*robust);
  AddRobustUniversal(*robust);
  AddRobustNuclei(*robust);
  AddRobustEvaluate(*robust);
  AddRobustStudy(*robust);
  AddRobustApply(*robust);
  AddRobustTiles(*robust);
  AddRobustSynthesize(*robust);
  AddRobustTrain(*robust);
}

}  // namespace assay::app
