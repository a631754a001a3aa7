#include "robustness/item_at_strength.h"

#include <algorithm>

namespace assay::robustness {
namespace {

using base::ErrorKind;
using base::Fail;

// Beyond it, attacks show the classifier nothing like tissue.
constexpr double kMostOfUsual = 4;

std::vector<PlannedItem> Plan(EvaluationOptions options, int64_t channels, int64_t height,
                              int64_t width) {
  if (options.compat == "reet") {
    Fail(ErrorKind::kUnsupported,
         "the evaluation follows REET's conventions, whose budgets are of the batch");
  }
  options.attacks = "fgsm,pgd,square,ensemble";
  options.transforms = "all";
  options.curves = false;
  return PlanEvaluation(options, channels, height, width);
}

bool WithinRange(const PlannedItem& item) {
  return item.threat.at("norm") == "range of the transform";
}

StrengthChoice ChoiceOf(const PlannedItem& item) {
  StrengthChoice choice{item.name, item.title, item.kind, item.strength_axis};
  choice.usual = item.attack.epsilon * item.strength_scale;
  // A search goes to the far end of the transform's range and no further.
  choice.most = WithinRange(item) ? choice.usual : kMostOfUsual * choice.usual;
  return choice;
}

// The budget in words, of transforms, whose budgets are no options.
std::string Budget(const PlannedItem& item, double strength) {
  if (item.threat.at("grey_levels").is_number())
    return fmt::format("offset of {:.3g} grey levels", item.threat["grey_levels"].get<double>());
  return WithinRange(item) ? fmt::format("{:.3g} % of the transform's range", 100 * strength)
                           : fmt::format("RMSE {:.3g} of the stain matrix", strength);
}

}  // namespace

std::vector<StrengthChoice> StrengthChoices(const EvaluationOptions& options, int64_t channels,
                                            int64_t height, int64_t width) {
  std::vector<StrengthChoice> choices;
  for (const PlannedItem& item : Plan(options, channels, height, width))
    choices.push_back(ChoiceOf(item));
  return choices;
}

PlannedItem ItemAtStrength(const EvaluationOptions& options, const std::string& name,
                           double strength, int64_t channels, int64_t height, int64_t width) {
  EvaluationOptions changed = options;
  const bool by_rmse = name == "pixel";
  const auto find = [&](const std::vector<PlannedItem>& plan) {
    return std::find_if(plan.begin(), plan.end(),
                        [&](const PlannedItem& item) { return item.name == name; });
  };
  const std::vector<PlannedItem> usual = Plan(options, channels, height, width);
  const auto found = find(usual);
  if (found == usual.end()) {
    Fail(ErrorKind::kUsage, "there is no attack or transform '{}' with a strength", name);
  }
  const StrengthChoice choice = ChoiceOf(*found);
  if (!(strength > 0 && strength <= choice.most * (1 + 1e-9))) {
    Fail(ErrorKind::kUsage, "the strength of {} is {}; expected one above 0, at most {:.4g} ({})",
         name, strength, choice.most, choice.axis);
  }
  PlannedItem item = *found;
  if (by_rmse || item.kind == "attack") {  // their budgets are options, and in their descriptions
    (by_rmse ? changed.rmse : changed.epsilon) = strength / item.strength_scale;
    const std::vector<PlannedItem> plan = Plan(changed, channels, height, width);
    item = *find(plan);
  } else {
    const double share = strength / choice.usual;
    item.attack.epsilon *= share;
    item.attack.step *= share;
    if (item.threat["grey_levels"].is_number())
      item.threat["grey_levels"] = share * item.threat["grey_levels"].get<double>();
    item.threat["budget"] = Budget(item, strength);
  }
  item.name = fmt::format("{}-at-{:.4g}", name, strength);
  item.title = fmt::format("{} ({:.4g})", item.title, strength);
  return item;
}

}  // namespace assay::robustness
