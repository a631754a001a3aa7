// Questions over all units of a run: finding units by the tokens of their graphs or the labels of
// their clusters, and what overviews show. Under 200 ms for 300,000 graphs
// (bench/graph_index_bench.cc). Reads the run at the moment of the call, also while it is written.
// As thread-safe as its RunStore: not.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "store/run_store.h"

namespace assay::store {

struct GraphQuery {
  // Tokens are given as text. Without `exact`, " Paris", "Paris" and "paris" are the same token; a
  // text that is no token of the vocabulary matches nothing.
  std::vector<std::string> activating;  // the graph has all of these as activating tokens
  std::vector<std::string> context;     // ... and all of these as context tokens
  bool exact = false;
  bool repeated =
      false;  // some token is both activating and context (in-context, induction-like units)
  std::optional<int> layer;
  std::optional<double> min_f1;  // held-out F1 of the graph
  int limit = 20;
};

struct GraphHit {
  UnitId unit;
  std::optional<double> f1;
  std::vector<std::string> activating,
      context;  // strongest first, at most 8 of each; "[token 7]" without a text
  int activating_tokens = 0, context_tokens = 0, repeated_tokens = 0;
  double repeated_share = 0;  // repeated tokens over all distinct tokens of the graph
};

struct SimilarPair {
  UnitId first, second;
  double activating_overlap = 0, context_overlap = 0;
};

enum class SetOverlap { kOverlap, kSubset };  // |A and B| / max(|A|, |B|), or / min(|A|, |B|)

// The F1 of a unit's graph, or of another predictor.
struct UnitF1 {
  UnitId unit;
  std::optional<double> f1;  // absent: not scored, or undefined
  int context_tokens = 0;    // distinct ones of the graph; GraphF1s only
};

// The largest activation of a unit in the collected text.
struct UnitMaximum {
  UnitId unit;
  double maximum = 0;
};

// Means over the units of a layer, as the paper takes them: units left out of averages are only
// counted, an undefined F1 or recall counts as 0, and a graph that predicts nothing has no
// precision.
struct ScoreMeans {
  std::string set;
  int layer = 0;
  std::string method;
  int units = 0, excluded = 0, precision_units = 0;  // that the means are over; left out
  double f1 = 0, recall = 0;                         // over `units`
  double precision = 0;                              // over `precision_units`

  void Add(std::optional<double> unit_precision, std::optional<double> unit_recall,
           std::optional<double> unit_f1, bool unit_excluded) {
    if (unit_excluded) {
      ++excluded;
      return;
    }
    ++units;
    f1 += (unit_f1.value_or(0) - f1) / units;
    recall += (unit_recall.value_or(0) - recall) / units;
    if (unit_precision) precision += (*unit_precision - precision) / ++precision_units;
  }
};

// A cluster by its label.
struct LabelledCluster {
  UnitId unit;
  int cluster = 0;
  std::string label;
};

class GraphIndex {
 public:
  explicit GraphIndex(
      const RunStore& store);  // borrowed for the life of the index; must not be moved

  // The tokens of the vocabulary that a text in a query stands for, ascending.
  std::vector<TokenId> MatchingTokens(const std::string& text, bool exact) const;

  // Ordered by: repeated_share (with `repeated`), else F1, best first, graphs without F1 last; ties
  // by unit. Throws kUsage for a limit below 1.
  std::vector<GraphHit> Search(const GraphQuery& query) const;

  // Pairs whose activating sets and context sets both reach `threshold`; two empty context sets
  // count as equal (1), an empty and a non-empty one as 0. With `unit`: only pairs of that unit (it
  // is `first`); else `first` < `second`. Strongest first: by the sum of both overlaps, ties by
  // units. Graphs without activating tokens are left out. All pairs hold all token sets in memory
  // (some 100 bytes a graph). Throws kUsage for a threshold outside (0, 1] or a limit below 1,
  // kNotFound when `unit` has no graph.
  std::vector<SimilarPair> Similar(std::optional<UnitId> unit, SetOverlap measure, double threshold,
                                   int limit) const;

  // Clusters whose label contains `text` (ASCII letters of any case), ascending, at most `limit`.
  std::vector<LabelledCluster> FindClusters(const std::string& text, std::optional<int> layer,
                                            int limit) const;

  // For overviews and maps, one pass each without the rows' long columns.
  std::vector<UnitF1> GraphF1s() const;  // held-out F1 of every graph, ascending
  // Of the units that are not left out of averages, ascending.
  std::vector<UnitF1> F1s(const std::string& set, const std::string& method) const;
  std::map<UnitId, double> FiringRates(int layer) const;
  std::vector<UnitMaximum> Maxima() const;     // of every unit with statistics, ascending
  std::vector<ScoreMeans> MeanScores() const;  // by set, layer, method

 private:
  std::vector<SimilarPair> SimilarToUnit(UnitId unit, SetOverlap measure, double threshold,
                                         int limit) const;
  std::vector<SimilarPair> SimilarAmongAll(SetOverlap measure, double threshold, int limit) const;

  const RunStore& store_;
};

}  // namespace assay::store
