// The forward against a second implementation, written for reading: one sequence, loops, double
// precision, and each architecture's own way of doing things as its paper or Hugging Face's source
// has it.
#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <string>
#include <vector>

#include "model/model_testing.h"

namespace assay::model {
namespace {

using Row = std::vector<double>;
using Rows = std::vector<Row>;  // a row a token

Row RowOf(const at::Tensor& t) {
  const at::Tensor plain = t.to(at::kDouble).contiguous();
  return {plain.data_ptr<double>(), plain.data_ptr<double>() + plain.numel()};
}

Row Sum(const Row& a, const Row& b) {
  Row out(a);
  for (size_t i = 0; i < a.size(); ++i) out[i] += b[i];
  return out;
}

Row Apply(const Linear& linear, const Row& x) {
  Row out;
  for (int64_t i = 0; i < linear.weight.size(0); ++i) {
    const Row weights = RowOf(linear.weight[i]);
    double sum = linear.bias.defined() ? linear.bias[i].item<double>() : 0;
    for (size_t j = 0; j < x.size(); ++j) sum += weights[j] * x[j];
    out.push_back(sum);
  }
  return out;
}

class Reference {
 public:
  Reference(const TransformerConfig& config, const TransformerWeights& weights)
      : c_(config), w_(weights) {}

  Rows Logits(const std::vector<int64_t>& ids) const {
    Rows x;
    for (size_t t = 0; t < ids.size(); ++t) {
      Row row = RowOf(w_.token_embedding[ids[t]]);
      if (c_.learned_positions) {
        row = Sum(row, RowOf(w_.position_embedding[static_cast<int64_t>(t)]));
      }
      if (c_.token_types > 0) row = Sum(row, RowOf(w_.token_type_embedding[0]));
      x.push_back(c_.embedding_norm ? Normalize(w_.embedding_norm, row) : row);
    }
    for (int layer = 0; layer < c_.layers; ++layer) x = Block(layer, x);
    for (Row& row : x) {
      if (c_.final_norm) row = Normalize(w_.final_norm, row);
      if (c_.masked_lm) row = Normalize(w_.head_norm, Activate(Apply(w_.head_transform, row)));
      row = Apply(w_.unembed, row);
    }
    return x;
  }

 private:
  Rows Block(int layer, const Rows& x) const {
    const BlockWeights& block = w_.blocks[static_cast<size_t>(layer)];
    Rows normalized, out;
    for (const Row& row : x) normalized.push_back(c_.post_norm ? row : Normalize(block.ln1, row));
    const Rows attention = Attend(layer, normalized);
    for (size_t t = 0; t < x.size(); ++t) {
      const Row middle = Sum(x[t], attention[t]);
      if (c_.post_norm) {
        const Row entering = Normalize(block.ln1, middle);
        out.push_back(Normalize(block.ln2, Sum(entering, Mlp(block, entering))));
      } else if (c_.parallel_residual) {
        out.push_back(Sum(middle, Mlp(block, Normalize(block.ln2, x[t]))));
      } else {
        out.push_back(Sum(middle, Mlp(block, Normalize(block.ln2, middle))));
      }
    }
    return out;
  }

  Row Mlp(const BlockWeights& block, const Row& x) const {
    Row hidden;
    if (c_.gated_mlp) {
      hidden = Activate(Apply(block.mlp_gate, x));
      const Row up = Apply(block.mlp_in, x);
      for (size_t i = 0; i < up.size(); ++i) hidden[i] *= up[i];
    } else {
      hidden = Activate(Apply(block.mlp_in, x));
    }
    return Apply(block.mlp_out, c_.mlp_norm ? Normalize(block.mlp_norm, hidden) : hidden);
  }

  Rows Attend(int layer, const Rows& x) const {
    const BlockWeights& block = w_.blocks[static_cast<size_t>(layer)];
    const size_t width = static_cast<size_t>(c_.d_head), heads = static_cast<size_t>(c_.heads),
                 groups = static_cast<size_t>(c_.kv_heads);
    Rows qkv, out;
    for (const Row& row : x) qkv.push_back(Apply(block.qkv, row));
    const auto part = [&](size_t t, size_t index) {  // of the heads in qkv
      Row head(qkv[t].begin() + static_cast<int64_t>(index * width),
               qkv[t].begin() + static_cast<int64_t>((index + 1) * width));
      return index < heads + groups && c_.rotary ? Rotated(head, static_cast<double>(t)) : head;
    };
    const bool scaled = c_.model_type != "gpt_neo";
    for (size_t t = 0; t < x.size(); ++t) {
      Row mixed;
      for (size_t h = 0; h < heads; ++h) {
        const size_t group = h * groups / heads;
        const Row q = part(t, h);
        Row z(width, 0.0);
        double total = 0;
        for (size_t s = 0; s < x.size(); ++s) {
          if (!Sees(layer, static_cast<int>(t), static_cast<int>(s))) continue;
          const Row k = part(s, heads + group), v = part(s, heads + groups + group);
          double score = 0;
          for (size_t e = 0; e < width; ++e) score += q[e] * k[e];
          const double weight =
              std::exp(scaled ? score / std::sqrt(static_cast<double>(width)) : score);
          total += weight;
          for (size_t e = 0; e < width; ++e) z[e] += weight * v[e];
        }
        for (const double value : z) mixed.push_back(value / total);
      }
      out.push_back(Apply(block.attn_out, mixed));
    }
    return out;
  }

  bool Sees(int layer, int query, int key) const {
    if (!c_.causal) return true;
    const bool local = c_.model_type == "mistral" || (c_.model_type == "gpt_neo" && layer == 1);
    return key <= query && (!local || query - key < kTinyWindow);
  }

  double Frequency(int pair) const {
    const Rotary& r = *c_.rotary;
    const double plain = 1 / std::pow(r.theta, 2.0 * pair / r.dims);
    if (r.scaling == "linear") return plain / r.factor;
    if (r.scaling != "llama3") return plain;
    const double wavelength = 2 * std::numbers::pi / plain;
    if (wavelength < r.original_positions / r.high_freq_factor) return plain;
    if (wavelength > r.original_positions / r.low_freq_factor) return plain / r.factor;
    const double smooth = (r.original_positions / wavelength - r.low_freq_factor) /
                          (r.high_freq_factor - r.low_freq_factor);
    return (1 - smooth) * plain / r.factor + smooth * plain;
  }

  // Dimension i turns with dimension i + dims / 2; those beyond dims stay.
  Row Rotated(const Row& x, double position) const {
    Row out = x;
    const int half = c_.rotary->dims / 2;
    for (int i = 0; i < half; ++i) {
      const auto a = static_cast<size_t>(i), b = static_cast<size_t>(i + half);
      const double angle = position * Frequency(i), cos = std::cos(angle), sin = std::sin(angle);
      out[a] = x[a] * cos - x[b] * sin;
      out[b] = x[b] * cos + x[a] * sin;
    }
    return out;
  }

  Row Normalize(const Norm& norm, const Row& x) const {
    const bool centred = c_.norm == NormKind::kLayerNorm;
    double mean = 0, square = 0;
    for (const double value : x) mean += value / static_cast<double>(x.size());
    if (!centred) mean = 0;
    for (const double value : x) {
      square += (value - mean) * (value - mean) / static_cast<double>(x.size());
    }
    const Row gain = RowOf(norm.gain), bias = centred ? RowOf(norm.bias) : Row(x.size(), 0.0);
    Row out;
    for (size_t i = 0; i < x.size(); ++i) {
      out.push_back((x[i] - mean) / std::sqrt(square + c_.norm_eps) * gain[i] + bias[i]);
    }
    return out;
  }

  Row Activate(const Row& x) const {
    double total = 0;
    for (const double value : x) total += std::exp(value);
    Row out;
    for (const double v : x) {
      switch (c_.activation) {
        case Activation::kGelu:
          out.push_back(v * 0.5 * (1 + std::erf(v / std::numbers::sqrt2)));
          break;
        case Activation::kGeluTanh:
          out.push_back(
              0.5 * v *
              (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (v + 0.044715 * v * v * v))));
          break;
        case Activation::kRelu:
          out.push_back(v > 0 ? v : 0);
          break;
        case Activation::kSilu:
          out.push_back(v / (1 + std::exp(-v)));
          break;
        case Activation::kSolu:
          out.push_back(v * std::exp(v) / total);
          break;
      }
    }
    return out;
  }

  const TransformerConfig& c_;
  const TransformerWeights& w_;
};

void ExpectSameLogits(const TransformerConfig& config) {
  const c10::InferenceMode guard;
  const Transformer model(config, RandomWeights(config, 11));
  const at::Tensor ids = RandomIds(1, 13, config.vocab, 3);
  const std::vector<int64_t> id_list(ids.data_ptr<int64_t>(),
                                     ids.data_ptr<int64_t>() + ids.numel());
  const Rows expected = Reference(config, model.weights()).Logits(id_list);
  // With and without the fused attention.
  at::Tensor logits[2];
  logits[0] = model.Read({.ids = ids}, ParseHook("logits", config));
  model.Forward({.ids = ids},
                {BlockHook(HookSite::kPattern, 0, config), BlockHook(HookSite::kPattern, 1, config),
                 BlockHook(HookSite::kPattern, 2, config), ParseHook("logits", config)},
                [&](const HookPoint&, at::Tensor& value) { logits[1] = value; });
  for (const at::Tensor& found : logits) {
    for (size_t t = 0; t < expected.size(); ++t) {
      const Row row = RowOf(found[0][static_cast<int64_t>(t)]);
      for (size_t i = 0; i < row.size(); ++i) {
        ASSERT_NEAR(row[i], expected[t][i], 1e-4 + 1e-5 * std::abs(expected[t][i]))
            << "token " << t << " logit " << i;
      }
    }
  }
}

class ReferenceForwardTest : public testing::TestWithParam<std::string> {};

TEST_P(ReferenceForwardTest, LogitsAgree) { ExpectSameLogits(TinyConfig(GetParam())); }

INSTANTIATE_TEST_SUITE_P(Architectures, ReferenceForwardTest,
                         testing::ValuesIn(AllArchitecturesForTests()), ArchitectureTestName);

TEST(ReferenceForwardTest, VariantsAgree) {
  const auto with = [](const std::string& architecture, const nlohmann::json& changes) {
    nlohmann::json json = TinyConfigJson(architecture);
    json.update(changes);
    SCOPED_TRACE(architecture + " " + changes.dump());
    ExpectSameLogits(ParseTransformerConfig(json, "config.json"));
  };
  for (const char* name : {"gelu", "gelu_new", "relu", "silu", "solu"}) {
    with("gpt2", {{"activation_function", name}});
  }
  with("gpt2", {{"tie_word_embeddings", false}, {"n_inner", 24}, {"layer_norm_epsilon", 0.1}});
  with("llama", {{"rope_scaling", {{"type", "linear"}, {"factor", 4.0}}}});
  with("llama", {{"head_dim", 8},
                 {"rope_theta", 50.0},
                 {"rope_scaling",
                  {{"rope_type", "llama3"},
                   {"factor", 8.0},
                   {"low_freq_factor", 1.0},
                   {"high_freq_factor", 4.0},
                   {"original_max_position_embeddings", 40}}}});
  with("llama", {{"attention_bias", true}, {"mlp_bias", true}, {"num_key_value_heads", 1}});
  with("llama", {{"tie_word_embeddings", true}, {"num_key_value_heads", 4}});
  with("gpt_neox", {{"rotary_pct", 1.0}, {"hidden_act", "gelu_new"}});
  with("bert", {{"tie_word_embeddings", false}});
}

}  // namespace
}  // namespace assay::model
