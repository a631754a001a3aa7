#include "robustness/evaluation.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "robustness/attack_run.h"
#include "robustness/energy.h"

namespace assay::robustness {
namespace {

using measure::Answers;
using measure::Indices;
using measure::Interval;
using nlohmann::json;

json ToJson(const Interval& interval) {
  return {{"value", Number(interval.value)},
          {"low", Number(interval.low)},
          {"high", Number(interval.high)}};
}

std::vector<double> Doubles(const at::Tensor& values) {  // [B]
  const at::Tensor flat = values.to(at::kCPU, at::kDouble).contiguous();
  return {flat.data_ptr<double>(), flat.data_ptr<double>() + flat.numel()};
}

at::Tensor Rows(const std::vector<int64_t>& rows) { return at::tensor(rows, at::kLong); }

// The attack on the images `rows`, in batches; the answer's rows are those.
AttackResult AttackRows(const model::ImageClassifier& model, const EvaluationData& data,
                        const PlannedItem& item, double budget, bool early_stop,
                        const std::vector<int64_t>& rows, const EvaluationOptions& options) {
  AttackOptions attack = item.attack;
  if (!item.least_distance) {
    attack.step *= item.attack.epsilon > 0 ? budget / item.attack.epsilon : 1;
    attack.epsilon = budget;
  } else {
    // Far enough for any image: 64 grey levels everywhere.
    attack.epsilon = 64.0 / 255 * std::sqrt(static_cast<double>(data.images[0].numel()));
  }
  attack.early_stop = attack.early_stop || early_stop;
  const AttackInput input{.images = data.images.index_select(0, Rows(rows)),
                          .labels = data.labels.index_select(0, Rows(rows))};
  return RunInBatches(*MakeAttack(attack, item.space), model, input, options.batch);
}

json CurveJson(const EvaluationData& data, const PlannedItem& item,
               const std::vector<CurvePoint>& points) {
  const std::vector<int64_t> all = measure::AllOf(data.clean);
  json rows = json::array();
  const auto add = [&](double strength, const Answers& answers, const std::vector<bool>& flipped,
                       double rmse) {
    rows.push_back({{"strength", strength},
                    {"accuracy", Number(measure::Accuracy(answers, all))},
                    {"auc", Number(measure::Auc(answers, all))},
                    {"fooling_rate", Number(measure::FoolingRate(data.clean, flipped, all))},
                    {"rmse_grey", rmse}});
  };
  add(0, data.clean, std::vector<bool>(all.size()), 0);
  for (const CurvePoint& point : points) {
    add(point.budget * item.strength_scale, point.answers, point.flipped, point.rmse_grey);
  }
  return {{"x", item.strength_axis}, {"points", rows}};
}

// What is known about every image while strengths grow: the strongest candidate so far.
class Candidates {
 public:
  explicit Candidates(const EvaluationData& data)
      : data_(data),
        images_(data.images.clone()),
        logits_(data.clean_logits.clone()),
        flipped_(static_cast<size_t>(data.size())) {}

  // Images that were right and that nothing has flipped yet.
  std::vector<int64_t> Standing() const {
    std::vector<int64_t> rows;
    for (int64_t i = 0; i < data_.size(); ++i) {
      if (data_.clean.Correct(i) && !flipped_[static_cast<size_t>(i)]) rows.push_back(i);
    }
    return rows;
  }

  // A flip is never taken back: a smaller change is within a larger budget as well.
  void Take(const std::vector<int64_t>& rows, const at::Tensor& images, const at::Tensor& logits) {
    const Answers after = ToAnswers(logits, data_.labels.index_select(0, Rows(rows)));
    for (size_t i = 0; i < rows.size(); ++i) {
      const int64_t row = rows[i], place = static_cast<int64_t>(i);
      const bool wrong = !after.Correct(place), right_before = data_.clean.Correct(row);
      if (right_before && flipped_[static_cast<size_t>(row)] && !wrong) continue;
      images_[row].copy_(images[place]);
      logits_[row].copy_(logits[place]);
      if (right_before && wrong) flipped_[static_cast<size_t>(row)] = true;
    }
  }

  CurvePoint Point(double budget) const {
    const at::Tensor rmse = measure::Distance(images_ - data_.images, measure::Norm::kRmse);
    return {budget, ToAnswers(logits_, data_.labels), flipped_, 255 * rmse.mean().item<double>()};
  }
  const at::Tensor& images() const { return images_; }
  const at::Tensor& logits() const { return logits_; }
  const std::vector<bool>& flipped() const { return flipped_; }

 private:
  const EvaluationData& data_;
  at::Tensor images_, logits_;
  std::vector<bool> flipped_;
};

Attacked RunItem(const model::ImageClassifier& model, const EvaluationData& data,
                 const PlannedItem& item, const EvaluationOptions& options,
                 std::vector<CurvePoint>& curve) {
  Candidates candidates(data);
  Attacked attacked;
  LeastStored least(model, data, options.batch);
  const bool pixels = item.space->name() == "pixels";
  const auto count = [&](const std::vector<int64_t>& rows, const AttackResult& result) {
    attacked.calls += result.calls;
    if (pixels) least.Offer(rows, result.images);
  };
  for (const double budget : item.budgets) {
    const std::vector<int64_t> standing = candidates.Standing();
    if (!standing.empty()) {
      const AttackResult result = AttackRows(model, data, item, budget, true, standing, options);
      candidates.Take(standing, result.images, result.logits);
      count(standing, result);
    }
    curve.push_back(candidates.Point(budget));
  }
  std::vector<int64_t> rows;
  for (int64_t i = 0; i < data.size(); ++i) {
    if (!item.least_distance || data.clean.Correct(i)) rows.push_back(i);
  }
  if (!rows.empty()) {
    const AttackResult result =
        AttackRows(model, data, item, item.attack.epsilon, false, rows, options);
    candidates.Take(rows, result.images, result.logits);
    count(rows, result);
    attacked.health = result.health;
  }
  if (!item.budgets.empty()) curve.push_back(candidates.Point(item.attack.epsilon));
  attacked.images = candidates.images();
  attacked.logits = candidates.logits();
  attacked.flipped = candidates.flipped();
  if (item.least_distance) least.OfferLengthened(attacked.images, attacked.flipped);
  if (pixels) attacked.least = least.rmse_grey();
  return attacked;
}

// The package's JPEG takes sides that are multiples of 16 only: the middle of the tiles, with their
// own clean answers.
EvaluationData CutTo16(const model::ImageClassifier& model, const EvaluationData& data,
                       const EvaluationOptions& options) {
  const int64_t height = data.images.size(2) / 16 * 16, width = data.images.size(3) / 16 * 16;
  const int64_t top = (data.images.size(2) - height) / 2, left = (data.images.size(3) - width) / 2;
  const auto cut = [&](const at::Tensor& x) {
    return x.narrow(-2, top, height).narrow(-1, left, width).contiguous();
  };
  EvaluationData out = data;
  out.images = cut(data.images);
  if (data.constructs.defined()) out.constructs = cut(data.constructs);
  out.clean_logits = LogitsInBatches(model, out.images, options.batch);
  out.clean = ToAnswers(out.clean_logits, out.labels);
  return out;
}

Attacked RunReetItem(const model::ImageClassifier& model, const EvaluationData& data,
                     const PlannedItem& item, const EvaluationOptions& options) {
  std::vector<at::Tensor> images, logits;
  Attacked attacked;
  for (int64_t begin = 0, number = 0; begin < data.size(); begin += options.batch, ++number) {
    const int64_t count = std::min(options.batch, data.size() - begin);
    const ReetResult result =
        RunReet(model, data.images.narrow(0, begin, count), data.labels.narrow(0, begin, count),
                item.reet, options.seed + static_cast<uint64_t>(number));
    images.push_back(result.images);
    logits.push_back(result.logits);
    attacked.calls += result.calls;
  }
  attacked.images = at::cat(images);
  attacked.logits = at::cat(logits);
  const Answers after = ToAnswers(attacked.logits, data.labels);
  for (int64_t i = 0; i < data.size(); ++i)
    attacked.flipped.push_back(data.clean.Correct(i) && !after.Correct(i));
  return attacked;
}

json StoredJson(const model::ImageClassifier& model, const EvaluationData& data,
                const Attacked& attacked, const EvaluationOptions& options) {
  json out = json::object();
  const std::vector<int64_t> all = measure::AllOf(data.clean);
  const auto rate = [&](const at::Tensor& stored) {
    const Answers after = ToAnswers(LogitsInBatches(model, stored, options.batch), data.labels);
    std::vector<bool> flipped;
    for (int64_t i = 0; i < data.size(); ++i)
      flipped.push_back(data.clean.Correct(i) && !after.Correct(i));
    return Number(measure::FoolingRate(data.clean, flipped, all));
  };
  out["png"] = rate(ThroughPng(attacked.images));
  out["jpeg90"] = rate(ThroughJpeg(attacked.images, 90));
  out["jpeg75"] = rate(ThroughJpeg(attacked.images, 75));
  return out;
}

std::vector<std::string> Flags(const PlannedItem& item, const json& report,
                               const Attacked& attacked, const EvaluationOptions& options) {
  std::vector<std::string> flags = attacked.health.Flags();
  if (options.compat == "reet") {
    flags.push_back(
        "conventions of the package REET: budgets over the batch, last iterate, no restart; use "
        "for comparison with its numbers only");
  }
  const json& rate = report["metrics"]["fooling_rate"]["value"];
  const json& stored = report["stored"]["png"];
  // The least change lies on the boundary, where rounding decides: nothing is wrong with that.
  if (!item.least_distance && rate.is_number() && stored.is_number() &&
      rate.get<double>() - stored.get<double>() > 0.1) {
    flags.push_back(
        fmt::format("of a fooling rate of {:.2f}, {:.2f} is left once the tile is rounded to 8 "
                    "bits: part of the change is below one grey level",
                    rate.get<double>(), stored.get<double>()));
  }
  const json& points = report.contains("curve") ? report["curve"]["points"] : json::array();
  // A mild transform, one step or one perturbation for all may well flip nothing.
  const bool pixels = item.space != nullptr && item.space->name() == "pixels";
  if (pixels && points.size() > 1 && item.attack.attack != "fgsm" &&
      points.back()["fooling_rate"] == 0)
    flags.push_back("no image was flipped: a sign of an attack that does not work, or of rounding");
  return flags;
}

}  // namespace

json Number(std::optional<double> value) {
  if (!value || !std::isfinite(*value)) return nullptr;
  return *value;
}

json SummaryJson(std::vector<double> values) {
  if (values.empty()) return nullptr;
  std::sort(values.begin(), values.end());
  const auto at_share = [&](double share) {
    const double place = share * static_cast<double>(values.size() - 1);
    const auto below = static_cast<size_t>(place);
    const size_t above = std::min(below + 1, values.size() - 1);
    return values[below] + (place - static_cast<double>(below)) * (values[above] - values[below]);
  };
  double sum = 0;
  for (const double value : values) sum += value;
  return {{"mean", sum / static_cast<double>(values.size())},
          {"median", at_share(0.5)},
          {"p10", at_share(0.1)},
          {"p90", at_share(0.9)},
          {"max", values.back()}};
}

Answers ToAnswers(const at::Tensor& logits, const at::Tensor& labels) {
  Answers answers{.classes = logits.size(1)};
  const at::Tensor p = logits.to(at::kCPU, at::kDouble).softmax(1).contiguous();
  answers.probabilities.assign(p.data_ptr<double>(), p.data_ptr<double>() + p.numel());
  const at::Tensor y = labels.to(at::kCPU, at::kLong).contiguous();
  answers.labels.assign(y.data_ptr<int64_t>(), y.data_ptr<int64_t>() + y.numel());
  measure::CheckAnswers(answers);
  return answers;
}

at::Tensor LogitsInBatches(const model::ImageClassifier& model, const at::Tensor& images,
                           int64_t batch) {
  const at::NoGradGuard no_gradients;
  std::vector<at::Tensor> logits;
  for (const at::Tensor& part : images.split(batch)) logits.push_back(model.Logits(part));
  return at::cat(logits);
}

json MetricsJson(const EvaluationData& data, const Answers* after, const std::vector<bool>& flipped,
                 const std::vector<double>& rmse_grey, const EvaluationOptions& options) {
  const Answers& answers = after ? *after : data.clean;
  const measure::BootstrapOptions bootstrap{.resamples = options.resamples, .seed = options.seed};
  const auto interval = [&](const measure::Statistic& statistic) {
    return ToJson(measure::ClusteredInterval(data.clusters, statistic, bootstrap));
  };
  const std::vector<int64_t> all = measure::AllOf(data.clean);
  json out = {{"tiles", data.size()},
              {"accuracy", interval([&](Indices i) { return measure::Accuracy(answers, i); })},
              {"auc", interval([&](Indices i) { return measure::Auc(answers, i); })},
              {"sensitivity", interval([&](Indices i) {
                 return measure::Sensitivity(answers, i, data.positive, data.threshold);
               })},
              {"specificity", interval([&](Indices i) {
                 return measure::Specificity(answers, i, data.positive, data.threshold);
               })},
              {"ece", interval([&](Indices i) { return measure::CalibrationError(answers, i); })},
              {"brier", interval([&](Indices i) { return measure::BrierScore(answers, i); })}};
  if (!after) return out;
  int64_t correct = 0, count = 0;
  double confidence = 0;
  for (const int64_t i : all) {
    correct += data.clean.Correct(i) ? 1 : 0;
    if (!flipped[static_cast<size_t>(i)]) continue;
    ++count;
    confidence += answers.Probability(i, answers.Answer(i));
  }
  out["fooling_rate"] =
      interval([&](Indices i) { return measure::FoolingRate(data.clean, flipped, i); });
  out["reet_ratio"] = Number(measure::ReetFoolingRatio(data.clean, answers, all));
  out["input_sensitivity"] = Number(measure::InputSensitivity(data.clean, answers, all));
  out["input_sensitivity_per_rmse"] =
      Number(measure::NormalizedInputSensitivity(data.clean, answers, rmse_grey, all));
  out["flipped"] = count;
  out["correct"] = correct;
  out["wrong_confidence"] =
      count > 0 ? json(confidence / static_cast<double>(count)) : json(nullptr);
  return out;
}

ItemReport EvaluateItem(const model::ImageClassifier& model, const EvaluationData& given,
                        const PlannedItem& item, const EvaluationOptions& options,
                        const std::filesystem::path& gallery) {
  const bool cut = options.compat == "reet" && item.reet.transform == "jpeg" &&
                   (given.images.size(2) % 16 != 0 || given.images.size(3) % 16 != 0) &&
                   given.images.size(2) >= 16 && given.images.size(3) >= 16;
  const EvaluationData data = cut ? CutTo16(model, given, options) : given;
  const auto start = std::chrono::steady_clock::now();
  std::vector<CurvePoint> curve;
  const Attacked attacked = item.deltas.defined()
                                ? RunUniversalItem(model, data, item, options, curve)
                            : options.compat == "reet" ? RunReetItem(model, data, item, options)
                                                       : RunItem(model, data, item, options, curve);
  const double attack_seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  ItemReport report{.answers = ToAnswers(attacked.logits, data.labels),
                    .flipped = attacked.flipped,
                    .least = attacked.least};
  json& out = report.item;
  out = {{"name", item.name}, {"title", item.title}, {"kind", item.kind}, {"threat", item.threat}};
  const ImageEnergies energies = MeasureEnergies(data.images, attacked.images);
  out["energy"] = json::object();
  for (const auto& [name, values] : energies.Named())
    out["energy"][name] = SummaryJson(Doubles(values));
  out["metrics"] =
      MetricsJson(data, &report.answers, report.flipped, Doubles(energies.rmse * 255), options);
  out["stored"] = StoredJson(model, data, attacked, options);
  if (!curve.empty()) out["curve"] = CurveJson(data, item, curve);
  if (item.least_distance) out["minimal_energy"] = MinimalEnergyJson(data, attacked.least);
  if (data.constructs.defined()) {
    out["constructs"] = ConstructsJson(data, attacked.images);
    out["by_nuclei"] = ByNucleiJson(data, attacked.flipped);
    if (item.name == "pgd") out["confined"] = ConfinedJson(model, data, item, options);
  }
  if (item.deltas.defined()) out["universal"] = UniversalJson(model, data, item, options, gallery);
  out["saliency"] = json::array();
  if (!item.moves_pixels) out["saliency"] = SaliencyJson(model, data, attacked, options);
  out["gallery"] = GalleryJson(model, data, item, attacked, options, gallery);
  out["cost"] = {{"forwards", attacked.calls.forwards},
                 {"backwards", attacked.calls.backwards},
                 {"seconds", attack_seconds},
                 {"model_seconds", attacked.calls.seconds}};
  out["flags"] = Flags(item, out, attacked, options);
  if (cut) {
    out["cropped"] = {{"height", data.images.size(2)}, {"width", data.images.size(3)}};
    out["flags"].push_back(
        fmt::format("measured on the middle {} x {} px, whose clean accuracy is {:.3f}",
                    data.images.size(3), data.images.size(2),
                    measure::Accuracy(data.clean, measure::AllOf(data.clean)).value_or(0)));
  }
  return report;
}

}  // namespace assay::robustness
