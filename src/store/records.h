// The rows of a neuron run, as plain structs. Written by neurons, kept by RunStore, read by view
// and app. A "unit" is a neuron; an "activation" is the unit's value at the run's activation hook,
// not normalised unless its name says so. Token positions count from 0 within a sequence or prompt,
// BOS included where the run adds one.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/unit_id.h"

namespace assay::store {

using base::UnitId;
using TokenId = int32_t;

// A stretch of text the model was run on.
struct Sequence {
  int64_t id = 0;        // position in the order of collection, from 0
  std::string source;    // the file it came from
  int64_t document = 0;  // which document of that file, from 0
  int64_t begin = 0;     // the document's token at which it starts
  std::vector<TokenId> tokens;
};

// What a unit did over the whole text (BOS and left-out tokens not counted).
struct UnitStats {
  UnitId unit;
  int64_t tokens = 0;
  double mean = 0, variance = 0;  // population variance
  double maximum = 0, minimum = 0;
  double firing_rate = 0;  // share of tokens with activation > 0
};

// kAbove: a uniform sample of the sequences on which the unit exceeds a share of its maximum.
enum class ExampleKind { kTop, kBottom, kQuantile, kGiven, kAbove };

// A sequence on which a unit was seen, with the unit's activation on every token of it.
struct Example {
  UnitId unit;
  ExampleKind kind = ExampleKind::kTop;
  int bin = 0;   // kQuantile: 0 is the lowest bin of the uniform sample; else 0
  int rank = 0;  // 0 is the strongest within (unit, kind, bin); kBottom: the most negative
  int64_t sequence = 0;
  int pivot = 0;  // the token with the largest (kBottom: smallest) activation
  float activation = 0;
  std::vector<float> activations;  // one a token; NaN where the run leaves the token out (BOS)
};

enum class PruneOutcome {
  kReached,       // the kept context restores the wanted share of the activation
  kContextLimit,  // not within the longest context tried: the example is kept at that length, and
                  // marked
  kNotPositive,   // the activation at the pivot is not positive: no ratio exists, the example is
                  // left out
};

// What pruning did to one training example.
struct Pruning {
  UnitId unit;
  int example = 0;  // rank of the example
  PruneOutcome outcome = PruneOutcome::kReached;
  int pivot = 0;                // in the example's sequence
  int context = 0;              // tokens kept left of the pivot
  float full_activation = 0;    // at the pivot, whole text to its left
  float pruned_activation = 0;  // at the pivot, kept context only
  std::vector<float>
      trajectory;  // [i]: activation at the pivot with i tokens of left context, as far as tried
};

// One replaced word of an augmented prompt.
struct Substitution {
  int position = 0;  // first replaced token, in the prompt it was made from
  std::string original, substitute;
  double probability = 0;  // by the masked language model
};

// A prompt that was run for a unit: the pruned example, or a variation of it.
struct Prompt {
  UnitId unit;
  int example = 0;   // rank of the example it comes from
  int ordinal = 0;   // 0 is the pruned example, then its variations
  bool kept = true;  // false: the variation lost the activation; it is stored, but not in the graph
  std::optional<Substitution> substitution;  // absent for ordinal 0
  float ratio = 1;                           // activation at the pivot over that of ordinal 0
  std::vector<TokenId> tokens;               // BOS first where the run adds one
  int pivot = 0;                   // the last token, unless the run keeps context after the pivot
  std::vector<float> activations;  // one a token
  // importances[i * tokens.size() + k]: importance of token k for token targets[i]
  std::vector<int> targets;  // positions whose normalised activation is above the run's threshold
  std::vector<float> importances;
};

// A trie read from the activating token leftwards. Parents stand before children; node 0 is the
// root.
struct TrieNode {
  enum class Kind : uint8_t { kRoot = 0, kActivating = 1, kContext = 2, kIgnore = 3, kEnd = 4 };
  Kind kind = Kind::kRoot;
  int32_t parent = 0;  // own index for the root
  TokenId token = 0;   // kActivating and kContext only
  float activation =
      0;  // normalised. kActivating: largest below it; kEnd: of the path that ends here
  float importance = 0;  // kContext: largest importance for the activating token
};

struct Graph {
  UnitId unit;
  double max_activation = 0;     // what activations are divided by
  std::vector<int> train, test;  // ranks of the examples in each half
  std::vector<TrieNode> nodes;   // only the root when no example was usable
};

// How well one predictor of a unit's firing did on one set of texts.
struct Score {
  UnitId unit;
  std::string set;     // "held_out", "random_text" or "second_text"
  std::string method;  // "n2g", "token_lookup", "ngram_2" ... "ngram_5"
  int64_t true_positives = 0, false_positives = 0, false_negatives = 0;
  // Absent when undefined: precision with nothing predicted, all three when the unit never fires.
  std::optional<double> precision, recall, f1, correlation;
  std::string excluded;  // why the unit is left out of averages; empty: it is not
};

// Which example: the rest of its key, beside the unit.
struct ExampleKey {
  ExampleKind kind = ExampleKind::kTop;
  int bin = 0, rank = 0;
  auto operator<=>(const ExampleKey&) const = default;
};

// What made a unit fire on each of its examples: e = h * w, coordinate by coordinate, at the pivot.
struct Embedding {
  UnitId unit;
  int dims = 0;
  std::vector<ExampleKey> examples;
  std::vector<float> vectors;  // [examples, dims]
};

// Examples on which a unit fires for the same reason.
struct FeatureCluster {
  UnitId unit;
  int cluster = 0;           // 0 is the first example's
  std::vector<int> members;  // indices into Embedding::examples; the most central one first
  double cohesion = 0;       // mean cosine similarity of the central example to the others; 1 alone
  std::string label;         // the commonest activating and context tokens, for people
  std::vector<TokenId> activating, context;      // those tokens, commonest first
  std::vector<float> central_input, mean_input;  // [dims] h of the central example; mean of h
  std::vector<float> central_embedding;          // [dims] e of the central example
};

// How polysemantic a unit is. Absent where the definition has nothing to average.
struct UnitMeasures {
  UnitId unit;
  int examples = 0, clusters = 0;
  std::optional<double> mean_distance, max_distance, intra, inter;
  std::optional<double> polysemanticity, polysemanticity_low, polysemanticity_high;
  std::optional<double> stability;  // mean adjusted Rand index over resamples
  double cut = 0;                   // cosine distance up to which examples were merged
  std::string cut_reason;
};

// One of the nearest clusters of a cluster.
struct SimilarCluster {
  UnitId unit;
  int cluster = 0;
  int rank = 0;  // 0 is the most similar
  UnitId other;
  int other_cluster = 0;
  double similarity = 0;  // cosine
};

// A graph built from the examples of one cluster.
struct ClusterGraph {
  int cluster = 0;
  Graph graph;
};

}  // namespace assay::store
