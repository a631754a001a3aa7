#include "robustness/evaluation_summary.h"

#include <algorithm>
#include <cmath>

namespace assay::robustness {
namespace {

using measure::Answers;
using nlohmann::json;

// Why an item says nothing about the worst case within the budgets; empty when it does.
std::string WhyLeftOut(const FinishedItem& finished) {
  if (!finished.has_budget) return "it has no budget and fools any classifier";
  if (!finished.item.contains("cropped")) return "";
  const json& cropped = finished.item["cropped"];
  return fmt::format("its tiles are cropped to {} x {} px, with clean answers of their own",
                     cropped.at("width").get<int64_t>(), cropped.at("height").get<int64_t>());
}

}  // namespace

json WorstCaseJson(const EvaluationData& data, const std::vector<FinishedItem>& items,
                   const EvaluationOptions& options) {
  Answers worst = data.clean;
  std::vector<bool> flipped(static_cast<size_t>(data.size()));
  json names = json::array(), left_out = json::array();
  for (const FinishedItem& finished : items) {
    if (const std::string reason = WhyLeftOut(finished); !reason.empty()) {
      left_out.push_back({{"item", finished.item.at("name")}, {"reason", reason}});
      continue;
    }
    names.push_back(finished.item.at("name"));
    for (int64_t i = 0; i < data.size(); ++i) {
      const auto place = static_cast<size_t>(i);
      const int64_t label = data.clean.labels[place];
      const bool flips = finished.flipped[place];
      const bool lower = finished.answers.Probability(i, label) < worst.Probability(i, label);
      if ((flips && !flipped[place]) || (lower && flips == flipped[place])) {
        std::copy_n(finished.answers.probabilities.begin() + i * worst.classes, worst.classes,
                    worst.probabilities.begin() + i * worst.classes);
      }
      flipped[place] = flipped[place] || flips;
    }
  }
  if (names.empty()) return nullptr;
  const std::vector<double> no_size(static_cast<size_t>(data.size()));
  return {{"items", names},
          {"left_out", left_out},
          {"metrics", MetricsJson(data, &worst, flipped, no_size, options)}};
}

void TakeLeastOfAll(const EvaluationData& data, std::vector<FinishedItem>& items) {
  std::vector<double> least(static_cast<size_t>(data.size()), INFINITY);
  std::vector<const FinishedItem*> by(least.size());
  for (const FinishedItem& finished : items) {
    for (size_t i = 0; i < finished.least.size(); ++i) {
      if (finished.least[i] >= least[i]) continue;
      least[i] = finished.least[i];
      by[i] = &finished;
    }
  }
  json energy = MinimalEnergyJson(data, least);
  energy["from"] = json::object();
  for (const FinishedItem& finished : items) {
    const auto tiles = std::count(by.begin(), by.end(), &finished);
    if (tiles > 0) energy["from"][finished.item.at("name").get<std::string>()] = tiles;
  }
  for (FinishedItem& finished : items) {
    if (finished.item.contains("minimal_energy")) finished.item["minimal_energy"] = energy;
  }
}

std::vector<std::string> LimitsOf(const EvaluationData& data, const EvaluationOptions& options) {
  std::vector<std::string> limits = {
      "Robust accuracy is an upper bound: an attack that fails does not show that none succeeds.",
      "Attacks aim at a wrong answer, the class of the highest probability. Sensitivity and "
      "specificity at the locked threshold are of the same images and so no worst case: an attack "
      "across the threshold itself may lower them further.",
      "The attacks know the classifier and change the digital tile. Whether a scanner, a stain or "
      "a person could bring such changes about is a separate question."};
  limits.push_back(
      options.compat == "reet"
          ? "Budgets hold for the whole batch, as in the package REET: they depend on the batch "
            "size."
          : "Budgets hold for each tile by itself; a fooling rate counts tiles that were answered "
            "correctly before.");
  std::vector<std::string> clusters = data.clusters;
  std::sort(clusters.begin(), clusters.end());
  clusters.erase(std::unique(clusters.begin(), clusters.end()), clusters.end());
  const char* what = data.clusters_are_patients ? "patient" : "tile";
  if (clusters.size() < 2) {
    limits.push_back(fmt::format("All is of one {}: there are no intervals.", what));
  } else if (clusters.size() < 10) {
    limits.push_back(
        fmt::format("The intervals resample {} {}s: with so few they are wide and rough "
                    "themselves.",
                    clusters.size(), what));
  }
  if (data.nuclei_segmented) {
    limits.push_back(
        "Nuclei were segmented, not given: constructs are estimates; `assay robust nuclei` scores "
        "that segmentation.");
  }
  return limits;
}

}  // namespace assay::robustness
