#include "robustness/evaluation_report.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>

#include "base/file.h"
#include "base/hash.h"
#include "measure/image_saliency.h"
#include "robustness/corruption_evaluation.h"
#include "robustness/evaluation_summary.h"

namespace assay::robustness {
namespace {

namespace fs = std::filesystem;
using base::ErrorKind;
using base::Fail;
using measure::Answers;
using nlohmann::json;

constexpr int kItemVersion = 3;  // grows when items are computed differently

// What makes two results of an item the same.
std::string IdentityOf(const EvaluationData& data, const EvaluationSubject& subject,
                       const PlannedItem& item, EvaluationOptions options) {
  options.transforms = options.attacks = "";  // which other items are asked for does not matter
  options.corruptions = "";
  const json identity = {
      {"version", kItemVersion},
      {"model", subject.model.value("hash", "")},
      {"data", HashOf(data.images, data.labels)},
      {"clusters", data.clusters},
      {"constructs", data.constructs.defined() ? HashOf(data.constructs.to(at::kFloat), data.labels)
                                               : std::string()},
      {"threshold", data.threshold},
      {"deltas", item.deltas.defined() ? HashOf(item.deltas, data.labels) : std::string()},
      {"threat", item.threat},
      {"budgets", item.budgets},
      {"options", base::FieldsToJson(options)}};
  return base::HashText(identity.dump());
}

json ToJson(const FinishedItem& finished, const std::string& identity) {
  json least = json::array();  // JSON knows no infinity
  for (const double value : finished.least) least.push_back(Number(value));
  return {{"identity", identity},
          {"item", finished.item},
          {"probabilities", finished.answers.probabilities},
          {"flipped", finished.flipped},
          {"least_rmse_grey", least}};
}

std::optional<FinishedItem> KeptItem(const fs::path& file, const std::string& identity,
                                     const EvaluationData& data, const fs::path& run) {
  if (!fs::exists(file)) return std::nullopt;
  const json kept = base::ReadJson(file);
  if (!kept.is_object() || kept.value("identity", "") != identity) return std::nullopt;
  FinishedItem finished{.item = kept.at("item")};
  finished.answers = {.classes = data.clean.classes, .labels = data.clean.labels};
  kept.at("probabilities").get_to(finished.answers.probabilities);
  kept.at("flipped").get_to(finished.flipped);
  for (const json& value : kept.at("least_rmse_grey"))
    finished.least.push_back(value.is_null() ? INFINITY : value.get<double>());
  for (const json& row : finished.item.at("gallery")) {
    for (const auto& [name, picture] : row.at("pictures").items()) {
      if (!fs::exists(run / picture.get<std::string>())) return std::nullopt;
    }
  }
  measure::CheckAnswers(finished.answers);
  return finished;
}

// A method that this classifier cannot serve is an error now, not after the first attack.
void CheckSaliency(const model::ImageClassifier& model, const EvaluationData& data,
                   const EvaluationOptions& options) {
  for (const std::string& method : SaliencyNames(options)) {
    measure::SaliencyOptions saliency;
    saliency.method = method;
    measure::ComputeSaliency(model, data.images.narrow(0, 0, 1),
                             data.clean_logits.narrow(0, 0, 1).argmax(1), saliency);
  }
}

}  // namespace

std::string HashOf(const at::Tensor& images, const at::Tensor& labels) {
  const at::Tensor x = images.to(at::kCPU).contiguous(), y = labels.to(at::kCPU).contiguous();
  return base::HashText(base::HashText({static_cast<const char*>(x.data_ptr()), x.nbytes()}) +
                        base::HashText({static_cast<const char*>(y.data_ptr()), y.nbytes()}));
}

json RunEvaluation(const model::ImageClassifier& model, const EvaluationData& data,
                   const EvaluationSubject& subject, const EvaluationOptions& asked,
                   const fs::path& run, const ItemReporter& report) {
  const std::optional<std::string> no_gradients = model::WhyNotDifferentiable(model);
  EvaluationOptions options = asked;
  options.gradients = !no_gradients;
  std::vector<PlannedItem> plan =
      PlanEvaluation(options, data.images.size(1), data.images.size(2), data.images.size(3));
  plan.insert(plan.begin(), subject.more.begin(), subject.more.end());
  const std::vector<std::string> corruptions = CorruptionNames(options, data.images.size(1));
  if (plan.empty() && corruptions.empty())
    Fail(ErrorKind::kUsage, "nothing to evaluate: no attack and no transform, nor a corruption");
  if (!plan.empty()) CheckSaliency(model, data, options);
  std::vector<FinishedItem> items;
  double seconds = 0;
  for (size_t i = 0; i < plan.size(); ++i) {
    const fs::path file = run / "items" / (plan[i].name + ".json");
    const std::string identity = IdentityOf(data, subject, plan[i], options);
    if (auto kept = KeptItem(file, identity, data, run)) {
      if (report) report(i, plan.size(), plan[i].title, true);
      items.push_back(std::move(*kept));
    } else {
      if (report) report(i, plan.size(), plan[i].title, false);
      ItemReport fresh = EvaluateItem(model, data, plan[i], options, run / "gallery");
      items.push_back({fresh.item, fresh.answers, fresh.flipped, fresh.least});
      base::WriteFile(file, ToJson(items.back(), identity).dump() + "\n");
    }
    items.back().has_budget = !plan[i].least_distance;
    seconds += items.back().item.at("cost").at("seconds").get<double>();
  }
  TakeLeastOfAll(data, items);
  json out = {{"schema", "assay.robustness"},
              {"version", 1},
              {"title", fmt::format("{} on {}", subject.model.value("name", ""),
                                    subject.data.value("name", ""))},
              {"assay", subject.assay_version},
              {"created_at", subject.created_at},
              {"seconds", seconds},
              {"compat", options.compat},
              {"intended_use", subject.intended_use},
              {"limits", LimitsOf(data, options)},
              {"model", subject.model},
              {"data", subject.data},
              {"seeds", {{"seed", options.seed}}},
              {"options", base::FieldsToJson(options)},
              {"threshold",
               {{"value", data.threshold},
                {"chosen_on", subject.threshold_from},
                {"rule", subject.threshold_from == "given" ? "given"
                                                           : "largest sensitivity + specificity"}}},
              {"clean", MetricsJson(data, nullptr, {}, {}, options)}};
  if (json worst = WorstCaseJson(data, items, options); !worst.is_null()) out["worst_case"] = worst;
  out["items"] = json::array();
  out["flags"] = json::array();
  out["options"].update(subject.selection);
  out["model"]["differentiable"] = options.gradients;
  std::vector<std::string> flags = subject.flags;
  if (no_gradients)
    flags.push_back(fmt::format("the classifier gives no gradients ({})", *no_gradients));
  for (const std::string& text : LeftOutOfPlan(options)) flags.push_back(text);
  for (const std::string& flag : flags)
    out["flags"].push_back({{"item", "evaluation"}, {"text", flag}});
  size_t row = 0;
  out["corruptions"] = EvaluateCorruptions(
      model, data, corruptions, options.batch, subject.model.value("hash", ""),
      run / "corruptions.json", [&](bool kept) {
        if (report) report(row, corruptions.size(), "corruption " + corruptions[row], kept);
        ++row;
      });
  for (const FinishedItem& finished : items) {
    out["items"].push_back(finished.item);
    for (const json& flag : finished.item.at("flags"))
      out["flags"].push_back({{"item", finished.item.at("name")}, {"text", flag}});
  }
  return out;
}

}  // namespace assay::robustness
