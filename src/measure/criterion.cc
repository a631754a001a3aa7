#include "measure/criterion.h"

#include <ATen/ATen.h>

#include <array>
#include <utility>

#include "base/error.h"

namespace assay::measure {
namespace {

using base::ErrorKind;
using base::Fail;

constexpr std::array<std::pair<std::string_view, Objective>, 7> kObjectives = {
    {{"cross-entropy", Objective::kCrossEntropy},
     {"true-log-probability", Objective::kTrueLogProbability},
     {"margin", Objective::kMargin},
     {"dlr", Objective::kDlr},
     {"wrong-log-probability", Objective::kWrongLogProbability},
     {"targeted", Objective::kTargeted},
     {"targeted-margin", Objective::kTargetedMargin}}};

// classes: [B] int64 -> [B, 1], checked against the K of logits.
at::Tensor Column(const at::Tensor& classes, const at::Tensor& logits, const char* what) {
  if (!classes.defined() || classes.dim() != 1 || classes.size(0) != logits.size(0))
    Fail(ErrorKind::kBadInput, "{}: expected one class for each of {} images", what,
         logits.size(0));
  if (classes.numel() > 0) {
    const auto low = classes.min().item<int64_t>(), high = classes.max().item<int64_t>();
    if (low < 0 || high >= logits.size(1))
      Fail(ErrorKind::kBadInput, "{}: class {} does not exist; the model has {} classes, from 0",
           what, low < 0 ? low : high, logits.size(1));
  }
  return classes.to(logits.device(), at::kLong).unsqueeze(1);
}

// logits: [B, K] -> float64, finite, K >= 2.
at::Tensor Checked(const at::Tensor& logits) {
  if (logits.dim() != 2 || logits.size(1) < 2)
    Fail(ErrorKind::kBadInput, "logits have shape [{}]; expected [images, classes >= 2]",
         fmt::join(logits.sizes().vec(), ", "));
  const at::Tensor wide = logits.detach().to(at::kDouble);
  if (!at::isfinite(wide).all().item<bool>())
    Fail(ErrorKind::kBadInput, "the model answers with logits that are not finite");
  return wide;
}

// The largest other class of every row: [B, 1].
at::Tensor Rival(const at::Tensor& wide, const at::Tensor& label) {
  return wide.scatter(1, label, -INFINITY).argmax(1, true);
}

// q, the shares of the other classes among themselves, and -1 at `at`: [B, K]. It is the direction
// of -log p(at) and of log(1 - p(at)): their gradients are 1 - p(at) and p(at) times it.
at::Tensor AwayFrom(const at::Tensor& wide, const at::Tensor& at) {
  return at::softmax(wide.scatter(1, at, -INFINITY), 1).scatter(1, at, -1.0);
}

// log of the odds against `at`: log-sum-exp of the other classes - its own logit, [B, 1].
// Everything about probabilities is formed from it, so that neither p nor 1 - p is lost to
// rounding.
at::Tensor OddsAgainst(const at::Tensor& wide, const at::Tensor& at) {
  return at::logsumexp(wide.scatter(1, at, -INFINITY), 1, true) - wide.gather(1, at);
}

// log(1 + exp(x)), exact to rounding in float64.
at::Tensor Softplus(const at::Tensor& x) { return at::softplus(x, 1, 40); }

// sign * log p(at).
ObjectiveValue LogProbability(const at::Tensor& wide, const at::Tensor& at, double sign,
                              Slope slope) {
  const at::Tensor odds = OddsAgainst(wide, at);
  ObjectiveValue out{.loss = -sign * Softplus(odds).squeeze(1)};
  if (slope == Slope::kNone) return out;
  out.gradient = -sign * AwayFrom(wide, at);
  if (slope == Slope::kExact) out.gradient = out.gradient * odds.sigmoid();  // 1 - p(at)
  return out;
}

// log(1 - p(label)).
ObjectiveValue WrongLogProbability(const at::Tensor& wide, const at::Tensor& label, Slope slope) {
  const at::Tensor odds = OddsAgainst(wide, label);
  ObjectiveValue out{.loss = Softplus(-odds).neg().squeeze(1)};
  if (slope == Slope::kNone) return out;
  out.gradient = AwayFrom(wide, label);
  if (slope == Slope::kExact) out.gradient = out.gradient * odds.neg().sigmoid();  // p(label)
  return out;
}

ObjectiveValue Difference(const at::Tensor& wide, const at::Tensor& up, const at::Tensor& down,
                          Slope slope) {
  ObjectiveValue out{.loss = (wide.gather(1, up) - wide.gather(1, down)).squeeze(1)};
  if (slope != Slope::kNone)
    out.gradient = at::zeros_like(wide).scatter(1, up, 1.0).scatter(1, down, -1.0);
  return out;
}

ObjectiveValue Dlr(const at::Tensor& wide, const at::Tensor& label, Slope slope) {
  const at::Tensor rival = Rival(wide, label);
  if (wide.size(1) < 3) return Difference(wide, rival, label, slope);
  const auto [values, order] = wide.topk(3, 1);
  const at::Tensor first = order.narrow(1, 0, 1), third = order.narrow(1, 2, 1);
  const at::Tensor spread = (values.narrow(1, 0, 1) - values.narrow(1, 2, 1)).clamp_min(1e-12);
  const at::Tensor ratio = (wide.gather(1, rival) - wide.gather(1, label)) / spread;
  ObjectiveValue out{.loss = ratio.squeeze(1)};
  if (slope != Slope::kNone) {
    const at::Tensor one = at::ones_like(spread);
    out.gradient = at::zeros_like(wide)
                       .scatter_add(1, rival, one)
                       .scatter_add(1, label, -one)
                       .scatter_add(1, first, -ratio)
                       .scatter_add(1, third, ratio);
    if (slope == Slope::kExact)
      out.gradient = out.gradient / spread;
    else
      out.gradient = out.gradient / out.gradient.abs().amax(1, true).clamp_min(1e-300);
  }
  return out;
}

}  // namespace

std::vector<std::string> ObjectiveNames() {
  std::vector<std::string> names;
  for (const auto& [name, objective] : kObjectives) names.emplace_back(name);
  return names;
}

Objective ParseObjective(std::string_view name) {
  for (const auto& [known, objective] : kObjectives) {
    if (known == name) return objective;
  }
  Fail(ErrorKind::kUsage, "objective '{}' does not exist; known: {}", name,
       fmt::join(ObjectiveNames(), ", "));
}

ObjectiveValue EvaluateObjective(Objective objective, const at::Tensor& logits,
                                 const at::Tensor& labels, const at::Tensor& targets, Slope slope) {
  const at::Tensor wide = Checked(logits), label = Column(labels, logits, "labels");
  if (!IsTargeted(objective)) {
    if (objective == Objective::kMargin) return Difference(wide, Rival(wide, label), label, slope);
    if (objective == Objective::kWrongLogProbability)
      return WrongLogProbability(wide, label, slope);
    if (objective == Objective::kDlr) return Dlr(wide, label, slope);
    return LogProbability(wide, label, -1, slope);
  }
  const at::Tensor target = Column(targets, logits, "targets");
  if ((target == label).any().item<bool>())
    Fail(ErrorKind::kBadInput, "targets: an image's target is its own label");
  return objective == Objective::kTargeted ? LogProbability(wide, target, 1, slope)
                                           : Difference(wide, target, label, slope);
}

at::Tensor CrossEntropy(const at::Tensor& logits, const at::Tensor& labels) {
  return EvaluateObjective(Objective::kCrossEntropy, logits, labels, {}, Slope::kNone).loss;
}

at::Tensor Margin(const at::Tensor& logits, const at::Tensor& labels) {
  return EvaluateObjective(Objective::kMargin, logits, labels, {}, Slope::kNone).loss;
}

at::Tensor Fooled(const at::Tensor& logits, const at::Tensor& labels, const at::Tensor& targets) {
  const at::Tensor answer = Checked(logits).argmax(1);
  return targets.defined() ? answer == targets.to(answer.device())
                           : answer != labels.to(answer.device());
}

}  // namespace assay::measure
