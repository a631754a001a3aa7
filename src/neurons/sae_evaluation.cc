#include "neurons/sae_evaluation.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>

#include "base/error.h"
#include "base/rng.h"
#include "model/token_batch.h"
#include "neurons/embedding_run.h"

namespace assay::neurons {
namespace {

at::Tensor IdsOf(const std::vector<TokenId>& tokens, at::Device device) {
  const std::span<const TokenId> row(tokens);
  return model::PadRight(std::span(&row, 1), device);
}

// Sum over tokens of the cross-entropy of the next token. logits: [1, T, V]
double SumOfLosses(const at::Tensor& logits, const at::Tensor& ids) {
  const int64_t tokens = ids.size(1);
  const at::Tensor log_probabilities =
      at::log_softmax(logits[0].narrow(0, 0, tokens - 1).to(at::kFloat), -1);
  return -log_probabilities.gather(1, ids[0].narrow(0, 1, tokens - 1).unsqueeze(1))
              .sum()
              .item<double>();
}

}  // namespace

SaeQuality EvaluateSae(const model::Transformer& network, const model::SparseAutoencoder& sae,
                       std::span<const std::vector<TokenId>> sequences, int64_t first_counted) {
  const c10::InferenceMode guard;
  const model::HookPoint hook = model::SaeFeatures(network, sae).ReadHook(0);
  const model::HookPoint logits_hook = model::ParseHook("logits", network.config());
  const at::Device device = network.weights().token_embedding.device();
  SaeQuality out{.features = sae.config().d_sae};
  at::Tensor fired = at::zeros({out.features}, at::TensorOptions(device));
  at::Tensor sum, squares;  // [d] double, of the hook
  double error = 0, active = 0;
  int64_t predicted = 0;
  for (const std::vector<TokenId>& tokens : sequences) {
    const auto length = static_cast<int64_t>(tokens.size());
    if (length <= std::max<int64_t>(first_counted, 1)) continue;
    const at::Tensor ids = IdsOf(tokens, device);
    // `replace` says what stands in for the counted positions; undefined: nothing does.
    const auto loss_with = [&](const std::function<at::Tensor(const at::Tensor&)>& replace) {
      double loss = 0;
      network.Forward(
          {.ids = ids}, {hook, logits_hook}, [&](const model::HookPoint& at, at::Tensor& value) {
            if (at == logits_hook) {
              loss = SumOfLosses(value, ids);
            } else if (replace) {
              value = at::cat({value.narrow(1, 0, first_counted),
                               replace(value.narrow(1, first_counted, length - first_counted))},
                              1);
            }
          });
      return loss;
    };
    out.loss += loss_with(nullptr);
    out.ablated += loss_with([](const at::Tensor& value) { return at::zeros_like(value); });
    out.spliced += loss_with([&](const at::Tensor& value) {
      const model::SaeResult result = sae.Apply(value);
      const at::Tensor on = (result.feature_acts > 0).flatten(0, 1).to(at::kFloat);
      active += on.sum().item<double>();
      fired += on.sum(0);
      error += (result.reconstruction - value).square().sum().item<double>();
      const at::Tensor flat = value.flatten(2).flatten(0, 1).to(at::kDouble);
      sum = sum.defined() ? sum + flat.sum(0) : flat.sum(0);
      squares = squares.defined() ? squares + flat.square().sum(0) : flat.square().sum(0);
      return result.reconstruction.to(value.scalar_type());
    });
    out.tokens += length - first_counted;
    predicted += length - 1;
  }
  if (out.tokens == 0)
    base::Fail(base::ErrorKind::kBadInput, "no token of the text counts; is it long enough?");
  const auto count = static_cast<double>(out.tokens);
  const double variance = (squares - sum.square() / count).sum().item<double>();
  out.l0 = active / count;
  out.unexplained = error / variance;
  out.dead = (fired == 0).sum().item<int64_t>();
  for (double* loss : {&out.loss, &out.spliced, &out.ablated})
    *loss /= static_cast<double>(predicted);
  if (out.ablated > out.loss)
    out.loss_recovered = (out.ablated - out.spliced) / (out.ablated - out.loss);
  return out;
}

namespace {

// Largest activation of every unit of the layer on counted positions; adds up positive ones.
at::Tensor Maxima(const model::TokenUnits& model, int layer,
                  std::span<const std::vector<TokenId>> sequences, int64_t first_counted,
                  double& positive_a_token) {
  at::Tensor maxima = at::zeros({model.Units(layer)});
  double positive = 0, tokens = 0;
  for (const std::vector<TokenId>& sequence : sequences) {
    const auto length = static_cast<int64_t>(sequence.size());
    if (length <= first_counted) continue;
    const at::Tensor value =
        model.network().Read({.ids = IdsOf(sequence, model.device())}, model.ReadHook(layer));
    const at::Tensor counted = model.Activations(layer, value)[0]
                                   .narrow(0, first_counted, length - first_counted)
                                   .to(at::kCPU, at::kFloat);
    maxima = at::maximum(maxima, counted.amax(0));
    positive += (counted > 0).sum().item<double>();
    tokens += static_cast<double>(length - first_counted);
  }
  positive_a_token = tokens > 0 ? positive / tokens : 0;
  return maxima;
}

struct Mean {
  double sum = 0;
  int64_t count = 0;
  void Add(const std::optional<double>& value) {
    if (!value) return;
    sum += *value;
    ++count;
  }
  double Value() const { return count == 0 ? 0 : sum / static_cast<double>(count); }
  std::optional<double> Defined() const {
    return count == 0 ? std::nullopt : std::optional(Value());
  }
};

}  // namespace

PolysemanticitySummary MeasurePolysemanticity(const model::TokenUnits& model, int layer,
                                              std::span<const std::vector<TokenId>> sequences,
                                              int64_t first_counted,
                                              const PolysemanticityOptions& options,
                                              const ClusterOptions& clusters) {
  const c10::InferenceMode guard;
  PolysemanticitySummary out{.units = model.Units(layer)};
  const at::Tensor maxima = Maxima(model, layer, sequences, first_counted, out.l0);
  const float* maximum = maxima.data_ptr<float>();
  std::vector<UnitId> units;
  for (int u = 0; u < out.units; ++u) {
    if (maximum[u] > 0) units.push_back({layer, u});
  }
  out.alive = static_cast<int64_t>(units.size());
  base::Rng(options.seed, "polysemanticity units", static_cast<uint64_t>(layer)).Shuffle(units);
  units.resize(std::min(units.size(), static_cast<size_t>(options.units)));
  std::sort(units.begin(), units.end());
  out.drawn = static_cast<int64_t>(units.size());
  std::vector<double> unit_maxima;
  for (const UnitId unit : units) unit_maxima.push_back(maximum[unit.index]);
  size_t next = 0;
  const SequenceStream stream = [&]() -> std::optional<store::Sequence> {
    if (next == sequences.size()) return std::nullopt;
    store::Sequence sequence{.id = static_cast<int64_t>(next), .tokens = sequences[next]};
    ++next;
    return sequence;
  };
  std::map<int64_t, store::Sequence> used;
  const auto inputs = InputsAbove(stream, model, units, unit_maxima,
                                  {.share = options.share,
                                   .cap = options.cap,
                                   .first_counted = static_cast<int>(first_counted),
                                   .seed = options.seed},
                                  used);
  const at::Tensor weights =
      model.InputWeights(layer).detach().to(at::kCPU, at::kFloat).contiguous();
  const auto width = static_cast<size_t>(weights.size(1));
  std::vector<store::UnitMeasures> measures(units.size());
  at::parallel_for(0, static_cast<int64_t>(units.size()), 1, [&](int64_t a, int64_t b) {
    for (auto u = static_cast<size_t>(a); u < static_cast<size_t>(b); ++u) {
      const float* row = weights.data_ptr<float>() + static_cast<size_t>(units[u].index) * width;
      measures[u] = EmbedUnit(units[u], inputs[u], {row, width}, clusters).measures;
    }
  });
  Mean examples, of_clusters, mean, max, intra, inter, polysemanticity;
  for (const store::UnitMeasures& row : measures) {
    if (row.examples < 2) continue;
    ++out.measured;
    out.single += row.clusters == 1 ? 1 : 0;
    examples.Add(row.examples);
    of_clusters.Add(row.clusters);
    mean.Add(row.mean_distance);
    max.Add(row.max_distance);
    intra.Add(row.intra);
    inter.Add(row.inter);
    polysemanticity.Add(row.polysemanticity);
  }
  out.examples = examples.Value();
  out.clusters = of_clusters.Value();
  out.mean_distance = mean.Value();
  out.max_distance = max.Value();
  out.polysemanticity = polysemanticity.Value();
  out.intra = intra.Defined();
  out.inter = inter.Defined();
  return out;
}

std::optional<double> Interpolate(std::span<const std::pair<double, double>> points, double x) {
  for (size_t i = 0; i < points.size(); ++i) {
    if (points[i].first == x) return points[i].second;
    if (i > 0 && points[i - 1].first < x && x < points[i].first) {
      const double part = (x - points[i - 1].first) / (points[i].first - points[i - 1].first);
      return points[i - 1].second + part * (points[i].second - points[i - 1].second);
    }
  }
  return std::nullopt;
}

}  // namespace assay::neurons
