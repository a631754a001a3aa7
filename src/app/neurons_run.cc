#include "app/neurons_run.h"

#include <fmt/chrono.h>

#include <ctime>

#include "app/machine.h"
#include "base/error.h"

namespace assay::app {

using base::ErrorKind;
using base::Fail;

nlohmann::json RequireManifest(const store::RunStore& store, const std::string& key,
                               const std::string& command) {
  const auto found = store.Manifest(key);
  if (!found) Fail(ErrorKind::kNotFound, "the run has no {} yet; make it with `{}`", key, command);
  return *found;
}

nlohmann::json DescribeModel(const LoadedModel& model, const std::string& device,
                             const std::string& dtype) {
  const model::TransformerConfig& config = model.network.config();
  const std::string hook = model::HookName(model::ActivationHook(0, config), config);
  return {{"folder", std::filesystem::absolute(model.folder).lexically_normal().string()},
          {"hash", model.hash},
          {"type", config.model_type},
          {"device", device},
          {"dtype", dtype},
          {"layers", config.layers},
          {"neurons_per_layer", config.d_mlp},
          {"hook", "blocks.{}" + hook.substr(std::string_view("blocks.0").size())}};
}

std::string HookOf(const nlohmann::json& model_entry, base::UnitId unit) {
  std::string hook = model_entry.at("hook").get<std::string>();
  if (const size_t at = hook.find("{}"); at != std::string::npos) {
    hook.replace(at, 2, std::to_string(unit.layer));
  }
  return hook;
}

LoadedModel LoadRunModel(const store::RunStore& store, const std::string& given_folder,
                         const std::string& device, const std::string& dtype) {
  const nlohmann::json recorded = RequireManifest(store, "model", "assay neurons collect");
  const std::string folder =
      given_folder.empty() ? recorded.at("folder").get<std::string>() : given_folder;
  LoadedModel model = LoadModel(ResolveModel(folder), device, dtype);
  if (model.hash != recorded.at("hash")) {
    Fail(ErrorKind::kBadInput,
         "{}: the model's files are not those that the run was collected with (hash {}, then {}); "
         "give --model, or collect again",
         model.folder.string(), model.hash, recorded.at("hash").get<std::string>());
  }
  return model;
}

neurons::GraphOptions RunGraphOptions(const store::RunStore& store) {
  neurons::GraphOptions options;
  base::FieldsFromJson(RequireManifest(store, "graph", "assay neurons graph").at("options"),
                       options);
  return options;
}

neurons::TokenClasses RunTokenClasses(const store::RunStore& store,
                                      const neurons::GraphOptions& options) {
  return options.normalize_tokens ? neurons::TokenClasses::Normalized(store.TokenTexts())
                                  : neurons::TokenClasses();
}

int RunBosTokens(const store::RunStore& store) {
  return RequireManifest(store, "sequences", "assay neurons collect").at("bos_tokens").get<int>();
}

int RunFirstCounted(const store::RunStore& store) {
  return RequireManifest(store, "sequences", "assay neurons collect")
      .at("first_counted")
      .get<int>();
}

view::NeuronRecords ReadNeuron(const store::RunStore& store, base::UnitId unit) {
  view::NeuronRecords out{
      .unit = unit, .stats = store.GetStats(unit), .examples = store.GetExamples(unit)};
  if (!out.stats && out.examples.empty())
    Fail(ErrorKind::kNotFound, "the run knows nothing about neuron {}", base::ToString(unit));
  for (const store::Example& example : out.examples) {
    if (!out.sequences.contains(example.sequence))
      out.sequences.emplace(example.sequence, store.GetSequence(example.sequence));
  }
  out.prunings = store.GetPrunings(unit);
  out.prompts = store.GetPrompts(unit);
  out.graph = store.GetGraph(unit);
  out.scores = store.GetScores(unit);
  return out;
}

std::string TimeNow() {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
}

}  // namespace assay::app
