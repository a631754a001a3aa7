// SAELens folders: reading old and new ones, writing new ones.
#include <ATen/ATen.h>
#include <fmt/ranges.h>

#include "base/error.h"
#include "base/file.h"
#include "model/safetensors.h"
#include "model/sparse_autoencoder.h"

namespace assay::model {

using base::ErrorKind;
using base::Fail;

namespace {

// Reads one cfg.json: fields may stand at the top (old) or under "metadata" (SAELens 6).
class ConfigReader {
 public:
  ConfigReader(const nlohmann::json& json, const std::string& file) : json_(json), file_(file) {
    if (!json.is_object())
      Fail(ErrorKind::kBadInput, "{}: holds {}; expected a JSON object", file, json.type_name());
  }

  // The first of the names that is there and not null.
  const nlohmann::json* Find(std::initializer_list<const char*> names) const {
    const auto metadata = json_.find("metadata");
    for (const char* name : names) {
      if (const auto found = json_.find(name); found != json_.end() && !found->is_null())
        return &*found;
      if (metadata == json_.end() || !metadata->is_object()) continue;
      if (const auto found = metadata->find(name); found != metadata->end() && !found->is_null())
        return &*found;
    }
    return nullptr;
  }
  std::string Text(std::initializer_list<const char*> names, const std::string& otherwise) const {
    const nlohmann::json* found = Find(names);
    if (found == nullptr) return otherwise;
    if (!found->is_string()) Wrong(*names.begin(), *found, "a text");
    return found->get<std::string>();
  }
  bool Flag(const char* name, bool otherwise) const {
    const nlohmann::json* found = Find({name});
    if (found == nullptr) return otherwise;
    if (!found->is_boolean()) Wrong(name, *found, "true or false");
    return found->get<bool>();
  }
  int64_t Count(const char* name, const nlohmann::json* found) const {
    if (found == nullptr) Fail(ErrorKind::kBadInput, "{}: has no '{}'", file_, name);
    if (!found->is_number_integer() || found->get<int64_t>() < 1 ||
        found->get<int64_t>() > (int64_t{1} << 31))
      Wrong(name, *found, "a positive whole number");
    return found->get<int64_t>();
  }
  [[noreturn]] void Wrong(const char* name, const nlohmann::json& found,
                          const char* expected) const {
    Fail(ErrorKind::kBadInput, "{}: '{}' is {}; expected {}", file_, name, found.dump(), expected);
  }

 private:
  const nlohmann::json& json_;
  std::string file_;
};

SaeNormalization Normalization(const ConfigReader& reader, const std::string& file) {
  const nlohmann::json* found = reader.Find({"normalize_activations"});
  // Early versions had a boolean; true meant the factor that is folded into the weights.
  if (found == nullptr || found->is_boolean()) return SaeNormalization::kNone;
  const std::string name = reader.Text({"normalize_activations"}, "none");
  if (name == "none" || name == "expected_average_only_in") return SaeNormalization::kNone;
  if (name == "constant_norm_rescale") return SaeNormalization::kConstantNorm;
  if (name == "layer_norm") return SaeNormalization::kLayerNorm;
  Fail(ErrorKind::kUnsupported,
       "{}: normalize_activations '{}'; supported: none, expected_average_only_in, "
       "constant_norm_rescale, layer_norm",
       file, name);
}

const char* ArchitectureName(SaeArchitecture architecture) {
  switch (architecture) {
    case SaeArchitecture::kStandard:
      return "standard";
    case SaeArchitecture::kGated:
      return "gated";
    case SaeArchitecture::kJumpRelu:
      return "jumprelu";
    case SaeArchitecture::kTopK:
      return "topk";
  }
  ASSAY_CHECK(false);
  return "";
}

const char* NormalizationName(SaeNormalization normalization) {
  switch (normalization) {
    case SaeNormalization::kNone:
      return "none";
    case SaeNormalization::kConstantNorm:
      return "constant_norm_rescale";
    case SaeNormalization::kLayerNorm:
      return "layer_norm";
  }
  ASSAY_CHECK(false);
  return "";
}

// Sets architecture, activation and k.
void ReadArchitecture(const ConfigReader& reader, const std::string& file, SaeConfig& out) {
  const std::string name = reader.Text({"architecture"}, "standard");
  const std::string activation = reader.Text({"activation_fn", "activation_fn_str"}, "relu");
  if (name == "standard") {
    out.architecture = SaeArchitecture::kStandard;
  } else if (name == "gated") {
    out.architecture = SaeArchitecture::kGated;
  } else if (name == "jumprelu") {
    out.architecture = SaeArchitecture::kJumpRelu;
  } else if (name == "topk") {
    out.architecture = SaeArchitecture::kTopK;
  } else {
    Fail(ErrorKind::kUnsupported,
         "{}: architecture '{}'; supported: standard, gated, jumprelu, topk", file, name);
  }
  if (activation == "topk" && out.architecture == SaeArchitecture::kStandard) {
    out.architecture = SaeArchitecture::kTopK;  // how versions before 6 wrote it
  } else if (activation == "tanh-relu" && out.architecture == SaeArchitecture::kStandard) {
    out.tanh_relu = true;
  } else if (activation != "relu" &&
             !(activation == "topk" && out.architecture == SaeArchitecture::kTopK)) {
    Fail(ErrorKind::kUnsupported,
         "{}: activation_fn '{}' with architecture '{}'; supported: relu, and for standard also "
         "topk and tanh-relu",
         file, activation, name);
  }
  if (out.architecture != SaeArchitecture::kTopK) return;
  const nlohmann::json* k = reader.Find({"k"});
  if (k == nullptr) {
    const nlohmann::json* kwargs = reader.Find({"activation_fn_kwargs"});
    if (kwargs != nullptr && kwargs->is_object() && kwargs->contains("k")) k = &kwargs->at("k");
  }
  out.k = reader.Count("k", k);
  if (out.k > out.d_sae)
    Fail(ErrorKind::kBadInput, "{}: k is {}; the SAE has {} features", file, out.k, out.d_sae);
  out.rescale_by_decoder_norm = reader.Flag("rescale_acts_by_decoder_norm", false);
}

at::Tensor ReadTensor(const SafetensorsFile& file, const std::string& name,
                      std::vector<int64_t> shape) {
  const at::Tensor stored = file.Read(name);  // throws naming the file when it is missing
  if (stored.sizes() != at::IntArrayRef(shape)) {
    Fail(ErrorKind::kBadInput, "{}: tensor '{}' has shape [{}]; cfg.json promises [{}]",
         file.name(), name, fmt::join(stored.sizes(), ", "), fmt::join(shape, ", "));
  }
  if (!at::isFloatingType(stored.scalar_type())) {
    Fail(ErrorKind::kBadInput, "{}: tensor '{}' has type {}; expected floating-point numbers",
         file.name(), name, at::toString(stored.scalar_type()));
  }
  const at::Tensor out = stored.to(at::kFloat);
  if (!at::isfinite(out).all().item<bool>())
    Fail(ErrorKind::kBadInput, "{}: tensor '{}' has values that are not finite", file.name(), name);
  return out;
}

// Fine-tuned SAEs of old versions scale features before decoding; others carry ones.
at::Tensor ReadFinetuningScale(const SafetensorsFile& file, bool used, int64_t d_sae) {
  for (const char* name : {"finetuning_scaling_factor", "scaling_factor"}) {
    if (!file.Has(name)) continue;
    const at::Tensor scale = ReadTensor(file, name, {d_sae});
    const bool ones = (scale == 1).all().item<bool>();
    if (!used && !ones) {
      Fail(ErrorKind::kBadInput,
           "{}: '{}' is not all ones, but cfg.json does not set finetuning_scaling_factor",
           file.name(), name);
    }
    return ones ? at::Tensor() : scale;
  }
  if (used)
    Fail(ErrorKind::kBadInput,
         "{}: cfg.json sets finetuning_scaling_factor, but there is no such tensor", file.name());
  return {};
}

}  // namespace

SaeConfig ParseSaeConfig(const nlohmann::json& config, const std::string& file) {
  const ConfigReader reader(config, file);
  SaeConfig out;
  out.d_in = reader.Count("d_in", reader.Find({"d_in"}));
  if (const nlohmann::json* features = reader.Find({"d_sae"}); features != nullptr) {
    out.d_sae = reader.Count("d_sae", features);
  } else {  // the first versions gave a factor
    out.d_sae = out.d_in * reader.Count("d_sae", reader.Find({"expansion_factor"}));
  }
  ReadArchitecture(reader, file, out);
  out.apply_b_dec_to_input = reader.Flag("apply_b_dec_to_input", true);
  out.normalization = Normalization(reader, file);
  const std::string reshape = reader.Text({"reshape_activations"}, "none");
  if (reshape != "none" && reshape != "hook_z") {
    Fail(ErrorKind::kUnsupported, "{}: reshape_activations '{}'; supported: none, hook_z", file,
         reshape);
  }
  out.flatten_heads = reshape == "hook_z";
  const std::string hook = reader.Text({"hook_name", "hook_point"}, "");
  if (!hook.empty()) out.hook_name = hook;
  if (hook.ends_with("attn.hook_z")) out.flatten_heads = true;
  if (const nlohmann::json* head = reader.Find({"hook_head_index", "hook_point_head_index"});
      head != nullptr) {
    Fail(ErrorKind::kUnsupported, "{}: hook_head_index is {}; SAEs of a single head are not read",
         file, head->dump());
  }
  out.model_name = reader.Text({"model_name"}, "");
  return out;
}

SparseAutoencoder SparseAutoencoder::Load(const std::filesystem::path& folder) {
  const std::string config_file = (folder / "cfg.json").string();
  const nlohmann::json json = base::ReadJson(config_file);
  SaeConfig config = ParseSaeConfig(json, config_file);
  const auto file = SafetensorsFile::Open(folder / "sae_weights.safetensors");
  const int64_t d = config.d_in, f = config.d_sae;
  SaeWeights weights;
  weights.w_enc = ReadTensor(file, "W_enc", {d, f});
  weights.w_dec = ReadTensor(file, "W_dec", {f, d});
  weights.b_dec = ReadTensor(file, "b_dec", {d});
  if (config.architecture == SaeArchitecture::kGated) {
    weights.b_gate = ReadTensor(file, "b_gate", {f});
    weights.r_mag = ReadTensor(file, "r_mag", {f});
    weights.b_mag = ReadTensor(file, "b_mag", {f});
  } else {
    weights.b_enc = ReadTensor(file, "b_enc", {f});
  }
  if (config.architecture == SaeArchitecture::kJumpRelu)
    weights.threshold = ReadTensor(file, "threshold", {f});
  weights.finetuning_scale = ReadFinetuningScale(
      file,
      ConfigReader(json, config_file).Flag("finetuning_scaling_factor", false) ||
          ConfigReader(json, config_file).Flag("uses_scaling_factor", false),
      f);
  return {std::move(config), std::move(weights)};
}

void SparseAutoencoder::Save(const std::filesystem::path& folder,
                             const nlohmann::json& metadata) const {
  nlohmann::json json = {{"architecture", ArchitectureName(config_.architecture)},
                         {"d_in", config_.d_in},
                         {"d_sae", config_.d_sae},
                         {"dtype", "float32"},
                         {"device", "cpu"},
                         {"apply_b_dec_to_input", config_.apply_b_dec_to_input},
                         {"normalize_activations", NormalizationName(config_.normalization)},
                         {"reshape_activations", config_.flatten_heads ? "hook_z" : "none"}};
  nlohmann::json about = metadata.is_object() ? metadata : nlohmann::json::object();
  if (config_.hook_name) about["hook_name"] = *config_.hook_name;
  about["model_name"] = config_.model_name;
  json["metadata"] = about;
  if (config_.tanh_relu) json["activation_fn"] = "tanh-relu";
  if (config_.architecture == SaeArchitecture::kTopK) {
    json["k"] = config_.k;
    json["rescale_acts_by_decoder_norm"] = config_.rescale_by_decoder_norm;
  }
  std::map<std::string, at::Tensor> tensors;
  const auto add = [&](const char* name, const at::Tensor& tensor) {
    if (tensor.defined()) tensors.emplace(name, tensor.to(at::kFloat));
  };
  add("W_enc", weights_.w_enc);
  add("b_enc", weights_.b_enc);
  add("W_dec", weights_.w_dec);
  add("b_dec", weights_.b_dec);
  add("threshold", weights_.threshold);
  add("b_gate", weights_.b_gate);
  add("r_mag", weights_.r_mag);
  add("b_mag", weights_.b_mag);
  add("finetuning_scaling_factor", weights_.finetuning_scale);
  if (weights_.finetuning_scale.defined()) json["finetuning_scaling_factor"] = true;
  WriteSafetensors(folder / "sae_weights.safetensors", tensors);
  base::WriteFile(folder / "cfg.json", json.dump(2) + "\n");
}

}  // namespace assay::model
