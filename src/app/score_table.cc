#include "app/score_table.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>

#include "app/terminal.h"
#include "neurons/graph_score.h"

namespace assay::app {
namespace {

using neurons::LayerScore;
using neurons::MethodMeans;

constexpr const char* kRules =
    "A token fires at >= 0.5 of the neuron's maximum. Means over neurons; precision over those "
    "that predict anything, F1 is 0 for the others; "
    "neurons that never fire in a set are left out of it.";

const char* SetTitle(const std::string& set) {
  if (set == "held_out") return "Held-out half of the strongest examples";
  if (set == "random_text") return "Random text of the same source";
  return "Second text";
}

// The paper's order; the store's is alphabetical.
std::vector<std::string> OrderedSets(const store::RunStore& store) {
  const std::vector<std::string> stored = store.ScoreSets();
  std::vector<std::string> out;
  for (const char* set : {"held_out", "random_text", "second_text"}) {
    if (std::find(stored.begin(), stored.end(), set) != stored.end()) out.emplace_back(set);
  }
  return out;
}

std::string Cell(const MethodMeans& means) {
  if (means.units == 0) return "-";
  const std::string precision =
      means.precision_units > 0 ? fmt::format("{:.2f}", means.precision) : "-";
  return fmt::format("{} {:.2f} {:.2f}", precision, means.recall, means.f1);
}

nlohmann::ordered_json MeansJson(const MethodMeans& means) {
  nlohmann::ordered_json out;
  const auto put = [&](const char* name, bool defined, double value) {
    out[name] = defined ? nlohmann::ordered_json(value) : nlohmann::ordered_json();
  };
  put("precision", means.precision_units > 0, means.precision);
  put("recall", means.units > 0, means.recall);
  put("f1", means.units > 0, means.f1);
  put("correlation", means.correlation_units > 0, means.correlation);
  out["units_with_prediction"] = means.precision_units;
  return out;
}

nlohmann::ordered_json LayerJson(const LayerScore& layer) {
  nlohmann::ordered_json out = {{"layer", layer.layer}, {"units", layer.units}};
  out["excluded"] = nlohmann::ordered_json::object();
  for (const auto& [reason, units] : layer.excluded) out["excluded"][reason] = units;
  for (const auto& [method, means] : layer.methods) {
    if (method.starts_with("ngram_")) {
      out["ngram"][method.substr(6)] = MeansJson(means);
    } else {
      out[method] = MeansJson(means);
    }
  }
  return out;
}

nlohmann::ordered_json ScoreRowJson(const store::Score& score) {
  const auto optional = [](const std::optional<double>& value) {
    return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json();
  };
  nlohmann::ordered_json out = {{"precision", optional(score.precision)},
                                {"recall", optional(score.recall)},
                                {"f1", optional(score.f1)},
                                {"correlation", optional(score.correlation)},
                                {"true_positives", score.true_positives},
                                {"false_positives", score.false_positives},
                                {"false_negatives", score.false_negatives}};
  if (!score.excluded.empty()) out["excluded"] = score.excluded;
  return out;
}

}  // namespace

std::string ScoreTables(const store::RunStore& store) {
  std::string out;
  for (const std::string& set : OrderedSets(store)) {
    const std::vector<LayerScore> layers = neurons::AverageByLayer(store.GetScores(set));
    std::vector<std::vector<std::string>> rows = {{"layer", "neurons", "left out", "N2G",
                                                   "token lookup", "2-gram", "3-gram", "4-gram",
                                                   "5-gram", "N2G corr."}};
    std::map<std::string, int> reasons;
    for (const LayerScore& layer : layers) {
      int excluded = 0;
      for (const auto& [reason, units] : layer.excluded) {
        excluded += units;
        reasons[reason] += units;
      }
      std::vector<std::string> row = {fmt::format("{}", layer.layer),
                                      fmt::format("{}", layer.units), fmt::format("{}", excluded)};
      for (const auto& [method, means] : layer.methods) row.push_back(Cell(means));
      const MethodMeans& n2g = layer.methods.front().second;
      row.push_back(n2g.correlation_units > 0 ? fmt::format("{:.2f}", n2g.correlation) : "-");
      rows.push_back(std::move(row));
    }
    out += fmt::format("{} (precision recall F1)\n{}", SetTitle(set), FormatTable(rows));
    for (const auto& [reason, units] : reasons)
      out += fmt::format("left out: {} neurons: {}\n", units, reason);
    out += "\n";
  }
  return out + kRules + "\n";
}

nlohmann::ordered_json ScoreJson(const store::RunStore& store) {
  nlohmann::ordered_json out;
  std::map<store::UnitId, nlohmann::ordered_json> units;
  for (const std::string& set : OrderedSets(store)) {
    const std::vector<store::Score> scores = store.GetScores(set);
    out["sets"][set] = nlohmann::ordered_json::array();
    for (const LayerScore& layer : neurons::AverageByLayer(scores))
      out["sets"][set].push_back(LayerJson(layer));
    for (const store::Score& score : scores) {
      nlohmann::ordered_json& unit =
          units
              .try_emplace(score.unit, nlohmann::ordered_json{{"layer", score.unit.layer},
                                                              {"neuron", score.unit.index}})
              .first->second;
      if (score.method.starts_with("ngram_")) {
        unit["sets"][set]["ngram"][score.method.substr(6)] = ScoreRowJson(score);
      } else {
        unit["sets"][set][score.method] = ScoreRowJson(score);
      }
    }
  }
  out["units"] = nlohmann::ordered_json::array();
  for (auto& [id, unit] : units) out["units"].push_back(std::move(unit));
  out["rules"] = kRules;
  return out;
}

}  // namespace assay::app
