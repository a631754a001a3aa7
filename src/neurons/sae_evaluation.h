// How good a sparse autoencoder is: sparsity, reconstruction, what the model loses when its output
// is spliced in, and how polysemantic its features are beside other units. Thread-safe.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "model/inspectable_model.h"
#include "neurons/feature_clusters.h"

namespace assay::neurons {

using TokenId = int32_t;

struct SaeQuality {
  int64_t tokens = 0;              // measured; positions before first_counted are left out
  double l0 = 0;                   // active features a token
  double unexplained = 0;          // squared error over total variance of the hook
  int64_t features = 0, dead = 0;  // dead: never active on these tokens
  // Cross-entropy of the next token, in nats: as it is, with the reconstruction in place of the
  // hook's value, and with zeros there (both on counted positions only).
  double loss = 0, spliced = 0, ablated = 0;
  // (ablated - spliced) / (ablated - loss); absent when ablation does not hurt.
  std::optional<double> loss_recovered;
};

SaeQuality EvaluateSae(const model::Transformer& network, const model::SparseAutoencoder& sae,
                       std::span<const std::vector<TokenId>> sequences, int64_t first_counted);

struct PolysemanticityOptions {
  int units = 200;  // drawn among those that fire
  double share = 0.75;
  int cap = 100;
  uint64_t seed = 1;
};

// Means over the drawn units with at least two examples, where defined.
struct PolysemanticitySummary {
  int64_t units = 0, alive = 0;                 // in the layer; of them with a positive activation
  int64_t drawn = 0, measured = 0, single = 0;  // single: of one cluster
  double l0 = 0;                                // units with a positive activation, a token
  double examples = 0, clusters = 0, mean_distance = 0, max_distance = 0, polysemanticity = 0;
  std::optional<double> intra, inter;
};

// Of a layer's units on a text: examples are the sequences on which a unit exceeds a share of its
// maximum there.
PolysemanticitySummary MeasurePolysemanticity(const model::TokenUnits& model, int layer,
                                              std::span<const std::vector<TokenId>> sequences,
                                              int64_t first_counted,
                                              const PolysemanticityOptions& options,
                                              const ClusterOptions& clusters);

// The y at x on the line through points sorted by x (ascending, distinct); absent beyond its ends.
std::optional<double> Interpolate(std::span<const std::pair<double, double>> points, double x);

}  // namespace assay::neurons
