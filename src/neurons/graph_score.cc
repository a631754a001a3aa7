#include "neurons/graph_score.h"

#include <cmath>
#include <map>
#include <set>

namespace assay::neurons {
namespace {

// Pearson's correlation from running sums.
class Correlation {
 public:
  void Add(double x, double y) {
    ++count_;
    const double dx = x - mean_x_, dy = y - mean_y_;
    mean_x_ += dx / count_;
    mean_y_ += dy / count_;
    xx_ += dx * (x - mean_x_);
    yy_ += dy * (y - mean_y_);
    xy_ += dx * (y - mean_y_);
  }
  std::optional<double> Value() const {
    if (!(xx_ > 0) || !(yy_ > 0)) return std::nullopt;
    return xy_ / std::sqrt(xx_ * yy_);
  }

 private:
  double count_ = 0, mean_x_ = 0, mean_y_ = 0, xx_ = 0, yy_ = 0, xy_ = 0;
};

}  // namespace

store::Score ScorePredictor(UnitId unit, const std::string& set, const std::string& method,
                            std::span<const ScoredText> texts, double max_activation,
                            const Predictor& predict) {
  store::Score score{.unit = unit, .set = set, .method = method};
  Correlation correlation;
  for (const ScoredText& text : texts) {
    for (size_t at = 0; at < text.tokens.size(); ++at) {
      if (std::isnan(text.activations[at])) continue;
      const double truth = text.activations[at] / max_activation;
      const double predicted = predict(text.tokens, at);
      correlation.Add(predicted, truth);
      const bool fires = truth >= kFiringThreshold, predicted_to = predicted >= kFiringThreshold;
      score.true_positives += static_cast<int64_t>(fires && predicted_to);
      score.false_positives += static_cast<int64_t>(!fires && predicted_to);
      score.false_negatives += static_cast<int64_t>(fires && !predicted_to);
    }
  }
  score.correlation = correlation.Value();
  const auto hits = static_cast<double>(score.true_positives);
  const int64_t predicted = score.true_positives + score.false_positives,
                firing = score.true_positives + score.false_negatives;
  if (firing == 0) {
    score.excluded = "never fires in this set";
    return score;
  }
  if (predicted > 0) score.precision = hits / static_cast<double>(predicted);
  score.recall = hits / static_cast<double>(firing);
  score.f1 = 2 * hits / static_cast<double>(predicted + firing);
  return score;
}

std::vector<std::string> ScoreMethods() {
  return {"n2g", "token_lookup", "ngram_2", "ngram_3", "ngram_4", "ngram_5"};
}

std::vector<LayerScore> AverageByLayer(std::span<const store::Score> scores) {
  struct Layer {
    std::set<UnitId> units;
    std::map<std::string, std::set<UnitId>> excluded;
    std::map<std::string, MethodMeans> methods;
  };
  std::map<int, Layer> layers;
  const auto add = [](double& mean, int& count, double value) { mean += (value - mean) / ++count; };
  for (const store::Score& score : scores) {
    Layer& layer = layers[score.unit.layer];
    if (!score.excluded.empty()) {
      layer.excluded[score.excluded].insert(score.unit);
      continue;
    }
    layer.units.insert(score.unit);
    MethodMeans& means = layer.methods[score.method];
    if (score.precision) add(means.precision, means.precision_units, *score.precision);
    if (score.correlation) add(means.correlation, means.correlation_units, *score.correlation);
    ++means.units;
    means.recall += (score.recall.value_or(0) - means.recall) / means.units;
    means.f1 += (score.f1.value_or(0) - means.f1) / means.units;
  }
  std::vector<LayerScore> out;
  for (const auto& [number, layer] : layers) {
    LayerScore row{.layer = number, .units = static_cast<int>(layer.units.size())};
    for (const auto& [reason, units] : layer.excluded)
      row.excluded.emplace_back(reason, static_cast<int>(units.size()));
    for (const std::string& method : ScoreMethods()) {
      const auto found = layer.methods.find(method);
      row.methods.emplace_back(method,
                               found == layer.methods.end() ? MethodMeans{} : found->second);
    }
    out.push_back(std::move(row));
  }
  return out;
}

}  // namespace assay::neurons
