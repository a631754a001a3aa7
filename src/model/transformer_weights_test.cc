#include "model/transformer_weights.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <map>

#include "model/model_testing.h"

namespace assay::model {
namespace {

using base::ErrorKind;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Tensors = std::map<std::string, at::Tensor>;
using Shapes = std::map<std::string, std::vector<int64_t>>;

void AddLinear(Shapes& out, const std::string& name, int64_t rows, int64_t columns, int64_t bias) {
  out[name + ".weight"] = {rows, columns};
  if (bias > 0) out[name + ".bias"] = {bias};
}

void AddNorm(Shapes& out, const std::string& name, int64_t width = 16) {
  out[name + ".weight"] = out[name + ".bias"] = {width};
}

// The tensors that Hugging Face's classes with a language-model head save for TinyConfigJson,
// written from their sources and not from our table of names.
Shapes HuggingFaceTensors(const std::string& architecture) {
  const std::string type = architecture.substr(0, architecture.find('/'));
  Shapes out;
  for (int layer = 0; layer < 3; ++layer) {
    const std::string l = std::to_string(layer);
    if (type == "gpt2") {
      const std::string at = "transformer.h." + l + ".";
      AddNorm(out, at + "ln_1");
      AddNorm(out, at + "ln_2");
      AddLinear(out, at + "attn.c_attn", 16, 48, 48);
      AddLinear(out, at + "attn.c_proj", 16, 16, 16);
      AddLinear(out, at + "mlp.c_fc", 16, 64, 64);
      AddLinear(out, at + "mlp.c_proj", 64, 16, 16);
      if (architecture == "gpt2/solu_ln") AddNorm(out, at + "mlp.ln", 64);
    } else if (type == "gpt_neo") {
      const std::string at = "transformer.h." + l + ".";
      AddNorm(out, at + "ln_1");
      AddNorm(out, at + "ln_2");
      for (const char* part : {"q", "k", "v"}) {
        AddLinear(out, at + "attn.attention." + part + "_proj", 16, 16, 0);
      }
      AddLinear(out, at + "attn.attention.out_proj", 16, 16, 16);
      AddLinear(out, at + "mlp.c_fc", 64, 16, 64);
      AddLinear(out, at + "mlp.c_proj", 16, 64, 16);
    } else if (type == "gpt_neox") {
      const std::string at = "gpt_neox.layers." + l + ".";
      AddNorm(out, at + "input_layernorm");
      AddNorm(out, at + "post_attention_layernorm");
      AddLinear(out, at + "attention.query_key_value", 48, 16, 48);
      AddLinear(out, at + "attention.dense", 16, 16, 16);
      AddLinear(out, at + "mlp.dense_h_to_4h", 40, 16, 40);
      AddLinear(out, at + "mlp.dense_4h_to_h", 16, 40, 16);
    } else if (type == "bert") {
      const std::string at = "bert.encoder.layer." + l + ".";
      for (const char* part : {"query", "key", "value"}) {
        AddLinear(out, at + "attention.self." + part, 16, 16, 16);
      }
      AddLinear(out, at + "attention.output.dense", 16, 16, 16);
      AddNorm(out, at + "attention.output.LayerNorm");
      AddLinear(out, at + "intermediate.dense", 40, 16, 40);
      AddLinear(out, at + "output.dense", 16, 40, 16);
      AddNorm(out, at + "output.LayerNorm");
    } else if (type == "distilbert") {
      const std::string at = "distilbert.transformer.layer." + l + ".";
      for (const char* part : {"q", "k", "v", "out"}) {
        AddLinear(out, at + "attention." + part + "_lin", 16, 16, 16);
      }
      AddNorm(out, at + "sa_layer_norm");
      AddLinear(out, at + "ffn.lin1", 40, 16, 40);
      AddLinear(out, at + "ffn.lin2", 16, 40, 16);
      AddNorm(out, at + "output_layer_norm");
    } else {
      const std::string at = "model.layers." + l + ".";
      const bool bias = type == "qwen2";
      AddLinear(out, at + "self_attn.q_proj", 16, 16, bias ? 16 : 0);
      AddLinear(out, at + "self_attn.k_proj", 8, 16, bias ? 8 : 0);
      AddLinear(out, at + "self_attn.v_proj", 8, 16, bias ? 8 : 0);
      AddLinear(out, at + "self_attn.o_proj", 16, 16, 0);
      AddLinear(out, at + "mlp.gate_proj", 40, 16, 0);
      AddLinear(out, at + "mlp.up_proj", 40, 16, 0);
      AddLinear(out, at + "mlp.down_proj", 16, 40, 0);
      out[at + "input_layernorm.weight"] = out[at + "post_attention_layernorm.weight"] = {16};
    }
  }
  if (type == "gpt2" || type == "gpt_neo") {
    out["transformer.wte.weight"] = {29, 16};
    out["transformer.wpe.weight"] = {24, 16};
    AddNorm(out, "transformer.ln_f");
  } else if (type == "gpt_neox") {
    out["gpt_neox.embed_in.weight"] = out["embed_out.weight"] = {29, 16};
    AddNorm(out, "gpt_neox.final_layer_norm");
  } else if (type == "bert") {
    out["bert.embeddings.word_embeddings.weight"] = {29, 16};
    out["bert.embeddings.position_embeddings.weight"] = {24, 16};
    out["bert.embeddings.token_type_embeddings.weight"] = {2, 16};
    AddNorm(out, "bert.embeddings.LayerNorm");
    out["cls.predictions.bias"] = {29};
    AddLinear(out, "cls.predictions.transform.dense", 16, 16, 16);
    AddNorm(out, "cls.predictions.transform.LayerNorm");
  } else if (type == "distilbert") {
    out["distilbert.embeddings.word_embeddings.weight"] = {29, 16};
    out["distilbert.embeddings.position_embeddings.weight"] = {24, 16};
    AddNorm(out, "distilbert.embeddings.LayerNorm");
    AddLinear(out, "vocab_transform", 16, 16, 16);
    AddNorm(out, "vocab_layer_norm");
    out["vocab_projector.bias"] = {29};
  } else {
    out["model.embed_tokens.weight"] = out["lm_head.weight"] = {29, 16};
    out["model.norm.weight"] = {16};
  }
  return out;
}

// A model folder with tensors that a test may change before it is written.
class ModelFolder {
 public:
  explicit ModelFolder(const std::string& architecture) : config_(TinyConfigJson(architecture)) {
    at::manual_seed(5);
    for (const auto& [name, shape] : HuggingFaceTensors(architecture)) {
      tensors[name] = at::randn(shape);
    }
  }

  TransformerWeights Load(std::vector<std::string>* unused = nullptr) const {
    WriteSafetensors(file(), tensors);
    return LoadTransformerWeights(path(), ParseTransformerConfig(config_, "config.json"), unused);
  }
  std::string MessageOfLoad() const {
    const base::Error error = ErrorOf([&] { Load(); });
    EXPECT_EQ(error.kind(), ErrorKind::kBadInput);
    return error.what();
  }
  const std::filesystem::path& path() const { return folder_.path(); }
  std::filesystem::path file() const { return folder_.path() / "model.safetensors"; }

  Tensors tensors;

 private:
  TemporaryFolder folder_;
  nlohmann::json config_;
};

std::string Text(at::IntArrayRef shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

class TransformerWeightsTest : public testing::TestWithParam<std::string> {};

TEST_P(TransformerWeightsTest, ReadsTheFilesOfHuggingFace) {
  const ModelFolder folder(GetParam());
  std::vector<std::string> unused;
  TransformerWeights weights = folder.Load(&unused);
  EXPECT_THAT(unused, IsEmpty());
  int64_t stored = 0, read = 0;
  for (const auto& [name, tensor] : folder.tensors) stored += tensor.numel();
  for (const auto& [name, tensor] : NamedTensors(weights)) read += tensor->numel();
  EXPECT_EQ(read, stored);
}

TEST_P(TransformerWeightsTest, EveryMissingTensorIsNamed) {
  ModelFolder folder(GetParam());
  const Tensors whole = folder.tensors;
  for (const auto& [name, tensor] : whole) {
    folder.tensors = whole;
    folder.tensors.erase(name);
    EXPECT_THAT(folder.MessageOfLoad(), AllOf(HasSubstr(folder.file().string()),
                                              HasSubstr("'" + name + "'"), HasSubstr("missing")));
  }
}

TEST_P(TransformerWeightsTest, EveryMisshapenTensorIsNamedWithBothShapes) {
  ModelFolder folder(GetParam());
  const Tensors whole = folder.tensors;
  for (const auto& [name, tensor] : whole) {
    folder.tensors = whole;
    std::vector<int64_t> wrong = tensor.sizes().vec();
    wrong.back() += 1;
    folder.tensors[name] = at::zeros(wrong);
    EXPECT_THAT(folder.MessageOfLoad(),
                AllOf(HasSubstr(folder.file().string()), HasSubstr("'" + name + "'"),
                      HasSubstr(Text(wrong)), HasSubstr(Text(tensor.sizes()))));
  }
}

INSTANTIATE_TEST_SUITE_P(Architectures, TransformerWeightsTest,
                         testing::ValuesIn(AllArchitecturesForTests()), ArchitectureTestName);

TEST(TransformerWeightsTest, AnotherVocabularySizeIsRefused) {
  ModelFolder folder("llama");
  folder.tensors["model.embed_tokens.weight"] = at::zeros({32, 16});
  EXPECT_THAT(folder.MessageOfLoad(), AllOf(HasSubstr("'model.embed_tokens.weight'"),
                                            HasSubstr("[32, 16]"), HasSubstr("[29, 16]")));
}

TEST(TransformerWeightsTest, ValuesThatAreNotFiniteAreCounted) {
  for (const double bad :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    ModelFolder folder("gpt2");
    folder.tensors["transformer.h.1.mlp.c_fc.weight"].view(-1).narrow(0, 7, 3).fill_(bad);
    EXPECT_THAT(folder.MessageOfLoad(),
                AllOf(HasSubstr(folder.file().string()),
                      HasSubstr("'transformer.h.1.mlp.c_fc.weight'"), HasSubstr("3 of 1024")));
  }
}

TEST(TransformerWeightsTest, WholeNumbersAreNoWeights) {
  ModelFolder folder("gpt2");
  folder.tensors["transformer.ln_f.weight"] = at::ones({16}, at::kLong);
  EXPECT_THAT(folder.MessageOfLoad(), AllOf(HasSubstr("'transformer.ln_f.weight'"),
                                            HasSubstr("Long"), HasSubstr("floating-point")));
}

TEST(TransformerWeightsTest, HalfPrecisionFilesAreReadAsFloat32) {
  for (const auto type : {at::kHalf, at::kBFloat16, at::kDouble}) {
    ModelFolder folder("gpt2");
    for (auto& [name, tensor] : folder.tensors) tensor = tensor.to(type);
    TransformerWeights weights = folder.Load();
    for (const auto& [name, tensor] : NamedTensors(weights)) {
      EXPECT_EQ(tensor->scalar_type(), at::kFloat) << name;
    }
    EXPECT_TRUE(at::equal(weights.token_embedding,
                          folder.tensors["transformer.wte.weight"].to(at::kFloat)));
  }
}

TEST(TransformerWeightsTest, LayoutsBecomeTheCanonicalOne) {
  const ModelFolder gpt2("gpt2"), neox("gpt_neox"), llama("llama");
  EXPECT_TRUE(at::equal(gpt2.Load().blocks[1].qkv.weight,
                        gpt2.tensors.at("transformer.h.1.attn.c_attn.weight").t()));
  const at::Tensor fused = neox.tensors.at("gpt_neox.layers.2.attention.query_key_value.weight");
  const at::Tensor qkv = neox.Load().blocks[2].qkv.weight;
  for (int head = 0; head < 4; ++head) {  // in the file: 4 rows of query, key, value for each head
    for (int part = 0; part < 3; ++part) {
      EXPECT_TRUE(at::equal(qkv.narrow(0, part * 16 + head * 4, 4),
                            fused.narrow(0, head * 12 + part * 4, 4)));
    }
  }
  const TransformerWeights weights = llama.Load();
  EXPECT_TRUE(at::equal(weights.blocks[0].qkv.weight.narrow(0, 16, 8),
                        llama.tensors.at("model.layers.0.self_attn.k_proj.weight")));
  EXPECT_TRUE(at::equal(weights.blocks[0].mlp_gate.weight,
                        llama.tensors.at("model.layers.0.mlp.gate_proj.weight")));
}

TEST(TransformerWeightsTest, OlderFilesAreRead) {
  ModelFolder bare("gpt2");  // of a class without a head: no prefix, and buffers
  Tensors renamed;
  for (const auto& [name, tensor] : bare.tensors) renamed[name.substr(12)] = tensor;
  renamed["h.0.attn.bias"] = at::ones({1, 1, 24, 24}).to(at::kByte);
  renamed["h.0.attn.masked_bias"] = at::scalar_tensor(-1e4);
  renamed["surplus"] = at::zeros({1});
  bare.tensors = renamed;
  std::vector<std::string> unused;
  bare.Load(&unused);
  EXPECT_THAT(unused, ElementsAre("surplus"));

  ModelFolder bert("bert");  // TensorFlow's names of norms
  renamed.clear();
  for (const auto& [name, tensor] : bert.tensors) {
    const size_t at = name.find("LayerNorm.");
    const bool gain = name.ends_with("weight");
    renamed[at == std::string::npos ? name : name.substr(0, at + 10) + (gain ? "gamma" : "beta")] =
        tensor;
  }
  bert.tensors = renamed;
  EXPECT_TRUE(at::equal(bert.Load().head_norm.bias,
                        renamed.at("cls.predictions.transform.LayerNorm.beta")));
}

TEST(TransformerWeightsTest, WrittenWeightsAreReadBack) {
  for (const std::string architecture : {"gpt2", "gpt2/solu_ln", "distilbert"}) {
    const TemporaryFolder folder;
    const TransformerConfig config = TinyConfig(architecture);
    TransformerWeights written = RandomWeights(config, 4);
    WriteSafetensors(folder.path() / "model.safetensors",
                     ExportTransformerWeights(written, config));
    std::vector<std::string> unused;
    TransformerWeights read = LoadTransformerWeights(folder.path(), config, &unused);
    EXPECT_THAT(unused, IsEmpty());
    const auto before = NamedTensors(written), after = NamedTensors(read);
    ASSERT_EQ(before.size(), after.size());
    for (size_t i = 0; i < before.size(); ++i) {
      EXPECT_EQ(before[i].first, after[i].first);
      EXPECT_TRUE(at::equal(*before[i].second, *after[i].second))
          << architecture << before[i].first;
    }
  }
  const TransformerConfig llama = TinyConfig("llama");
  EXPECT_EQ(ErrorOf([&] { ExportTransformerWeights(RandomWeights(llama, 1), llama); }).kind(),
            ErrorKind::kUnsupported);
}

}  // namespace
}  // namespace assay::model
