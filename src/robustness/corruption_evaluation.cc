#include "robustness/corruption_evaluation.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>

#include "base/file.h"
#include "robustness/evaluation_report.h"
#include "transforms/corruption.h"

namespace assay::robustness {
namespace {

using base::ErrorKind;
using base::Fail;
using measure::Answers;
using nlohmann::json;
using transforms::Corruption;

constexpr int kVersion = 1;  // grows when rows are computed differently

Answers AnswersToCorrupted(const model::ImageClassifier& model, const EvaluationData& data,
                           const std::string& name, int severity, int64_t batch) {
  std::vector<at::Tensor> logits;
  for (int64_t from = 0; from < data.size(); from += batch) {
    const int64_t count = std::min(batch, data.size() - from);
    std::vector<int64_t> ids(static_cast<size_t>(count));
    std::iota(ids.begin(), ids.end(), from);
    const at::Tensor images = data.images.narrow(0, from, count);
    logits.push_back(
        LogitsInBatches(model, transforms::Corrupt(images, name, severity, ids), batch));
  }
  return ToAnswers(at::cat(logits), data.labels);
}

json Mean(const json& values) {
  double sum = 0;
  for (const json& value : values) {
    if (!value.is_number()) return nullptr;
    sum += value.get<double>();
  }
  return sum / static_cast<double>(values.size());
}

json Row(const model::ImageClassifier& model, const EvaluationData& data,
         const Corruption& corruption, int64_t batch) {
  const std::vector<int64_t> all = measure::AllOf(data.clean);
  json accuracy = json::array(), auc = json::array();
  for (int severity = 1; severity <= 5; ++severity) {
    const Answers answers = AnswersToCorrupted(model, data, corruption.name, severity, batch);
    accuracy.push_back(Number(measure::Accuracy(answers, all)));
    auc.push_back(Number(measure::Auc(answers, all)));
  }
  return {{"name", corruption.name},
          {"what", corruption.what},
          {"severities", corruption.severities},
          {"accuracy", accuracy},
          {"auc", auc},
          {"mean_accuracy", Mean(accuracy)},
          {"mean_auc", Mean(auc)}};
}

}  // namespace

std::vector<std::string> CorruptionNames(const EvaluationOptions& options, int64_t channels) {
  std::vector<std::string> known;
  for (const Corruption& corruption : transforms::Corruptions()) known.push_back(corruption.name);
  if (options.corruptions == "none") return {};
  if (options.corruptions == "all")
    return channels == 3 && options.compat != "reet" ? known : std::vector<std::string>{};
  const std::vector<std::string> names = SplitNames(options.corruptions);
  for (const std::string& name : names) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      Fail(ErrorKind::kUsage, "--corruptions names '{}'; expected all, none or some of: {}", name,
           fmt::join(known, ", "));
    }
  }
  if (!names.empty() && channels != 3)
    Fail(ErrorKind::kUsage, "--corruptions '{}': they are of RGB tiles; these have {} channels",
         options.corruptions, channels);
  return names;
}

json EvaluateCorruptions(const model::ImageClassifier& model, const EvaluationData& data,
                         const std::vector<std::string>& names, int64_t batch,
                         const std::string& model_hash, const std::filesystem::path& file,
                         const std::function<void(bool kept)>& done) {
  const json identity = {
      {"version", kVersion}, {"model", model_hash}, {"data", HashOf(data.images, data.labels)}};
  json kept = std::filesystem::exists(file) ? base::ReadJson(file) : json::object();
  if (!kept.is_object() || kept.value("identity", json()) != identity)
    kept = {{"identity", identity}, {"rows", json::object()}};
  json rows = json::array();
  for (const std::string& name : names) {
    const auto& suite = transforms::Corruptions();
    const auto found = std::find_if(suite.begin(), suite.end(), [&](const Corruption& corruption) {
      return corruption.name == name;
    });
    ASSAY_CHECK(found != suite.end());
    json& row = kept.at("rows")[name];
    const bool known = !row.is_null();
    if (!known) {
      row = Row(model, data, *found, batch);
      base::WriteFile(file, kept.dump(1) + "\n");
    }
    rows.push_back(row);
    if (done) done(known);
  }
  return rows;
}

}  // namespace assay::robustness
