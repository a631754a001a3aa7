#include "model/transformer_config.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>

#include "base/error.h"
#include "base/file.h"

namespace assay::model {
namespace {

using base::ErrorKind;
using base::Fail;
using nlohmann::json;

// Reads keys of one config.json; a missing or mistyped one is an error that names it.
class ConfigReader {
 public:
  ConfigReader(const json& config, std::string file) : config_(config), file_(std::move(file)) {
    if (!config_.is_object()) Fail(ErrorKind::kBadInput, "{}: not a JSON object", file_);
  }

  bool Has(const char* key) const { return config_.contains(key) && !config_[key].is_null(); }
  const std::string& file() const { return file_; }
  const json& config() const { return config_; }

  int Size(const char* key) const { return Size(key, std::nullopt); }
  int Size(const char* key, std::optional<int> otherwise) const {
    if (!Has(key)) {
      if (otherwise) return *otherwise;
      Fail(ErrorKind::kBadInput, "{}: '{}' is missing; expected a positive whole number", file_,
           key);
    }
    const json& value = config_[key];
    if (!value.is_number_integer() || value.get<int64_t>() < 1 ||
        value.get<int64_t>() > 100'000'000) {
      Fail(ErrorKind::kBadInput, "{}: '{}' is {}; expected a positive whole number", file_, key,
           value.dump());
    }
    return value.get<int>();
  }
  double Number(const char* key, double otherwise) const {
    if (!Has(key)) return otherwise;
    if (!config_[key].is_number())
      Fail(ErrorKind::kBadInput, "{}: '{}' is {}; expected a number", file_, key,
           config_[key].dump());
    return config_[key].get<double>();
  }
  bool Flag(const char* key, bool otherwise) const {
    if (!Has(key)) return otherwise;
    if (!config_[key].is_boolean())
      Fail(ErrorKind::kBadInput, "{}: '{}' is {}; expected true or false", file_, key,
           config_[key].dump());
    return config_[key].get<bool>();
  }
  std::string Text(const char* key, const char* otherwise) const {
    if (!Has(key)) return otherwise;
    if (!config_[key].is_string())
      Fail(ErrorKind::kBadInput, "{}: '{}' is {}; expected a string", file_, key,
           config_[key].dump());
    return config_[key].get<std::string>();
  }
  std::optional<int> Id(const char* key) const {
    if (!Has(key)) return std::nullopt;
    const json& value =
        config_[key].is_array() && !config_[key].empty() ? config_[key][0] : config_[key];
    if (!value.is_number_integer())
      Fail(ErrorKind::kBadInput, "{}: '{}' is {}; expected a token id", file_, key,
           config_[key].dump());
    return value.get<int>();
  }
  void Refuse(const char* key, bool refused) const {
    if (refused)
      Fail(ErrorKind::kUnsupported, "{}: '{}' is {}, which is not supported", file_, key,
           config_[key].dump());
  }

 private:
  const json& config_;
  std::string file_;
};

void SetActivation(const ConfigReader& in, const char* key, const char* otherwise,
                   TransformerConfig& out) {
  static const std::map<std::string, Activation> kNames = {
      {"gelu", Activation::kGelu},
      {"gelu_new", Activation::kGeluTanh},
      {"gelu_fast", Activation::kGeluTanh},
      {"relu", Activation::kRelu},
      {"gelu_pytorch_tanh", Activation::kGeluTanh},
      {"silu", Activation::kSilu},
      {"swish", Activation::kSilu},
      {"solu", Activation::kSolu},
      {"solu_ln", Activation::kSolu}};
  const std::string name = in.Text(key, otherwise);
  const auto found = kNames.find(name);
  if (found == kNames.end())
    Fail(ErrorKind::kUnsupported, "{}: '{}' is '{}', which is not supported", in.file(), key, name);
  out.activation = found->second;
  out.mlp_norm = name == "solu_ln";
}

void SetAllLayers(TransformerConfig& out) {
  out.window.assign(static_cast<size_t>(out.layers), 0);
  out.attention_scale.assign(static_cast<size_t>(out.layers),
                             1.0 / std::sqrt(static_cast<double>(out.d_head)));
}

void SetHeads(const ConfigReader& in, int heads, int kv_heads, std::optional<int> d_head,
              TransformerConfig& out) {
  out.heads = heads;
  out.kv_heads = kv_heads;
  if (!d_head && out.d_model % heads != 0) {
    Fail(ErrorKind::kBadInput, "{}: {} heads do not divide the model's width {}", in.file(), heads,
         out.d_model);
  }
  if (heads % kv_heads != 0)
    Fail(ErrorKind::kBadInput, "{}: {} key/value heads do not divide {} heads", in.file(), kv_heads,
         heads);
  out.d_head = d_head.value_or(out.d_model / heads);
}

TransformerConfig Gpt2(const ConfigReader& in) {
  TransformerConfig out;
  out.layers = in.Size("n_layer");
  out.d_model = in.Size("n_embd");
  out.vocab = in.Size("vocab_size");
  out.max_positions = in.Has("n_positions") ? in.Size("n_positions") : in.Size("n_ctx");
  out.d_mlp = in.Size("n_inner", 4 * out.d_model);
  SetHeads(in, in.Size("n_head"), in.Size("n_head"), {}, out);
  out.norm_eps = in.Number("layer_norm_epsilon", 1e-5);
  SetActivation(in, "activation_function", "gelu_new", out);
  out.learned_positions = true;
  out.tied_unembedding = in.Flag("tie_word_embeddings", true);
  SetAllLayers(out);
  for (int layer = 0; layer < out.layers; ++layer) {
    double& scale = out.attention_scale[static_cast<size_t>(layer)];
    if (!in.Flag("scale_attn_weights", true)) scale = 1;
    if (in.Flag("scale_attn_by_inverse_layer_idx", false)) scale /= layer + 1;
  }
  return out;
}

TransformerConfig GptNeo(const ConfigReader& in) {
  TransformerConfig out;
  out.layers = in.Size("num_layers");
  out.d_model = in.Size("hidden_size");
  out.vocab = in.Size("vocab_size");
  out.max_positions = in.Size("max_position_embeddings");
  out.d_mlp = in.Size("intermediate_size", 4 * out.d_model);
  SetHeads(in, in.Size("num_heads"), in.Size("num_heads"), {}, out);
  out.norm_eps = in.Number("layer_norm_epsilon", 1e-5);
  SetActivation(in, "activation_function", "gelu_new", out);
  out.learned_positions = true;
  out.attention_bias = false;  // the output projection keeps its bias
  out.tied_unembedding = in.Flag("tie_word_embeddings", true);
  SetAllLayers(out);
  out.attention_scale.assign(static_cast<size_t>(out.layers),
                             1.0);  // GPT-Neo does not scale its scores
  const int window = in.Size("window_size", 256);
  std::vector<std::string> kinds;
  if (in.Has("attention_layers")) {
    kinds = in.config()["attention_layers"].get<std::vector<std::string>>();
  } else if (in.Has("attention_types")) {
    for (const json& part : in.config()["attention_types"]) {
      // A few more than there are layers show that the counts are wrong.
      for (int repeat = 0; repeat < std::min(part.at(1).get<int>(), out.layers + 1); ++repeat) {
        for (const json& kind : part.at(0)) kinds.push_back(kind.get<std::string>());
      }
    }
  } else {
    for (int layer = 0; layer < out.layers; ++layer)
      kinds.emplace_back(layer % 2 == 0 ? "global" : "local");
  }
  if (static_cast<int>(kinds.size()) != out.layers) {
    Fail(ErrorKind::kBadInput, "{}: attention types name {} layers; expected {}", in.file(),
         kinds.size(), out.layers);
  }
  for (size_t layer = 0; layer < kinds.size(); ++layer) {
    if (kinds[layer] != "global" && kinds[layer] != "local") {
      Fail(ErrorKind::kUnsupported, "{}: attention type '{}' is not supported", in.file(),
           kinds[layer]);
    }
    if (kinds[layer] == "local") out.window[layer] = window;
  }
  return out;
}

// Transformers 5 puts base, rotating share and scaling into one object, "rope_parameters"; before,
// the first two had keys of their own, which differ between architectures, and the last was
// "rope_scaling".
Rotary ReadRotary(const ConfigReader& in, int d_head, const char* share_key, double share,
                  const char* theta_key) {
  const bool together = in.Has("rope_parameters");
  const char* scaling_key = together ? "rope_parameters" : "rope_scaling";
  const json scaling = in.Has(scaling_key) ? in.config()[scaling_key] : json::object();
  if (share_key != nullptr) {
    share = in.Number(share_key, scaling.value("partial_rotary_factor", share));
  }
  Rotary rotary{
      .dims = static_cast<int>(d_head * share),
      .theta = together ? scaling.at("rope_theta").get<double>() : in.Number(theta_key, 10000)};
  const std::string kind = scaling.value("rope_type", scaling.value("type", "default"));
  if (kind == "default") return rotary;
  in.Refuse(scaling_key, kind != "linear" && kind != "llama3");
  rotary.scaling = kind;
  rotary.factor = scaling.at("factor").get<double>();
  if (kind == "llama3") {
    rotary.low_freq_factor = scaling.at("low_freq_factor").get<double>();
    rotary.high_freq_factor = scaling.at("high_freq_factor").get<double>();
    rotary.original_positions = scaling.at("original_max_position_embeddings").get<int>();
  }
  return rotary;
}

TransformerConfig GptNeox(const ConfigReader& in) {
  TransformerConfig out;
  out.layers = in.Size("num_hidden_layers");
  out.d_model = in.Size("hidden_size");
  out.vocab = in.Size("vocab_size");
  out.max_positions = in.Size("max_position_embeddings");
  out.d_mlp = in.Size("intermediate_size");
  SetHeads(in, in.Size("num_attention_heads"), in.Size("num_attention_heads"), {}, out);
  out.norm_eps = in.Number("layer_norm_eps", 1e-5);
  SetActivation(in, "hidden_act", "gelu", out);
  out.parallel_residual = in.Flag("use_parallel_residual", true);
  out.attention_bias = out.attention_output_bias = in.Flag("attention_bias", true);
  out.tied_unembedding = in.Flag("tie_word_embeddings", false);
  out.rotary = ReadRotary(in, out.d_head, "rotary_pct", 0.25, "rotary_emb_base");
  SetAllLayers(out);
  return out;
}

// llama, mistral and qwen2 differ only in biases and attention windows.
TransformerConfig Llama(const ConfigReader& in) {
  TransformerConfig out;
  const std::string type = in.Text("model_type", "");
  out.layers = in.Size("num_hidden_layers");
  out.d_model = in.Size("hidden_size");
  out.vocab = in.Size("vocab_size");
  out.max_positions = in.Size("max_position_embeddings", 2048);
  out.d_mlp = in.Size("intermediate_size");
  const int heads = in.Size("num_attention_heads");
  SetHeads(in, heads, in.Size("num_key_value_heads", heads),
           in.Has("head_dim") ? std::optional<int>(in.Size("head_dim")) : std::nullopt, out);
  out.norm = NormKind::kRmsNorm;
  out.norm_eps = in.Number("rms_norm_eps", 1e-6);
  SetActivation(in, "hidden_act", "silu", out);
  out.gated_mlp = true;
  out.attention_bias = type == "qwen2" || in.Flag("attention_bias", false);
  out.attention_output_bias = in.Flag("attention_bias", false);
  out.mlp_bias = in.Flag("mlp_bias", false);
  out.tied_unembedding = in.Flag("tie_word_embeddings", false);
  out.rotary = ReadRotary(in, out.d_head, nullptr, 1, "rope_theta");
  SetAllLayers(out);
  const bool windowed = type == "mistral" ? in.Has("sliding_window")
                                          : type == "qwen2" && in.Flag("use_sliding_window", false);
  if (windowed) {
    const int first = type == "qwen2" ? in.Size("max_window_layers", out.layers) : 0;
    for (int layer = first; layer < out.layers; ++layer)
      out.window[static_cast<size_t>(layer)] = in.Size("sliding_window");
  }
  return out;
}

TransformerConfig EncoderDefaults() {
  TransformerConfig out;
  out.norm_eps = 1e-12;
  out.post_norm = true;
  out.causal = false;
  out.learned_positions = true;
  out.embedding_norm = true;
  out.final_norm = false;
  out.masked_lm = true;
  return out;
}

TransformerConfig Bert(const ConfigReader& in) {
  TransformerConfig out = EncoderDefaults();
  out.layers = in.Size("num_hidden_layers");
  out.d_model = in.Size("hidden_size");
  out.vocab = in.Size("vocab_size");
  out.max_positions = in.Size("max_position_embeddings");
  out.d_mlp = in.Size("intermediate_size");
  SetHeads(in, in.Size("num_attention_heads"), in.Size("num_attention_heads"), {}, out);
  out.norm_eps = in.Number("layer_norm_eps", 1e-12);
  SetActivation(in, "hidden_act", "gelu", out);
  in.Refuse("position_embedding_type",
            in.Text("position_embedding_type", "absolute") != "absolute");
  out.token_types = in.Size("type_vocab_size", 2);
  out.tied_unembedding = in.Flag("tie_word_embeddings", true);
  SetAllLayers(out);
  return out;
}

TransformerConfig DistilBert(const ConfigReader& in) {
  TransformerConfig out = EncoderDefaults();
  out.layers = in.Size("n_layers");
  out.d_model = in.Size("dim");
  out.vocab = in.Size("vocab_size");
  out.max_positions = in.Size("max_position_embeddings");
  out.d_mlp = in.Size("hidden_dim");
  SetHeads(in, in.Size("n_heads"), in.Size("n_heads"), {}, out);
  SetActivation(in, "activation", "gelu", out);
  out.tied_unembedding = in.Flag("tie_word_embeddings", true);
  SetAllLayers(out);
  return out;
}

}  // namespace

TransformerConfig ParseTransformerConfig(const json& config, const std::string& file) {
  static const std::map<std::string, std::function<TransformerConfig(const ConfigReader&)>>
      kArchitectures = {{"gpt2", Gpt2},   {"gpt_neo", GptNeo},       {"gpt_neox", GptNeox},
                        {"llama", Llama}, {"mistral", Llama},        {"qwen2", Llama},
                        {"bert", Bert},   {"distilbert", DistilBert}};
  const ConfigReader in(config, file);
  const std::string type = in.Text("model_type", "");
  const auto found = kArchitectures.find(type);
  if (found == kArchitectures.end()) {
    Fail(ErrorKind::kUnsupported,
         "{}: model_type is '{}'; supported: gpt2, gpt_neo, gpt_neox, llama, mistral, qwen2, bert, "
         "distilbert",
         file, type);
  }
  try {
    TransformerConfig out = found->second(in);
    out.model_type = type;
    out.bos_id = in.Id("bos_token_id");
    out.eos_id = in.Id("eos_token_id");
    out.pad_id = in.Id("pad_token_id");
    if (out.rotary && (out.rotary->dims % 2 != 0 || out.rotary->dims > out.d_head)) {
      Fail(ErrorKind::kBadInput, "{}: {} rotary dimensions; expected an even number up to {}", file,
           out.rotary->dims, out.d_head);
    }
    return out;
  } catch (const json::exception& error) {
    Fail(ErrorKind::kBadInput, "{}: {}", file, error.what());
  }
}

TransformerConfig ReadTransformerConfig(const std::filesystem::path& folder) {
  const auto path = folder / "config.json";
  return ParseTransformerConfig(base::ReadJson(path), path.string());
}

std::string ActivationName(Activation activation) {
  switch (activation) {
    case Activation::kGelu:
      return "gelu";
    case Activation::kGeluTanh:
      return "gelu_new";
    case Activation::kRelu:
      return "relu";
    case Activation::kSilu:
      return "silu";
    case Activation::kSolu:
      return "solu";
  }
  return "unknown";
}

}  // namespace assay::model
