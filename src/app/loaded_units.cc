#include "app/loaded_units.h"

#include <fmt/core.h>

#include "app/machine.h"
#include "app/neurons_run.h"
#include "base/error.h"
#include "base/hash.h"
#include "data/text_corpus.h"

namespace assay::app {

namespace fs = std::filesystem;
using base::ErrorKind;
using base::Fail;

namespace {

std::string HashAutoencoder(const fs::path& folder) {
  return base::HashText(base::HashFile(folder / "cfg.json") +
                        base::HashFile(folder / "sae_weights.safetensors"));
}

std::unique_ptr<LoadedUnits> WithUnits(LoadedModel model, const std::string& autoencoder,
                                       const std::string& device, const std::string& dtype,
                                       const neurons::EmbedOptions& embed) {
  auto out = std::make_unique<LoadedUnits>(LoadedUnits{.model = std::move(model)});
  if (autoencoder.empty()) {
    out->units = std::make_unique<model::TransformerNeurons>(
        out->model.network, model::ParseGatedInput(embed.gated_input));
    return out;
  }
  out->autoencoder_folder = autoencoder;
  out->autoencoder_hash = HashAutoencoder(autoencoder);
  out->autoencoder =
      std::make_unique<model::SparseAutoencoder>(model::SparseAutoencoder::Load(autoencoder));
  out->autoencoder->To(device, dtype == "bfloat16" ? at::kBFloat16 : at::kFloat);
  out->units =
      std::make_unique<model::SaeFeatures>(out->model.network, *out->autoencoder, embed.centred);
  return out;
}

// What OpenRunText keeps alive while it reads.
struct RunText {
  RunText(const std::vector<fs::path>& inputs, const data::TextCorpusOptions& options)
      : corpus(inputs, options) {}
  data::TextCorpus corpus;
  std::unique_ptr<data::TokenSequences> sequences;
};

}  // namespace

std::unique_ptr<LoadedUnits> LoadUnits(const fs::path& model, const std::string& autoencoder,
                                       const std::string& device, const std::string& dtype,
                                       const neurons::EmbedOptions& embed) {
  return WithUnits(LoadModel(model, device, dtype), autoencoder, device, dtype, embed);
}

std::unique_ptr<LoadedUnits> LoadRunUnits(const store::RunStore& store,
                                          const std::string& given_model, const std::string& device,
                                          const std::string& dtype,
                                          const neurons::EmbedOptions& embed) {
  const nlohmann::json recorded = RequireManifest(store, "model", "assay neurons collect");
  const bool has = recorded.contains("sae");
  const std::string folder = has ? recorded.at("sae").at("folder").get<std::string>() : "";
  auto out =
      WithUnits(LoadRunModel(store, given_model, device, dtype), folder, device, dtype, embed);
  if (has && out->autoencoder_hash != recorded.at("sae").at("hash")) {
    Fail(ErrorKind::kBadInput, "{}: the SAE's files are not those that the run was collected with",
         folder);
  }
  return out;
}

nlohmann::json DescribeUnits(const LoadedUnits& units, const std::string& device,
                             const std::string& dtype) {
  nlohmann::json out = DescribeModel(units.model, device, dtype);
  if (!units.autoencoder) return out;
  const int layer = units.units->Layers().front();
  out["neurons_per_layer"] = units.units->Units(layer);
  out["hook"] = *units.autoencoder->config().hook_name;
  out["sae"] = {{"folder", fs::absolute(units.autoencoder_folder).lexically_normal().string()},
                {"hash", units.autoencoder_hash}};
  return out;
}

neurons::SequenceStream OpenRunText(const store::RunStore& store, const LoadedModel& model) {
  const nlohmann::json text = RequireManifest(store, "text", "assay neurons collect");
  const nlohmann::json about = RequireManifest(store, "sequences", "assay neurons collect");
  if (!text.contains("inputs") || !text.contains("options")) {
    Fail(ErrorKind::kUsage, "the run has given examples and no text; use --examples top");
  }
  data::TextCorpusOptions corpus_options;
  base::FieldsFromJson(text.at("options"), corpus_options);
  data::TokenSequenceOptions options;
  base::FieldsFromJson(about.at("options"), options);
  const auto inputs = text.at("inputs").get<std::vector<std::string>>();
  // Problems were reported when the text was collected.
  auto open = std::make_shared<RunText>(std::vector<fs::path>(inputs.begin(), inputs.end()),
                                        corpus_options);
  if (open->corpus.ContentHash() != text.at("hash")) {
    Fail(ErrorKind::kBadInput, "{}: the text is not the one that was collected (hash {}, then {})",
         fmt::join(inputs, ", "), open->corpus.ContentHash(), text.at("hash").get<std::string>());
  }
  const auto bos =
      data::ResolveBos(options.bos, model.tokenizer->Specials(), model.network.config().bos_id);
  open->sequences =
      std::make_unique<data::TokenSequences>(open->corpus, *model.tokenizer, bos, options);
  return [open]() -> std::optional<store::Sequence> {
    auto next = open->sequences->Next();
    if (!next) return std::nullopt;
    return store::Sequence{next->id, open->corpus.files()[next->file].string(), next->document,
                           next->begin, std::move(next->tokens)};
  };
}

}  // namespace assay::app
