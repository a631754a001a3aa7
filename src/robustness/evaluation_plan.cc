#include "robustness/evaluation_plan.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "measure/image_saliency.h"
#include "robustness/transform_space.h"
#include "transforms/transform.h"

namespace assay::robustness {
namespace {

using base::ErrorKind;
using base::Fail;

const std::vector<std::string> kAttacks = {"fgsm", "pgd", "square", "ensemble", "least"};
const std::set<std::string> kGradientAttacks = {"fgsm", "pgd", "least"};
const std::set<std::string> kMoving = {"rotate", "crop", "zoom_in", "zoom_out"};

std::string Grey(double value) { return fmt::format("{:.3g} grey levels", value * 255); }

std::string FileSafe(std::string name) {
  for (char& c : name) {
    if (c == '_' || c == '+') c = '-';
  }
  return name;
}

std::string Title(std::string name) {
  std::replace(name.begin(), name.end(), '_', ' ');
  if (name == "jpeg" || name == "hed") {
    for (char& c : name) c = static_cast<char>(c - 'a' + 'A');
  } else {
    name[0] = static_cast<char>(name[0] - 'a' + 'A');
  }
  return name;
}

std::vector<double> Shares(double full, std::initializer_list<double> shares) {
  std::vector<double> out;
  for (const double share : shares) out.push_back(full * share);
  return out;
}

PlannedItem PixelAttack(const std::string& name, const EvaluationOptions& options) {
  PlannedItem item{.name = name, .kind = "attack", .space = MakePixelSpace()};
  item.attack = {.attack = name,
                 .epsilon = options.epsilon,
                 .steps = options.steps,
                 .queries = options.queries,
                 .early_stop = false,
                 .seed = options.seed};
  item.attack.objective = "margin";
  item.threat = {{"space", "pixels"},
                 {"norm", "linf"},
                 {"budget", fmt::format("largest change {}", Grey(options.epsilon))},
                 {"grey_levels", options.epsilon * 255},
                 {"knowledge", "white box"}};
  item.strength_axis = "largest change allowed, grey levels";
  item.strength_scale = 255;
  item.budgets = Shares(options.epsilon, {0.125, 0.25, 0.5});
  if (name == "fgsm") {
    item.title = "FGSM, largest change";
    item.attack.objective = "cross-entropy";
    item.attack.steps = 1;
  } else if (name == "pgd") {
    item.title = "PGD, largest change";
  } else if (name == "square") {
    item.title = "Square, scores only";
    item.attack.early_stop = true;
    item.attack.steps = 0;
    item.threat["knowledge"] = "scores only";
  } else if (name == "ensemble") {
    item.title = "Ensemble, worst case";
    item.attack.early_stop = true;
  } else {
    item.title = "Least change (DDN)";
    item.attack.attack = "ddn";
    item.attack.norm = "l2";
    item.attack.steps = 60;
    item.attack.early_stop = true;
    item.least_distance = true;
    item.budgets.clear();
    item.threat["norm"] = "l2";
    item.threat["budget"] = "the least that fools";
    item.threat["grey_levels"] = nullptr;
  }
  return item;
}

// The budget that reaches the far end of every range, in half ranges (TransformSpaceOptions).
double WholeRange(const transforms::Transform& transform, int64_t height, int64_t width) {
  const auto bounds = transform.Bounds(height, width);
  const at::Tensor half = ((bounds.high - bounds.low) / 2).clamp_min(1e-12);
  const at::Tensor reach =
      at::maximum((bounds.high - bounds.identity).abs(), (bounds.low - bounds.identity).abs());
  return (reach / half).max().item<double>();
}

PlannedItem TransformItem(const std::string& name, const EvaluationOptions& options, int64_t height,
                          int64_t width) {
  PlannedItem item{.name = FileSafe(name), .title = Title(name), .kind = "transform"};
  item.moves_pixels = std::any_of(kMoving.begin(), kMoving.end(), [&](const std::string& moving) {
    return name.find(moving) != std::string::npos;
  });
  item.attack = {.objective = "margin",
                 .steps = options.steps,
                 .draws = options.draws,
                 .early_stop = false,
                 .seed = options.seed};
  item.threat = {{"space", name}, {"grey_levels", nullptr}, {"knowledge", "white box"}};
  std::shared_ptr<const transforms::Transform> transform = transforms::MakeTransform(name);
  // REET's budgets for what has too many parameters to be searched; the others are searched in
  // their range, the offset of the mean too, which is one number.
  const bool pixel = name == "pixel", stain = name == "stain";
  if (pixel || stain) {
    item.attack.attack = options.gradients ? "apgd" : "search";
    if (!options.gradients) {
      item.attack.steps = options.refinements;
      item.threat["knowledge"] = "scores only";
    }
    item.attack.norm = "rmse";
    item.attack.epsilon = pixel ? options.rmse : 0.2;
    item.space = pixel ? std::shared_ptr<const ParameterSpace>(MakePixelSpace())
                       : MakeTransformSpace(transform, {.bounded = false, .relative = false});
    item.threat["norm"] = "rmse";
    item.threat["budget"] = stain ? std::string("RMSE 0.2 of the stain matrix")
                                  : fmt::format("RMSE {}", Grey(options.rmse));
    item.strength_axis = stain ? "RMSE of the stain matrix allowed" : "RMSE allowed, grey levels";
    item.strength_scale = stain ? 1 : 255;
    item.budgets = Shares(item.attack.epsilon, {0.125, 0.25, 0.5});
    return item;
  }
  item.attack.attack = "search";
  item.attack.steps = options.refinements;
  item.attack.norm = "linf";
  item.attack.epsilon = WholeRange(*transform, height, width);
  item.space = MakeTransformSpace(transform);
  item.threat["norm"] = "range of the transform";
  item.threat["budget"] = "range of the transform";
  if (name == "mean") {
    item.threat["budget"] = "offset of 50 grey levels";
    item.threat["grey_levels"] = 50;
  }
  item.threat["knowledge"] = "scores only";
  item.strength_axis = "share of the range";
  item.strength_scale = 1 / item.attack.epsilon;
  item.budgets = Shares(item.attack.epsilon, {0.25, 0.5, 0.75});
  return item;
}

std::vector<std::string> TransformsNamed(const std::string& names) {
  if (names == "none") return {};
  std::vector<std::string> reet;
  for (const ReetSettings& settings : ReetDefaults()) reet.push_back(settings.transform);
  if (names == "reet") return reet;
  if (names != "all") return SplitNames(names);
  for (const std::string& name : transforms::TransformNames()) {
    // The rectangle is REET's blur again, and a mean offset is brightness.
    if (name == "blur_rectangle" || name == "brightness") continue;
    if (std::find(reet.begin(), reet.end(), name) == reet.end()) reet.push_back(name);
  }
  return reet;
}

std::vector<std::string> AttacksNamed(const std::string& names) {
  if (names == "none") return {};
  if (names == "all") return {"fgsm", "pgd", "square", "ensemble", "least"};
  std::vector<std::string> out = SplitNames(names);
  for (const std::string& name : out) {
    if (std::find(kAttacks.begin(), kAttacks.end(), name) == kAttacks.end()) {
      Fail(ErrorKind::kUsage, "--attacks names '{}'; expected all, none or some of: {}", name,
           fmt::join(kAttacks, ", "));
    }
  }
  return out;
}

// The attacks and transforms of a plan, and what it cannot have without gradients.
struct PlanNames {
  std::vector<std::string> attacks, transforms;
  std::vector<std::string> missing_attacks, missing_transforms;
};

PlanNames NamesFor(const EvaluationOptions& options) {
  PlanNames names{AttacksNamed(options.attacks), TransformsNamed(options.transforms), {}, {}};
  if (options.gradients) return names;
  const auto take_out = [](std::vector<std::string>& from, std::vector<std::string>& to,
                           const auto& needs_gradients) {
    std::copy_if(from.begin(), from.end(), std::back_inserter(to), needs_gradients);
    std::erase_if(from, needs_gradients);
  };
  // Of the ensemble only Square is left, which `all` has already.
  take_out(names.attacks, names.missing_attacks, [&](const std::string& name) {
    return kGradientAttacks.contains(name) || (name == "ensemble" && options.attacks == "all");
  });
  take_out(names.transforms, names.missing_transforms,
           [](const std::string& name) { return name == "pixel"; });
  const bool searched =
      std::find(names.attacks.begin(), names.attacks.end(), "square") != names.attacks.end();
  const bool pixels_asked = !names.missing_attacks.empty() || !names.missing_transforms.empty();
  if (pixels_asked && !searched) names.attacks.push_back("square");
  return names;
}

bool NeedsGradients(const std::string& saliency) { return saliency != "occlusion"; }

void Describe(PlannedItem& item) {
  item.threat["objective"] = item.attack.objective;
  item.threat["optimizer"] = item.attack.attack == "search" ? "search"
                             : item.attack.attack == "pgd"  ? item.attack.optimizer
                                                            : item.attack.attack;
  item.threat["steps"] = item.attack.attack == "square" ? item.attack.queries : item.attack.steps;
  item.threat["draws"] = item.attack.attack == "search" ? item.attack.draws : 0;
  item.threat["restarts"] = item.attack.restarts;
}

std::vector<PlannedItem> ReetPlan(const EvaluationOptions& options) {
  if (options.transforms == "none") return {};
  const bool whole = options.transforms == "all" || options.transforms == "reet";
  const std::vector<std::string> wanted =
      whole ? std::vector<std::string>{} : SplitNames(options.transforms);
  std::vector<PlannedItem> items;
  size_t known = 0;
  for (const ReetSettings& settings : ReetDefaults()) {
    if (!whole && std::find(wanted.begin(), wanted.end(), settings.transform) == wanted.end())
      continue;
    ++known;
    if (settings.gradient && !options.gradients) continue;
    PlannedItem item{.name = FileSafe(settings.transform),
                     .title = Title(settings.transform),
                     .kind = "transform",
                     .reet = settings};
    item.moves_pixels = kMoving.contains(settings.transform);
    item.threat = {
        {"space", settings.transform},
        {"norm", settings.gradient ? "rmse over the batch" : "range"},
        {"budget", settings.gradient ? fmt::format("RMSE {:.4g} over the batch", settings.budget)
                                     : "range of the transform"},
        {"grey_levels", nullptr},
        {"objective", "logit of the label"},
        {"optimizer", settings.gradient ? "rmsprop, last iterate" : "search"},
        {"steps", settings.gradient ? settings.steps : 0},
        {"draws", settings.gradient ? 0 : settings.draws},
        {"restarts", 1},
        {"knowledge", settings.gradient ? "white box" : "scores only"}};
    items.push_back(std::move(item));
  }
  if (known < wanted.size()) {
    Fail(ErrorKind::kUsage, "--transforms '{}': the package reet evaluates: {}", options.transforms,
         fmt::join(TransformsNamed("reet"), ", "));
  }
  return items;
}

}  // namespace

std::vector<std::string> SplitNames(const std::string& names) {
  std::vector<std::string> out;
  std::string name;
  for (const char c : names + ",") {
    if (c == ',') {
      if (!name.empty()) out.push_back(name);
      name.clear();
    } else if (c != ' ') {
      name += c;
    }
  }
  return out;
}

std::vector<std::string> SaliencyNames(const EvaluationOptions& options) {
  std::vector<std::string> names =
      options.saliency == "none" ? std::vector<std::string>() : SplitNames(options.saliency);
  if (options.gradients || names.empty()) return names;
  return {"occlusion"};
}

std::vector<std::string> LeftOutOfPlan(const EvaluationOptions& options) {
  std::vector<std::string> out;
  if (options.gradients) return out;
  if (options.compat == "reet") {
    std::vector<std::string> missing;
    const std::vector<std::string> wanted = TransformsNamed(options.transforms);
    for (const ReetSettings& settings : ReetDefaults()) {
      const bool asked =
          std::find(wanted.begin(), wanted.end(), settings.transform) != wanted.end();
      if (settings.gradient && asked) missing.push_back(settings.transform);
    }
    if (!missing.empty())
      out.push_back(fmt::format("left out, as they need gradients: {}", fmt::join(missing, ", ")));
  } else {
    const PlanNames names = NamesFor(options);
    std::vector<std::string> missing = names.missing_attacks;
    missing.insert(missing.end(), names.missing_transforms.begin(), names.missing_transforms.end());
    if (!missing.empty()) {
      out.push_back(fmt::format(
          "left out, as they need gradients: {}; Square, which needs none, is what attacks pixels",
          fmt::join(missing, ", ")));
    }
    if (std::find(names.transforms.begin(), names.transforms.end(), "stain") !=
        names.transforms.end())
      out.push_back("stain is searched at random: a weaker attack than one by gradients");
  }
  std::vector<std::string> maps = SplitNames(options.saliency == "none" ? "" : options.saliency);
  std::erase_if(maps, [](const std::string& name) { return !NeedsGradients(name); });
  if (!maps.empty())
    out.push_back(fmt::format("saliency is by occlusion in place of {}", fmt::join(maps, ", ")));
  return out;
}

std::vector<PlannedItem> PlanEvaluation(const EvaluationOptions& options, int64_t channels,
                                        int64_t height, int64_t width) {
  base::ValidateFields(options);
  for (const std::string& method : SplitNames(options.saliency == "none" ? "" : options.saliency)) {
    measure::SaliencyOptions saliency;
    saliency.method = method;
    base::ValidateFields(saliency);
  }
  if (options.compat == "reet") return ReetPlan(options);
  std::vector<PlannedItem> items;
  const PlanNames names = NamesFor(options);
  for (const std::string& name : names.attacks) items.push_back(PixelAttack(name, options));
  for (const std::string& name : names.transforms) {
    if (channels == 3 || name == "pixel") {
      items.push_back(TransformItem(name, options, height, width));
    } else if (options.transforms != "all" && options.transforms != "reet") {
      Fail(ErrorKind::kUsage,
           "--transforms '{}': all but pixel are of RGB images; these have {} channels",
           options.transforms, channels);
    }
  }
  for (PlannedItem& item : items) {
    if (!options.curves) item.budgets.clear();
    Describe(item);
  }
  return items;
}

}  // namespace assay::robustness
