// Everything a run knows about one neuron, as its rows stand in the store. The page, the JSON and
// the terminal summary of a neuron all start from it; parts that a run does not have are empty.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "store/records.h"

namespace assay::view {

struct NeuronRecords {
  store::UnitId unit;
  std::optional<store::UnitStats> stats;
  std::vector<store::Example> examples;
  std::map<int64_t, store::Sequence> sequences;  // by id: those of the examples
  std::vector<store::Pruning> prunings;
  std::vector<store::Prompt> prompts;
  std::optional<store::Graph> graph;
  std::vector<store::Score> scores;
};

// Which examples the graph, the prunings and the prompts mean by a rank: the given ones if there
// are any, else the top.
store::ExampleKind TrainingKind(const NeuronRecords& records);

// What activations are divided by: the graph's maximum, else the text's, else the largest seen on
// an example; never below 0, and 0 when nothing is known.
double MaxActivation(const NeuronRecords& records);

// Rows of one example's rank; null or empty where there are none.
const store::Pruning* FindPruning(const NeuronRecords& records, int example);
std::vector<const store::Prompt*> FindPrompts(const NeuronRecords& records,
                                              int example);  // ordinal order

// The sequence of an example. Throws kNotFound naming unit and sequence when it is missing, and
// kBadInput when its length or pivot does not fit the example.
const store::Sequence& SequenceOf(const NeuronRecords& records, const store::Example& example);

// The importance of each token of an example for its pivot, measured on its pruned prompt; absent
// where it was not measured. One a token of the example's sequence.
std::vector<std::optional<float>> ImportancesOf(const NeuronRecords& records,
                                                const store::Example& example);

// The importances of a prompt's tokens for its pivot; empty where they were not measured.
// Throws kBadInput when the stored sizes do not fit each other.
std::vector<float> PivotImportances(const store::Prompt& prompt);

}  // namespace assay::view
