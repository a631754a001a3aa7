// Units that can be looked into: each is linear in an input vector h, then something that is not,
//   pre-activation = sum(h * w) + bias,
// so that e = h * w (coordinate by coordinate) says which inputs made it fire. Const members are
// safe to call from several threads.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "model/hook_point.h"
#include "model/sparse_autoencoder.h"
#include "model/transformer.h"

namespace assay::model {

class InspectableModel {
 public:
  virtual ~InspectableModel() = default;
  virtual std::vector<int> Layers() const = 0;  // those that have units, ascending
  virtual int64_t Units(int layer) const = 0;
  virtual at::Tensor InputWeights(int layer) const = 0;  // [units, d]
  virtual at::Tensor InputBias(int layer) const = 0;     // [units], zeros where there is none
};

// Units of a transformer: one input vector and one activation a token. The network is borrowed.
class TokenUnits : public InspectableModel {
 public:
  explicit TokenUnits(const Transformer& network) : network_(network) {}
  const Transformer& network() const { return network_; }
  at::Device device() const { return network_.weights().token_embedding.device(); }

  // Where activations are read, and how: value of the hook -> [B, T, units].
  virtual HookPoint ReadHook(int layer) const = 0;
  virtual at::Tensor Activations(int layer, const at::Tensor& value) const = 0;

  // The same for the input vectors: value of the hook -> h [B, T, d].
  virtual HookPoint InputHook(int layer) const = 0;
  virtual at::Tensor Inputs(int layer, const at::Tensor& value) const = 0;

  virtual std::string Description() const = 0;  // "neurons", "features of ..."

 private:
  const Transformer& network_;
};

// Which input matrix of a gated MLP explains its neurons. Neurons of other MLPs have one.
enum class GatedInput { kGate, kUp };
GatedInput ParseGatedInput(const std::string& name);  // gate, up; throws kUsage

// The MLP neurons of every layer. h is what enters the MLP (after the norm's gain and bias), the
// activation that of ActivationHook.
class TransformerNeurons : public TokenUnits {
 public:
  explicit TransformerNeurons(const Transformer& network, GatedInput input = GatedInput::kGate)
      : TokenUnits(network), input_(input) {}
  std::vector<int> Layers() const override;
  int64_t Units(int) const override { return network().config().d_mlp; }
  at::Tensor InputWeights(int layer) const override;
  at::Tensor InputBias(int layer) const override;
  HookPoint ReadHook(int layer) const override { return ActivationHook(layer, network().config()); }
  at::Tensor Activations(int, const at::Tensor& value) const override { return value; }
  HookPoint InputHook(int layer) const override;
  at::Tensor Inputs(int, const at::Tensor& value) const override { return value; }
  std::string Description() const override { return "neurons"; }

  // Where the pre-activation that InputWeights and InputBias explain can be read.
  HookPoint PreActivationHook(int layer) const;

 private:
  const Linear& Matrix(int layer) const;
  GatedInput input_;
};

// The features of one sparse autoencoder, as units of the layer that its hook is in. h is the
// autoencoder's normalised input, un-centred as in the published artefacts, or centred by the
// decoder bias; either way sum(h * w) + InputBias is the encoder's output before the activation. A
// gated one is explained by its gate.
class SaeFeatures : public TokenUnits {
 public:
  // `autoencoder` is borrowed. Throws kBadInput when its hook is unknown to the network, is not
  // within a layer or has another width.
  SaeFeatures(const Transformer& network, const SparseAutoencoder& autoencoder,
              bool centred = false);
  std::vector<int> Layers() const override { return {hook_.layer}; }
  int64_t Units(int) const override { return autoencoder_.config().d_sae; }
  at::Tensor InputWeights(int) const override { return autoencoder_.weights().w_enc.t(); }
  at::Tensor InputBias(int) const override;
  HookPoint ReadHook(int) const override { return hook_; }
  at::Tensor Activations(int, const at::Tensor& value) const override {
    return autoencoder_.Encode(value);
  }
  HookPoint InputHook(int) const override { return hook_; }
  at::Tensor Inputs(int, const at::Tensor& value) const override;
  std::string Description() const override { return "features"; }

 private:
  const SparseAutoencoder& autoencoder_;
  bool centred_;
  HookPoint hook_;
};

}  // namespace assay::model
