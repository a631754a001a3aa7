#include "model/transformer_weights.h"

#include <ATen/ATen.h>

#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "model/architecture.h"
#include "model/safetensors.h"

namespace assay::model {
namespace {

using base::ErrorKind;
using base::Fail;
namespace fs = std::filesystem;

// The tensors of a model folder, over all its shards.
class WeightFiles {
 public:
  explicit WeightFiles(const fs::path& folder) {
    const fs::path single = folder / "model.safetensors",
                   index = folder / "model.safetensors.index.json";
    if (fs::exists(single)) {
      files_.push_back(SafetensorsFile::Open(single));
    } else if (fs::exists(index)) {
      OpenShards(folder, index);
    } else {
      Fail(ErrorKind::kNotFound,
           "{}: has neither model.safetensors nor model.safetensors.index.json", folder.string());
    }
    for (size_t i = 0; i < files_.size(); ++i) {
      for (const auto& [name, info] : files_[i].tensors()) where_[name] = i;
    }
  }

  bool Has(const std::string& name) const { return where_.contains(name); }
  const std::string& first_file() const { return files_.front().name(); }

  // float32, finite, of exactly this shape
  at::Tensor Read(const std::string& name, at::IntArrayRef shape) {
    const auto found = where_.find(name);
    if (found == where_.end()) {
      Fail(ErrorKind::kBadInput, "{}: tensor '{}' is missing; expected shape [{}]", first_file(),
           name, fmt::join(shape, ", "));
    }
    used_.insert(name);
    const SafetensorsFile& file = files_[found->second];
    const TensorInfo& info = file.tensors().at(name);
    if (at::IntArrayRef(info.shape) != shape) {
      Fail(ErrorKind::kBadInput, "{}: tensor '{}' has shape [{}]; config.json asks for [{}]",
           file.name(), name, fmt::join(info.shape, ", "), fmt::join(shape, ", "));
    }
    if (!at::isFloatingType(info.dtype)) {
      Fail(ErrorKind::kBadInput, "{}: tensor '{}' has type {}; expected a floating-point type",
           file.name(), name, c10::toString(info.dtype));
    }
    at::Tensor tensor = file.Read(name).to(at::kFloat);
    if (!at::isfinite(tensor).all().item<bool>()) {
      const int64_t bad = at::isfinite(tensor).logical_not().sum().item<int64_t>();
      Fail(ErrorKind::kBadInput,
           "{}: tensor '{}' has {} of {} values that are not finite (NaN or infinity)", file.name(),
           name, bad, tensor.numel());
    }
    return tensor;
  }

  std::vector<std::string> Unused(const std::vector<std::string>& ignored_endings) const {
    std::vector<std::string> out;
    for (const auto& [name, file] : where_) {
      const auto ends = [&name = name](const std::string& ending) {
        return name.ends_with(ending);
      };
      if (!used_.contains(name) &&
          std::none_of(ignored_endings.begin(), ignored_endings.end(), ends))
        out.push_back(name);
    }
    return out;
  }

 private:
  void OpenShards(const fs::path& folder, const fs::path& index) {
    const nlohmann::json json = base::ReadJson(index);
    if (!json.is_object() || !json.contains("weight_map") || !json["weight_map"].is_object() ||
        json["weight_map"].empty()) {
      Fail(ErrorKind::kBadInput, "{}: expected an object with a 'weight_map' from tensor to file",
           index.string());
    }
    std::map<std::string, std::vector<std::string>> tensors_of;
    for (const auto& [tensor, file] : json["weight_map"].items()) {
      if (!file.is_string() || fs::path(file.get<std::string>()).has_parent_path()) {
        Fail(ErrorKind::kBadInput,
             "{}: weight_map names the file {} for '{}'; expected a file name in the same folder",
             index.string(), file.dump(), tensor);
      }
      tensors_of[file.get<std::string>()].push_back(tensor);
    }
    for (const auto& [file, tensors] : tensors_of) {
      files_.push_back(SafetensorsFile::Open(folder / file));
      for (const std::string& tensor : tensors) {
        if (!files_.back().Has(tensor)) {
          Fail(ErrorKind::kBadInput, "{}: tensor '{}' is missing, though {} says it is there",
               files_.back().name(), tensor, index.string());
        }
      }
    }
  }

  std::vector<SafetensorsFile> files_;
  std::map<std::string, size_t> where_;
  std::set<std::string> used_;
};

// Reads canonical parts through the architecture's names.
class PartReader {
 public:
  PartReader(WeightFiles& files, const Architecture& names, const TransformerConfig& config)
      : files_(files), names_(names), config_(config) {
    const std::string probe = names.token_embedding + ".weight";
    prefix_ = files.Has(names.prefix + probe) || !files.Has(probe) ? names.prefix : "";
  }

  at::Tensor Table(const std::string& name, int64_t rows) {
    return files_.Read(prefix_ + name + ".weight", {rows, config_.d_model});
  }

  Norm ReadNorm(const std::string& full_name, int64_t width) {
    Norm norm;
    const bool old_names = !files_.Has(full_name + ".weight") && files_.Has(full_name + ".gamma");
    norm.gain = files_.Read(full_name + (old_names ? ".gamma" : ".weight"), {width});
    if (config_.norm == NormKind::kLayerNorm)
      norm.bias = files_.Read(full_name + (old_names ? ".beta" : ".bias"), {width});
    return norm;
  }

  Linear ReadLinear(const std::string& full_name, int64_t out, int64_t in, bool bias,
                    bool transposed) {
    Linear linear;
    linear.weight = transposed ? files_.Read(full_name + ".weight", {in, out}).t().contiguous()
                               : files_.Read(full_name + ".weight", {out, in});
    if (bias) linear.bias = files_.Read(full_name + ".bias", {out});
    return linear;
  }

  BlockWeights ReadBlock(int layer) {
    std::string block = prefix_ + names_.block;
    block.replace(block.find("{}"), 2, std::to_string(layer));
    const int64_t d = config_.d_model, mlp = config_.d_mlp;
    BlockWeights out;
    out.ln1 = ReadNorm(block + names_.ln1, d);
    out.ln2 = ReadNorm(block + names_.ln2, d);
    out.qkv = ReadQkv(block);
    out.attn_out =
        ReadLinear(block + names_.attn_out, d, static_cast<int64_t>(config_.heads) * config_.d_head,
                   config_.attention_output_bias, names_.conv1d);
    out.mlp_in = ReadLinear(block + names_.mlp_in, mlp, d, config_.mlp_bias, names_.conv1d);
    if (config_.gated_mlp)
      out.mlp_gate = ReadLinear(block + names_.mlp_gate, mlp, d, config_.mlp_bias, names_.conv1d);
    if (config_.mlp_norm) out.mlp_norm = ReadNorm(block + names_.mlp_norm, mlp);
    out.mlp_out = ReadLinear(block + names_.mlp_out, d, mlp, config_.mlp_bias, names_.conv1d);
    return out;
  }

  const std::string& prefix() const { return prefix_; }

 private:
  Linear ReadQkv(const std::string& block) {
    const int64_t d = config_.d_model, q = static_cast<int64_t>(config_.heads) * config_.d_head,
                  kv = static_cast<int64_t>(config_.kv_heads) * config_.d_head;
    const bool bias = config_.attention_bias;
    if (names_.qkv_layout == QkvLayout::kSeparate) {
      const Linear query = ReadLinear(block + names_.q, q, d, bias, names_.conv1d);
      const Linear key = ReadLinear(block + names_.k, kv, d, bias, names_.conv1d);
      const Linear value = ReadLinear(block + names_.v, kv, d, bias, names_.conv1d);
      return {at::cat({query.weight, key.weight, value.weight}),
              bias ? at::cat({query.bias, key.bias, value.bias}) : at::Tensor()};
    }
    Linear fused = ReadLinear(block + names_.q, q + 2 * kv, d, bias, names_.conv1d);
    if (names_.qkv_layout == QkvLayout::kPerHead) {
      const auto regroup =
          [&](const at::Tensor& t) {  // [heads, 3, d_head, ...] -> [3, heads, d_head, ...]
            return t.view({config_.heads, 3, config_.d_head, -1})
                .transpose(0, 1)
                .reshape(t.sizes())
                .contiguous();
          };
      fused.weight = regroup(fused.weight);
      if (bias) fused.bias = regroup(fused.bias);
    }
    return fused;
  }

  WeightFiles& files_;
  const Architecture& names_;
  const TransformerConfig& config_;
  std::string prefix_;
};

void ReadHead(WeightFiles& files, PartReader& parts, const Architecture& names,
              const TransformerConfig& config, TransformerWeights& out) {
  const int64_t d = config.d_model, vocab = config.vocab;
  if (config.tied_unembedding) {
    out.unembed.weight = out.token_embedding;
  } else {
    out.unembed = parts.ReadLinear(names.unembed, vocab, d, false, false);
  }
  if (!config.masked_lm) return;
  if (!files.Has(names.head_transform + ".weight")) {
    Fail(ErrorKind::kBadInput, "{}: has no masked-LM head (tensor '{}.weight' is missing)",
         files.first_file(), names.head_transform);
  }
  out.head_transform = parts.ReadLinear(names.head_transform, d, d, true, false);
  out.head_norm = parts.ReadNorm(names.head_norm, d);
  out.unembed.bias = files.Read(names.head_bias, {vocab});
}

}  // namespace

TransformerWeights LoadTransformerWeights(const fs::path& folder, const TransformerConfig& config,
                                          std::vector<std::string>* unused) {
  const Architecture& names = FindArchitecture(config.model_type);
  WeightFiles files(folder);
  PartReader parts(files, names, config);
  TransformerWeights out;
  out.token_embedding = parts.Table(names.token_embedding, config.vocab);
  if (config.learned_positions)
    out.position_embedding = parts.Table(names.position_embedding, config.max_positions);
  if (config.token_types > 0)
    out.token_type_embedding = parts.Table(names.token_type_embedding, config.token_types);
  if (config.embedding_norm)
    out.embedding_norm = parts.ReadNorm(parts.prefix() + names.embedding_norm, config.d_model);
  for (int layer = 0; layer < config.layers; ++layer) out.blocks.push_back(parts.ReadBlock(layer));
  if (config.final_norm)
    out.final_norm = parts.ReadNorm(parts.prefix() + names.final_norm, config.d_model);
  ReadHead(files, parts, names, config, out);
  if (unused != nullptr) *unused = files.Unused(names.ignored);
  return out;
}

std::map<std::string, at::Tensor> ExportTransformerWeights(const TransformerWeights& weights,
                                                           const TransformerConfig& config) {
  if (config.model_type != "gpt2" && config.model_type != "distilbert") {
    Fail(ErrorKind::kUnsupported,
         "weights of model_type '{}' cannot be written; only gpt2 and distilbert",
         config.model_type);
  }
  const Architecture& names = FindArchitecture(config.model_type);
  std::map<std::string, at::Tensor> out;
  const auto put_norm = [&](const std::string& name, const Norm& norm) {
    out[name + ".weight"] = norm.gain;
    if (norm.bias.defined()) out[name + ".bias"] = norm.bias;
  };
  const auto put_linear = [&](const std::string& name, const Linear& linear, bool transposed) {
    out[name + ".weight"] = transposed ? linear.weight.t() : linear.weight;
    if (linear.bias.defined()) out[name + ".bias"] = linear.bias;
  };
  out[names.prefix + names.token_embedding + ".weight"] = weights.token_embedding;
  out[names.prefix + names.position_embedding + ".weight"] = weights.position_embedding;
  if (config.embedding_norm) put_norm(names.prefix + names.embedding_norm, weights.embedding_norm);
  for (size_t layer = 0; layer < weights.blocks.size(); ++layer) {
    const BlockWeights& block = weights.blocks[layer];
    std::string at = names.prefix + names.block;
    at.replace(at.find("{}"), 2, std::to_string(layer));
    put_norm(at + names.ln1, block.ln1);
    put_norm(at + names.ln2, block.ln2);
    if (names.qkv_layout == QkvLayout::kConcatenated) {
      put_linear(at + names.q, block.qkv, names.conv1d);
    } else {
      const auto weight = block.qkv.weight.chunk(3), bias = block.qkv.bias.chunk(3);
      for (size_t i = 0; i < 3; ++i)
        put_linear(at + (i == 0   ? names.q
                         : i == 1 ? names.k
                                  : names.v),
                   {weight[i], bias[i]}, names.conv1d);
    }
    put_linear(at + names.attn_out, block.attn_out, names.conv1d);
    put_linear(at + names.mlp_in, block.mlp_in, names.conv1d);
    if (config.mlp_norm) put_norm(at + names.mlp_norm, block.mlp_norm);
    put_linear(at + names.mlp_out, block.mlp_out, names.conv1d);
  }
  if (config.final_norm) put_norm(names.prefix + names.final_norm, weights.final_norm);
  if (!config.tied_unembedding) out[names.unembed + ".weight"] = weights.unembed.weight;
  if (config.masked_lm) {
    put_linear(names.head_transform, weights.head_transform, false);
    put_norm(names.head_norm, weights.head_norm);
    out[names.head_bias] = weights.unembed.bias;
  }
  return out;
}

std::vector<std::pair<std::string, at::Tensor*>> NamedTensors(TransformerWeights& weights) {
  std::vector<std::pair<std::string, at::Tensor*>> out;
  const auto add = [&](const std::string& name, at::Tensor& tensor) {
    if (tensor.defined()) out.emplace_back(name, &tensor);
  };
  const auto add_norm = [&](const std::string& name, Norm& norm) {
    add(name + ".gain", norm.gain);
    add(name + ".bias", norm.bias);
  };
  const auto add_linear = [&](const std::string& name, Linear& linear) {
    add(name + ".weight", linear.weight);
    add(name + ".bias", linear.bias);
  };
  add("token_embedding", weights.token_embedding);
  add("position_embedding", weights.position_embedding);
  add("token_type_embedding", weights.token_type_embedding);
  add_norm("embedding_norm", weights.embedding_norm);
  for (size_t layer = 0; layer < weights.blocks.size(); ++layer) {
    BlockWeights& block = weights.blocks[layer];
    const std::string at = fmt::format("blocks.{}.", layer);
    add_norm(at + "ln1", block.ln1);
    add_norm(at + "ln2", block.ln2);
    add_linear(at + "qkv", block.qkv);
    add_linear(at + "attn_out", block.attn_out);
    add_linear(at + "mlp_in", block.mlp_in);
    add_linear(at + "mlp_gate", block.mlp_gate);
    add_norm(at + "mlp_norm", block.mlp_norm);
    add_linear(at + "mlp_out", block.mlp_out);
  }
  add_norm("final_norm", weights.final_norm);
  add_linear("head_transform", weights.head_transform);
  add_norm("head_norm", weights.head_norm);
  if (!weights.unembed.weight.is_same(weights.token_embedding))
    add("unembed.weight", weights.unembed.weight);
  add("unembed.bias", weights.unembed.bias);
  return out;
}

}  // namespace assay::model
