// What `assay robust evaluate` runs: each transform and attack with its budget, how it is
// optimised, and the strengths of its curve.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/options.h"
#include "measure/image_saliency.h"
#include "robustness/attack.h"
#include "robustness/reet_compat.h"

namespace assay::robustness {

struct EvaluationOptions {
  std::string transforms = "all";  // names separated by commas; all, reet or none
  std::string attacks = "all";     // fgsm, pgd, square, ensemble, least; all or none
  std::string compat;              // "" or "reet"
  double epsilon = 2.0 / 255;      // Linf budget of the pixel attacks
  double rmse = 2.0 / 255;         // RMSE budget of the pixel transform
  int steps = 40;                  // of gradient attacks
  int draws = 10;                  // of transforms searched
  int refinements = 10;            // local search after the draws
  int queries = 300;               // of square
  // Names separated by commas; all or none.
  std::string corruptions = "all";
  bool curves = true;
  std::string saliency = "gradient,integrated-gradients";  // methods compared, or none
  int saliency_images = 12;
  int gallery = 6;        // picture rows an item
  int64_t batch = 64;     // 8 with compat reet, as the package's published use
  int resamples = 1000;   // of the bootstrap
  double threshold = -1;  // score of the positive class; below 0: chosen on the clean images
  int positive = 1;       // class
  uint64_t seed = 0;
  bool gradients = true;  // whether the classifier gives any: found out, not asked for

  template <typename Visitor>
  void VisitFields(Visitor&& visit) {
    using base::Between;
    visit("transforms", transforms,
          "transforms, separated by commas; all (but brightness and blur_rectangle, which mean and "
          "blur cover), reet or none");
    visit("attacks", attacks,
          "of fgsm, pgd, square, ensemble, least, separated by commas; all or none");
    visit("corruptions", corruptions,
          "corruptions, of five severities each, separated by commas; all (of RGB tiles, none with "
          "compat reet) or none");
    visit("compat", compat, "reet: by the conventions of that package", base::OneOf({"", "reet"}));
    visit("epsilon", epsilon, "largest change of a value by the pixel attacks", Between(0, 1));
    visit("rmse", rmse, "RMSE budget of the pixel transform", Between(0, 1));
    visit("steps", steps, "gradient steps", Between(1, 1e5));
    visit("draws", draws, "random draws of a transform's search", Between(1, 1e6));
    visit("refinements", refinements, "local steps after the draws", Between(1, 1e6));
    visit("queries", queries, "model calls an image of square", Between(1, 1e6));
    visit("curves", curves, "measure success against strength");
    visit("saliency", saliency,
          fmt::format("saliency methods compared before and after, of {}; or none",
                      fmt::join(measure::SaliencyMethods(), ", "))
              .c_str());
    visit("saliency-images", saliency_images, "images an item for that", Between(0, 1e6));
    visit("gallery", gallery, "picture rows an item", Between(0, 1000));
    visit("batch", batch, "images at a time", Between(1, 65536));
    visit("resamples", resamples, "bootstrap resamples", Between(10, 1e6));
    visit("threshold", threshold, "locked score of the positive class; below 0: chosen on clean",
          Between(-1, 1));
    visit("positive", positive, "the positive class", Between(0, 1e6));
    visit("seed", seed, "of everything random");
  }
};

struct PlannedItem {
  std::string name, title, kind;  // as in docs/robustness-report.md
  nlohmann::json threat;
  AttackOptions attack;
  std::shared_ptr<const ParameterSpace> space;
  bool least_distance = false;  // looks for the least change; no budget, no curve
  bool moves_pixels = false;    // geometry: maps of before and after do not lie on each other
  std::string strength_axis;    // of the curve
  double strength_scale = 1;    // what is shown: budget * scale
  std::vector<double> budgets;  // of the curve, ascending, below the full one
  ReetSettings reet;            // with compat reet; the rest is not used then
  at::Tensor deltas;            // kind universal: [n, C, H, W] of rising budgets; else undefined
};

// Universal perturbations that were made elsewhere (assay robust universal), one for each budget.
// norm: linf or l2. Throws kBadInput when numbers differ or a perturbation is larger than its
// budget.
PlannedItem UniversalItem(const at::Tensor& deltas, const std::vector<double>& budgets,
                          const std::string& norm);

// For images of this size. Without gradients, what needs them is left out (LeftOutOfPlan) or
// searched instead. Throws kUsage for unknown names.
std::vector<PlannedItem> PlanEvaluation(const EvaluationOptions& options, int64_t channels,
                                        int64_t height, int64_t width);

// What a plan without gradients lacks of what was asked for, in words; empty with gradients.
std::vector<std::string> LeftOutOfPlan(const EvaluationOptions& options);

// The saliency methods asked for, occlusion in place of those that lack gradients; none for "none"
// and "".
std::vector<std::string> SaliencyNames(const EvaluationOptions& options);

// "a, b" -> {"a", "b"}.
std::vector<std::string> SplitNames(const std::string& names);

}  // namespace assay::robustness
