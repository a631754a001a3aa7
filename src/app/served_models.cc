#include "app/served_models.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <queue>

#include "app/image_run.h"
#include "app/loaded_units.h"
#include "app/machine.h"
#include "app/neurons_run.h"
#include "app/served_evaluation.h"
#include "measure/probe_scheduler.h"
#include "neurons/graph_run.h"
#include "neurons/token_trie.h"
#include "view/token_text.h"

namespace assay::app {
namespace {

using base::ErrorKind;
using base::Fail;
using serve::Json;

constexpr size_t kMostTokens = 512;
constexpr size_t kMostTop = 50;

// A run's units, ready to measure.
struct ReadyUnits {
  std::unique_ptr<LoadedUnits> loaded;
  std::map<int, std::vector<float>> maxima;  // layer -> largest activation of each unit in the text
  int bos_tokens = 0, first_counted = 0;
};

struct Firing {
  base::UnitId unit;
  double share = 0;  // of the unit's largest activation in the collected text
  int token = 0;
  bool operator<(const Firing& other) const { return share > other.share; }  // weakest on top
};

class Models {
 public:
  Models(std::string model, std::string device, std::string dtype)
      : model_(std::move(model)), device_(std::move(device)), dtype_(std::move(dtype)) {}

  std::shared_ptr<const ReadyUnits> Of(const serve::ServedRun& run) {
    const std::lock_guard lock(mutex_);
    std::shared_ptr<const ReadyUnits>& ready = ready_[run.name()];
    if (!ready) ready = Load(run);
    return ready;
  }

  const std::string& device() const { return device_; }

 private:
  std::shared_ptr<const ReadyUnits> Load(const serve::ServedRun& run) const {
    const auto store = run.Borrow();
    auto ready = std::make_shared<ReadyUnits>();
    ready->loaded = LoadRunUnits(*store, model_, device_, dtype_);
    ready->bos_tokens = RunBosTokens(*store);
    ready->first_counted = std::max(RunFirstCounted(*store), ready->bos_tokens);
    for (const int layer : ready->loaded->units->Layers()) {
      std::vector<float> maxima(static_cast<size_t>(ready->loaded->units->Units(layer)));
      for (size_t i = 0; i < maxima.size(); ++i) {
        const auto stats = store->GetStats({layer, static_cast<int>(i)});
        if (stats) maxima[i] = static_cast<float>(stats->maximum);
      }
      ready->maxima[layer] = std::move(maxima);
    }
    return ready;
  }

  const std::string model_, device_, dtype_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<const ReadyUnits>> ready_;
};

std::vector<int32_t> Encode(const ReadyUnits& ready, const std::string& text) {
  const LoadedModel& model = ready.loaded->model;
  std::vector<int32_t> tokens = model.tokenizer->Encode(text, tokenizer::SpecialTokens::kNone).ids;
  if (tokens.empty()) Fail(ErrorKind::kUsage, "the text is empty");
  if (tokens.size() > kMostTokens)
    Fail(ErrorKind::kUsage, "the text has {} tokens; at most {} are accepted", tokens.size(),
         kMostTokens);
  if (ready.bos_tokens > 0) {
    tokens.insert(tokens.begin(), *data::ResolveBos("always", model.tokenizer->Specials(),
                                                    model.network.config().bos_id));
  }
  return tokens;
}

// One forward: the activations of every layer, [T, units] float32 on the CPU.
std::map<int, at::Tensor> Activations(const ReadyUnits& ready, const std::vector<int32_t>& tokens) {
  const c10::InferenceMode guard;
  const model::TokenUnits& units = *ready.loaded->units;
  std::vector<int64_t> ids(tokens.begin(), tokens.end());
  const at::Tensor batch = at::tensor(ids, at::kLong).unsqueeze(0).to(units.device());  // [1, T]
  std::vector<model::HookPoint> hooks;
  for (const int layer : units.Layers()) hooks.push_back(units.ReadHook(layer));
  std::map<int, at::Tensor> out;
  size_t at = 0;
  const std::vector<int> layers = units.Layers();
  units.network().Forward({.ids = batch}, hooks, [&](const model::HookPoint&, at::Tensor& value) {
    const int layer = layers[at++];
    out[layer] = units.Activations(layer, value)[0].to(at::kCPU, at::kFloat).contiguous();
  });
  return out;
}

// The units that come closest to the largest activation they had in the collected text.
std::vector<Firing> TopFiring(const ReadyUnits& ready, const std::map<int, at::Tensor>& activations,
                              size_t count) {
  const c10::InferenceMode guard;
  std::priority_queue<Firing> best;
  for (const auto& [layer, values] : activations) {
    const std::vector<float>& maxima = ready.maxima.at(layer);
    const auto counted = values.slice(0, ready.first_counted);  // [counted, units]
    if (counted.size(0) == 0) continue;
    const auto [peaks, places] = counted.max(0);  // [units] float32, [units] int64
    const float* peak = peaks.data_ptr<float>();
    const int64_t* place = places.data_ptr<int64_t>();
    for (size_t i = 0; i < maxima.size(); ++i) {
      if (!(maxima[i] > 0) || !(peak[i] > 0)) continue;
      const Firing firing{{layer, static_cast<int>(i)},
                          double{peak[i]} / maxima[i],
                          static_cast<int>(place[i]) + ready.first_counted};
      if (best.size() < count) {
        best.push(firing);
      } else if (firing < best.top()) {
        best.pop();
        best.push(firing);
      }
    }
  }
  std::vector<Firing> out;
  for (; !best.empty(); best.pop()) out.insert(out.begin(), best.top());
  return out;
}

// What a unit did on the text, and what its graph says it should have done.
Json UnitOnText(const serve::ServedRun& run, const ReadyUnits& ready, base::UnitId unit,
                const std::vector<int32_t>& tokens, const at::Tensor& values) {
  const auto store = run.Borrow();
  const auto graph = store->GetGraph(unit);
  const auto stats = store->GetStats(unit);
  const double maximum = graph && graph->max_activation > 0 ? graph->max_activation
                         : stats                            ? stats->maximum
                                                            : 0;
  Json truth = Json::array(), predicted = Json::array();
  const auto begin = static_cast<size_t>(ready.bos_tokens);
  for (size_t t = begin; t < tokens.size(); ++t)
    truth.push_back(values[static_cast<int64_t>(t)][unit.index].item<float>());
  if (graph) {
    const neurons::GraphOptions options = RunGraphOptions(*store);
    const neurons::TokenClasses classes = RunTokenClasses(*store, options);
    const neurons::TokenTrie trie(graph->nodes, options, classes);
    for (size_t t = begin; t < tokens.size(); ++t)
      predicted.push_back(trie.Predict(tokens, t, begin));
  }
  Json out = {{"layer", unit.layer},
              {"index", unit.index},
              {"max_activation", maximum},
              {"activations", truth}};
  out["predicted"] = graph ? predicted : Json(nullptr);
  return out;
}

Json TryText(Models& models, const serve::ServedRun& run, const Json& request) {
  const auto ready = models.Of(run);
  const std::vector<int32_t> tokens = Encode(*ready, request.at("text").get<std::string>());
  const auto activations = Activations(*ready, tokens);
  const auto facts = run.Facts();
  const std::vector<store::TokenId> own(tokens.begin() + ready->bos_tokens, tokens.end());
  Json out = {{"tokens", view::ShowRunningText(facts->token_texts, own)}, {"unit", nullptr}};
  const std::string unit_text =
      request.contains("unit") && request["unit"].is_string() ? request["unit"] : "";
  if (!unit_text.empty()) {
    const base::UnitId unit = neurons::ParseUnit(unit_text);
    const auto layer = activations.find(unit.layer);
    if (layer == activations.end() || unit.index >= layer->second.size(1))
      Fail(ErrorKind::kNotFound, "the model has no unit {}", unit_text);
    out["unit"] = UnitOnText(run, *ready, unit, tokens, layer->second);
  }
  Json top = Json::array();
  for (const Firing& firing : TopFiring(*ready, activations, kMostTop)) {
    const serve::UnitRow* row = facts->Find(firing.unit);
    top.push_back({{"layer", firing.unit.layer},
                   {"index", firing.unit.index},
                   {"share", firing.share},
                   {"token", firing.token - ready->bos_tokens},
                   {"has_graph", row && row->has_graph},
                   {"f1", row ? serve::NumberOrNull(row->f1) : Json(nullptr)}});
  }
  out["top"] = top;
  return out;
}

// The masked LM that the run's graphs were made with; null for none.
struct Substitutes {
  explicit Substitutes(LoadedModel loaded)
      : model(std::move(loaded)), source(model.network, *model.tokenizer) {}
  LoadedModel model;
  neurons::MaskedLmSubstitutes source;
};

std::unique_ptr<Substitutes> RunSubstitutes(const nlohmann::json& graph_manifest,
                                            const std::string& device) {
  const auto found = graph_manifest.find("substitutes");
  if (found == graph_manifest.end() || !found->is_object()) return nullptr;
  return std::make_unique<Substitutes>(
      LoadModel(found->at("folder").get<std::string>(), device, "float32"));
}

// The unit of a job's parameters. Throws kUsage when it is none, kNotFound when the run has no
// examples of it.
base::UnitId UnitOf(const serve::ServedRun& run, const Json& parameters) {
  const auto number = [&](const char* name) {
    const auto found = parameters.find(name);
    if (found == parameters.end() || !found->is_number_unsigned() ||
        found->get<uint64_t>() > 1'000'000'000) {
      Fail(ErrorKind::kUsage, "'{}' is {}; expected a whole number from 0", name,
           found == parameters.end() ? "missing" : found->dump());
    }
    return found->get<int>();
  };
  const base::UnitId unit{number("layer"), number("index")};
  if (run.Borrow()->GetExamples(unit).empty())
    Fail(ErrorKind::kNotFound, "unit {} has no examples", base::ToString(unit));
  return unit;
}

Json BuildGraph(Models& models, const serve::ServedRun& run, const Json& parameters,
                const serve::JobContext& job) {
  const base::UnitId unit = UnitOf(run, parameters);
  job.Report({.what = "load the model", .total = 1});
  const auto ready = models.Of(run);
  store::RunStore store = store::RunStore::Open(run.folder(), store::RunStore::Mode::kWrite);
  const nlohmann::json manifest = RequireManifest(store, "graph", "assay neurons graph");
  const neurons::GraphOptions options = RunGraphOptions(store);
  const LoadedModel& model = ready->loaded->model;
  const auto substitutes = RunSubstitutes(manifest, models.device());
  neurons::GraphContext context{.tokenizer = *model.tokenizer, .token_texts = store.TokenTexts()};
  context.classes = RunTokenClasses(store, options);
  context.mask = manifest.at("mask_id").get<int32_t>();
  context.bos_tokens = ready->bos_tokens;
  context.substitutes = substitutes ? &substitutes->source : nullptr;
  measure::ProbeScheduler prober(*ready->loaded->units);
  job.Report({.what = "graph", .unit = "neurons", .total = 1});
  const std::vector<base::UnitId> units = {unit};
  neurons::BuildMissingGraphs(store, units, options,
                              {.block = 1, .seed = manifest.value("split_seed", uint64_t{1})},
                              context, prober, job.Reporter());
  return {{"layer", unit.layer}, {"index", unit.index}};
}

}  // namespace

serve::ModelWork ServedModels(const std::string& model, const std::string& device,
                              const std::string& dtype) {
  const auto models = std::make_shared<Models>(model, device, dtype);
  serve::ModelWork work;
  work.try_text = [models](const serve::ServedRun& run, const Json& request) {
    return TryText(*models, run, request);
  };
  work.sheet = [](const serve::ServedRun& run, base::UnitId unit, std::optional<int> cluster) {
    constexpr int kPatches = 20;  // of a cluster: what fits on a screen
    return DrawUnitSheet(*run.Borrow(), unit, cluster, {.most = kPatches});
  };
  work.jobs["graph"] = {
      .offered =
          [](const serve::ServedRun& run) { return run.has_store() && !run.Facts()->images; },
      .check =
          [](const serve::ServedRun& run, const Json& parameters) {
            UnitOf(run, parameters);
            RequireManifest(*run.Borrow(), "graph", "assay neurons graph");
          },
      .work =
          [models](const serve::ServedRun& run, const Json& parameters,
                   const serve::JobContext& job) {
            return BuildGraph(*models, run, parameters, job);
          }};
  AddServedEvaluation(work, device);
  return work;
}

}  // namespace assay::app
