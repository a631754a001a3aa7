// The subcommands of `assay`. Each function adds one to the parser, with its options and what it
// runs.
#pragma once

#include <CLI/CLI.hpp>

namespace assay::app {

void AddDoctor(CLI::App& app);
void AddModel(CLI::App& app);
void AddNeurons(CLI::App& app);
void AddSae(CLI::App& app);
void AddRobust(CLI::App& app);
void AddServe(CLI::App& app);

// Below `assay neurons`.
void AddNeuronsCollect(CLI::App& neurons);
void AddNeuronsGraph(CLI::App& neurons);
void AddNeuronsScore(CLI::App& neurons);
void AddNeuronsSearch(CLI::App& neurons);  // search, similar
void AddNeuronsShow(CLI::App& neurons);    // show, predict, export
void AddNeuronsReport(CLI::App& neurons);
void AddNeuronsCluster(CLI::App& neurons);
void AddNeuronsEmbed(CLI::App& neurons);
void AddNeuronsOverview(CLI::App& neurons);

// Below `assay sae`.
void AddSaeTrain(CLI::App& sae);
void AddSaeEvaluate(CLI::App& sae);

// Below `assay robust`.
void AddRobustCheck(CLI::App& robust);
void AddRobustAttack(CLI::App& robust);
void AddRobustUniversal(CLI::App& robust);
void AddRobustNuclei(CLI::App& robust);
void AddRobustEvaluate(CLI::App& robust);
void AddRobustStudy(CLI::App& robust);
void AddRobustApply(CLI::App& robust);
void AddRobustSynthesize(CLI::App& robust);
void AddRobustTrain(CLI::App& robust);
void AddRobustTiles(CLI::App& robust);

}  // namespace assay::app
