#include "model/sparse_autoencoder.h"

#include <ATen/ATen.h>
#include <fmt/ranges.h>

#include <cmath>

#include "base/error.h"

namespace assay::model {

using base::ErrorKind;
using base::Fail;

namespace {

void CheckShape(const at::Tensor& tensor, at::IntArrayRef expected) {
  ASSAY_CHECK(tensor.defined() && tensor.sizes() == expected);
}

}  // namespace

SparseAutoencoder::SparseAutoencoder(SaeConfig config, SaeWeights weights)
    : config_(std::move(config)), weights_(std::move(weights)) {
  const int64_t d = config_.d_in, f = config_.d_sae;
  CheckShape(weights_.w_enc, {d, f});
  CheckShape(weights_.w_dec, {f, d});
  CheckShape(weights_.b_dec, {d});
  if (config_.architecture == SaeArchitecture::kGated) {
    CheckShape(weights_.b_gate, {f});
    CheckShape(weights_.r_mag, {f});
    CheckShape(weights_.b_mag, {f});
  } else {
    CheckShape(weights_.b_enc, {f});
  }
  if (config_.architecture == SaeArchitecture::kJumpRelu) CheckShape(weights_.threshold, {f});
  if (config_.rescale_by_decoder_norm) decoder_norms_ = weights_.w_dec.norm(2, {1});
}

void SparseAutoencoder::To(const std::string& device, at::ScalarType dtype) {
  const at::Device target(device);
  for (at::Tensor* tensor : {&weights_.w_enc, &weights_.b_enc, &weights_.w_dec, &weights_.b_dec,
                             &weights_.threshold, &weights_.b_gate, &weights_.r_mag,
                             &weights_.b_mag, &weights_.finetuning_scale, &decoder_norms_}) {
    if (tensor->defined()) *tensor = tensor->to(target, dtype);
  }
}

at::Tensor SparseAutoencoder::Flatten(const at::Tensor& x) const {
  const bool heads = config_.flatten_heads && x.dim() >= 2 &&
                     x.size(-2) * x.size(-1) == config_.d_in && x.size(-1) != config_.d_in;
  if (!heads && (x.dim() < 1 || x.size(-1) != config_.d_in)) {
    Fail(ErrorKind::kBadInput, "input of shape [{}]; the SAE reads {}{} numbers a token",
         fmt::join(x.sizes(), ", "), config_.flatten_heads ? "heads x d_head = " : "",
         config_.d_in);
  }
  return (heads ? x.flatten(-2) : x).to(weights_.w_enc.scalar_type());
}

SparseAutoencoder::Scaling SparseAutoencoder::ScalingOf(const at::Tensor& flat) const {
  Scaling out;
  if (config_.normalization == SaeNormalization::kConstantNorm) {
    out.factor =
        flat.norm(2, {-1}, /*keepdim=*/true) / std::sqrt(static_cast<double>(config_.d_in));
  } else if (config_.normalization == SaeNormalization::kLayerNorm) {
    out.offset = flat.mean(-1, /*keepdim=*/true);
    out.factor = flat.std(-1, /*unbiased=*/true, /*keepdim=*/true);
  }
  return out;
}

at::Tensor SparseAutoencoder::NormalizedInput(const at::Tensor& x) const {
  const at::Tensor flat = Flatten(x);
  const Scaling scaling = ScalingOf(flat);
  if (!scaling.factor.defined()) return flat;
  return scaling.offset.defined() ? (flat - scaling.offset) / (scaling.factor + 1e-5)
                                  : flat / scaling.factor;
}

at::Tensor SparseAutoencoder::EncoderInput(const at::Tensor& x) const {
  const at::Tensor normalized = NormalizedInput(x);
  return config_.apply_b_dec_to_input ? normalized - weights_.b_dec : normalized;
}

at::Tensor SparseAutoencoder::HiddenPre(const at::Tensor& h) const {
  const bool gated = config_.architecture == SaeArchitecture::kGated;
  return at::matmul(h, weights_.w_enc) + (gated ? weights_.b_gate : weights_.b_enc);
}

at::Tensor SparseAutoencoder::Activate(const at::Tensor& hidden_pre, const at::Tensor& h) const {
  switch (config_.architecture) {
    case SaeArchitecture::kStandard: {
      const at::Tensor positive = at::relu(hidden_pre);
      return config_.tanh_relu ? at::tanh(positive) : positive;
    }
    case SaeArchitecture::kGated: {
      const at::Tensor magnitude =
          at::relu(at::matmul(h, weights_.w_enc * weights_.r_mag.exp()) + weights_.b_mag);
      return magnitude * (hidden_pre > 0).to(magnitude.scalar_type());
    }
    case SaeArchitecture::kJumpRelu:
      return at::relu(hidden_pre) * (hidden_pre > weights_.threshold).to(hidden_pre.scalar_type());
    case SaeArchitecture::kTopK: {
      const at::Tensor scaled =
          config_.rescale_by_decoder_norm ? hidden_pre * decoder_norms_ : hidden_pre;
      const auto [values, indices] = scaled.topk(config_.k, -1);
      return at::zeros_like(scaled).scatter(-1, indices, at::relu(values));
    }
  }
  ASSAY_CHECK(false);
  return {};
}

at::Tensor SparseAutoencoder::Encode(const at::Tensor& x) const {
  const at::Tensor h = EncoderInput(x);
  return Activate(HiddenPre(h), h);
}

SaeResult SparseAutoencoder::Apply(const at::Tensor& x) const {
  const at::Tensor h = EncoderInput(x);
  SaeResult out{.hidden_pre = HiddenPre(h), .feature_acts = {}, .reconstruction = {}};
  out.feature_acts = Activate(out.hidden_pre, h);
  at::Tensor coded = out.feature_acts;
  if (config_.rescale_by_decoder_norm) coded = coded / decoder_norms_;
  if (weights_.finetuning_scale.defined()) coded = coded * weights_.finetuning_scale;
  out.reconstruction = at::matmul(coded, weights_.w_dec) + weights_.b_dec;
  const Scaling scaling = ScalingOf(Flatten(x));
  if (scaling.factor.defined()) out.reconstruction = out.reconstruction * scaling.factor;
  if (scaling.offset.defined()) out.reconstruction = out.reconstruction + scaling.offset;
  out.reconstruction = out.reconstruction.reshape(x.sizes());
  return out;
}

}  // namespace assay::model
