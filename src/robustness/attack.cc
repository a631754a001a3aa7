#include "robustness/attack.h"

#include <algorithm>

#include "robustness/ensemble_attack.h"
#include "robustness/gradient_attack.h"
#include "robustness/least_distance.h"
#include "robustness/search_attack.h"
#include "robustness/square_attack.h"

namespace assay::robustness {
namespace {

using base::ErrorKind;
using base::Fail;

bool OneOf(const std::string& value, std::initializer_list<const char*> choices) {
  return std::any_of(choices.begin(), choices.end(),
                     [&](const char* choice) { return value == choice; });
}

void RequireNorm(const AttackOptions& options, std::initializer_list<const char*> norms) {
  if (!OneOf(options.norm, norms))
    Fail(ErrorKind::kUsage, "--norm {}: {} is defined for {}", options.norm, options.attack,
         fmt::join(norms, ", "));
}

void CheckTogether(const AttackOptions& options, const ParameterSpace& space) {
  const std::string& attack = options.attack;
  const bool pixels = space.name() == "pixels";
  if (OneOf(attack, {"square", "ddn", "deepfool"}) && !pixels)
    Fail(ErrorKind::kUsage,
         "{} attacks pixels, not {}; use pgd, apgd, search, ensemble or bisection", attack,
         space.name());
  if (OneOf(attack, {"fgsm", "pgd", "apgd"}) && !space.differentiable())
    Fail(ErrorKind::kUsage, "{} needs gradients, and {} has none; use search", attack,
         space.name());
  if (OneOf(attack, {"ddn"})) RequireNorm(options, {"l2"});
  if (OneOf(attack, {"square", "deepfool"})) RequireNorm(options, {"linf", "l2"});
  if (OneOf(attack, {"apgd", "ensemble"}))
    RequireNorm(options, {"linf", "l2", "l1", "rmse", "mae"});
  const bool targeted = measure::IsTargeted(measure::ParseObjective(options.objective));
  if (targeted && OneOf(attack, {"deepfool", "ensemble"}))
    Fail(ErrorKind::kUsage, "{} has no targeted form; use apgd, pgd, ddn, square or search",
         attack);
  if (options.optimizer != "steepest" && attack == "pgd" && options.step == 0)
    Fail(ErrorKind::kUsage, "--optimizer {} needs --step", options.optimizer);
}

}  // namespace

ModelCalls& ModelCalls::operator+=(const ModelCalls& other) {
  forwards += other.forwards;
  backwards += other.backwards;
  seconds += other.seconds;
  return *this;
}

AttackHealth& AttackHealth::operator+=(const AttackHealth& other) {
  images += other.images;
  zero_gradient += other.zero_gradient;
  flat_loss += other.flat_loss;
  still_rising += other.still_rising;
  search_beats_gradient |= other.search_beats_gradient;
  no_gradients |= other.no_gradients;
  return *this;
}

std::vector<std::string> AttackHealth::Flags() const {
  std::vector<std::string> flags;
  if (zero_gradient > 0)
    flags.push_back(fmt::format("gradient zero everywhere on {} of {} images that withstood",
                                zero_gradient, images));
  if (flat_loss > 0)
    flags.push_back(
        fmt::format("loss never rose on {} of {} images that withstood", flat_loss, images));
  if (still_rising > 0)
    flags.push_back(
        fmt::format("loss was still rising at the last step on {} of {} images; take more steps",
                    still_rising, images));
  if (search_beats_gradient)
    flags.push_back(
        "a search without gradients fooled images that gradients did not: the gradients "
        "may be masked");
  if (no_gradients)
    flags.push_back(
        "the classifier gives no gradients: only the search without them attacked, which is "
        "weaker");
  return flags;
}

std::vector<std::string> AttackOptions::AttackNames() {
  return {"fgsm", "pgd", "apgd", "square", "search", "ensemble", "deepfool", "ddn", "bisection"};
}

int DefaultSteps(const std::string& attack) {
  if (attack == "fgsm") return 1;
  if (attack == "apgd" || attack == "ensemble") return 100;
  if (attack == "ddn") return 200;
  if (attack == "search" || attack == "deepfool") return 50;
  return 40;
}

std::unique_ptr<Attack> MakeAttack(const AttackOptions& asked,
                                   std::shared_ptr<const ParameterSpace> space) {
  base::ValidateFields(asked);
  CheckTogether(asked, *space);
  AttackOptions options = asked;
  if (options.steps == 0) options.steps = DefaultSteps(options.attack);
  const std::string& attack = options.attack;
  if (attack == "square") return MakeSquareAttack(options);
  if (attack == "search") return MakeSearchAttack(options, std::move(space));
  if (attack == "ensemble") return MakeEnsembleAttack(options, std::move(space));
  if (attack == "ddn") return MakeDdnAttack(options);
  if (attack == "deepfool") return MakeDeepFoolAttack(options);
  if (attack == "bisection") {
    AttackOptions inner = options;
    inner.attack = space->differentiable() ? "apgd" : "search";
    inner.random_start = false;
    auto probe = MakeAttack(inner, space);
    return MakeBisectionAttack(std::move(probe), std::move(space), measure::ParseNorm(options.norm),
                               options.epsilon);
  }
  return MakeGradientAttack(options, std::move(space));
}

std::unique_ptr<Attack> MakeAttack(const AttackOptions& options) {
  return MakeAttack(options, MakePixelSpace());
}

}  // namespace assay::robustness
