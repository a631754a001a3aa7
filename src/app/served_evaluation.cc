#include "app/served_evaluation.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <memory>
#include <mutex>

#include "app/evaluation_setup.h"
#include "app/neurons_run.h"
#include "robustness/item_at_strength.h"

namespace assay::app {
namespace {

namespace fs = std::filesystem;
using base::ErrorKind;
using base::Fail;
using serve::Json;

// The engine tells nothing until an item is finished, but asks the classifier all the time:
// counting what it asks gives progress, and a cancelled job ends at the next question.
class WatchedClassifier : public model::ImageClassifier {
 public:
  WatchedClassifier(const model::ImageClassifier& model, const serve::JobContext& job,
                    int64_t expected)
      : model_(model),
        progress_("attack the tiles", "images", expected, job.Reporter()),
        job_(job) {
    spec_ = model.spec();
  }
  at::Tensor Logits(const at::Tensor& images) const override {
    Count(images);
    return model_.Logits(images);
  }
  std::optional<FeatureMaps> LogitsWithFeatures(const at::Tensor& images) const override {
    Count(images);
    return model_.LogitsWithFeatures(images);
  }

 private:
  void Count(const at::Tensor& images) const {
    job_.StopIfCancelled();
    const std::lock_guard lock(mutex_);
    progress_.Add(images.size(0));
  }

  const model::ImageClassifier& model_;
  mutable std::mutex mutex_;
  mutable base::Progress progress_;
  const serve::JobContext& job_;
};

// About as many images as the item sends through the classifier: steps and draws of the attack,
// storage three times, maps of a few tiles. Attacks that end early need fewer.
int64_t ExpectedImages(const robustness::PlannedItem& item,
                       const robustness::EvaluationOptions& options, int64_t tiles) {
  const auto number = [&](const char* name) { return item.threat.at(name).get<int64_t>(); };
  constexpr int64_t kStorage = 3, kMapsOfATile = 80;
  const int64_t mapped =
      item.moves_pixels ? 0 : std::min<int64_t>(options.saliency_images, tiles) * 2 * kMapsOfATile;
  return tiles * (number("steps") + number("draws") + 1 + kStorage) + mapped;
}

struct Wanted {
  std::string name;
  double strength = 0;
};

Wanted WantedOf(const Json& parameters) {
  const auto name = parameters.find("item"), strength = parameters.find("strength");
  if (name == parameters.end() || !name->is_string() || name->get<std::string>().size() > 80)
    Fail(ErrorKind::kUsage, "'item' is not the name of an attack or a transform");
  if (strength == parameters.end() || !strength->is_number())
    Fail(ErrorKind::kUsage, "'strength' is {}; expected a number",
         strength == parameters.end() ? "missing" : strength->dump());
  return {name->get<std::string>(), strength->get<double>()};
}

robustness::PlannedItem ItemOf(const EvaluationNote& note, const Json& parameters) {
  const Wanted wanted = WantedOf(parameters);
  return robustness::ItemAtStrength(note.arguments.options, wanted.name, wanted.strength,
                                    note.channels, note.height, note.width);
}

Json Choices(const serve::ServedRun& run) {
  const EvaluationNote note = ReadNote(run.folder());
  Json choices = Json::array();
  for (const robustness::StrengthChoice& choice : robustness::StrengthChoices(
           note.arguments.options, note.channels, note.height, note.width)) {
    choices.push_back({{"item", choice.name},
                       {"title", choice.title},
                       {"kind", choice.kind},
                       {"axis", choice.axis},
                       {"usual", choice.usual},
                       {"most", choice.most}});
  }
  return {{"choices", choices}};
}

// Classifier and tiles of the run that was asked for last.
class Evaluations {
 public:
  explicit Evaluations(std::string device) : device_(std::move(device)) {}

  Json Evaluate(const serve::ServedRun& run, const Json& parameters, const serve::JobContext& job) {
    EvaluationNote note = ReadNote(run.folder());
    const robustness::PlannedItem item = ItemOf(note, parameters);
    const auto prepared = Prepared(run, note, job);
    const int64_t tiles = prepared->data.size();
    const WatchedClassifier watched(*prepared->model, job,
                                    ExpectedImages(item, note.arguments.options, tiles));
    const robustness::ItemReport report = robustness::EvaluateItem(
        watched, prepared->data, item, note.arguments.options, run.folder() / "gallery");
    job.StopIfCancelled();
    run.report().AddTried({{"model", note.model_hash},
                           {"data", note.data_hash},
                           {"created_at", TimeNow()},
                           {"item", Json(report.item)}});
    return {{"item", item.name}};
  }

 private:
  std::shared_ptr<const PreparedEvaluation> Prepared(const serve::ServedRun& run,
                                                     EvaluationNote& note,
                                                     const serve::JobContext& job) {
    const std::lock_guard lock(mutex_);  // jobs run one at a time anyway
    const std::string key = run.name() + " " + note.model_hash + " " + note.data_hash;
    if (kept_ && key == kept_key_) return kept_;
    kept_ = nullptr;  // before the next one takes its place in memory
    job.Report({.what = "read the classifier and the tiles", .unit = "", .total = 0});
    note.arguments.tiles.device = device_;
    auto prepared = std::make_shared<PreparedEvaluation>(PrepareEvaluation(note.arguments));
    const std::string model = prepared->subject.model.at("hash");
    const std::string data = prepared->subject.data.at("hash");
    if (model != note.model_hash || data != note.data_hash) {
      Fail(ErrorKind::kBadInput,
           "the {} not those of the report any more; run assay robust evaluate again",
           model != note.model_hash ? "classifier's weights are" : "tiles are");
    }
    kept_key_ = key;
    return kept_ = std::move(prepared);
  }

  const std::string device_;
  std::mutex mutex_;
  std::string kept_key_;
  std::shared_ptr<const PreparedEvaluation> kept_;
};

void Check(const serve::ServedRun& run, const Json& parameters) {
  const EvaluationNote note = ReadNote(run.folder());
  ItemOf(note, parameters);
  for (const std::string& place : {note.arguments.tiles.model, note.arguments.tiles.tiles}) {
    if (!fs::exists(place)) {
      Fail(ErrorKind::kNotFound, "{}: was evaluated and is not there any more",
           fs::path(place).filename().string());
    }
  }
}

}  // namespace

void AddServedEvaluation(serve::ModelWork& work, const std::string& device) {
  const auto evaluations = std::make_shared<Evaluations>(device);
  work.evaluations = Choices;
  work.jobs["evaluate"] = {
      .offered =
          [](const serve::ServedRun& run) { return run.has_robustness() && HasNote(run.folder()); },
      .check = Check,
      .work =
          [evaluations](const serve::ServedRun& run, const Json& parameters,
                        const serve::JobContext& job) {
            return evaluations->Evaluate(run, parameters, job);
          }};
}

}  // namespace assay::app
