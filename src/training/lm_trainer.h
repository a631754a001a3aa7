// Trains the default models from scratch: a causal transformer (next token) or an encoder (masked
// token) over a stream of token ids. Seeded: the batch of a step depends on seed and step only.
// Checkpointed: a killed training goes on from its last checkpoint and ends with the same weights
// as an uninterrupted one on the same machine.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/options.h"
#include "model/transformer.h"
#include "training/ngram_lm.h"
#include "training/optimizer.h"

namespace assay::training {

using TokenId = int32_t;

struct TrainOptions {
  int64_t steps = 4000;
  int batch = 16;     // sequences a step
  int context = 256;  // tokens a sequence, BOS included
  int warmup = 50;
  double decay_share = 0.5;  // of the steps, at the end, over which the rate falls to nothing
  double muon_rate = 0.02, adam_rate = 3e-3;
  double mask_share = 0.2;  // masked LM: tokens to guess
  std::string products = "float32";
  int part = 4;
  int checkpoint_every = 100, evaluate_every = 250;
  uint64_t seed = 1;

  template <typename Visitor>
  void VisitFields(Visitor&& visit) {
    visit("steps", steps, "optimiser steps", base::Between(1, 1e9));
    visit("batch", batch, "sequences a step", base::Between(1, 65536));
    visit("context", context, "tokens a sequence, BOS included", base::Between(8, 65536));
    visit("warmup", warmup, "steps over which the rate rises", base::Between(0, 1e6));
    visit("decay-share", decay_share,
          "share of the steps, at the end, over which the rate falls to 0", base::Between(0, 1));
    visit("muon-rate", muon_rate, "peak step of block matrices (Muon)", base::Between(0, 1));
    visit("adam-rate", adam_rate, "peak step of embeddings, norms and biases (AdamW)",
          base::Between(0, 1));
    visit("mask-share", mask_share, "masked LM: share of tokens to guess",
          base::Between(0.01, 0.9));
    visit("products", products,
          "type of the forward and backward pass; bfloat16 is faster where the processor has it",
          base::OneOf({"float32", "bfloat16"}));
    visit("part", part, "sequences run at a time; gradients are added up over a step's",
          base::Between(1, 65536));
    visit("checkpoint-every", checkpoint_every, "steps between checkpoints", base::Between(1, 1e9));
    visit("evaluate-every", evaluate_every, "steps between evaluations on held-out text",
          base::Between(1, 1e9));
    visit("seed", seed, "of initial weights and batches");
  }
};

// Token ids of documents, each started by BOS.
struct TokenStream {
  std::vector<TokenId> ids;
  TokenId bos = 0;
  TokenId mask = 0;  // masked LM only
};

struct LossPoint {
  int64_t step = 0;
  double training = 0;  // nats a token, mean since the last point
  double held_out = 0;  // nats a token
};

// Fresh weights for the configuration: normal with the usual 1/sqrt(width) scales, residual outputs
// scaled down by depth.
model::TransformerWeights InitialWeights(const model::TransformerConfig& config, uint64_t seed);

struct TrainReport {
  int64_t step = 0;
  double loss = 0;  // of this step, nats a token
  double tokens_per_second = 0;
};

// Trains in `checkpoint_folder` (created; a checkpoint found there is continued if its options
// agree but for the length of the training, else kUsage), and returns the model. It starts from
// copies of `initial`, or from fresh weights. `on_step` sees
// every step, `on_point` every evaluation. Throws kBadInput when the stream is too short for one
// sequence.
model::Transformer TrainLanguageModel(const model::TransformerConfig& config,
                                      const TokenStream& training, const TokenStream& held_out,
                                      const TrainOptions& options,
                                      const std::filesystem::path& checkpoint_folder,
                                      const model::TransformerWeights* initial,
                                      const std::function<void(const TrainReport&)>& on_step,
                                      const std::function<void(const LossPoint&)>& on_point);

// The loss curve kept with a checkpoint, for drawing; empty when there is none.
std::vector<LossPoint> ReadLossCurve(const std::filesystem::path& checkpoint_folder);

// Every token of the document but the first, given what precedes it (causal models). Documents
// longer than the model's positions are read in windows that begin with BOS and overlap by half,
// and a window's first half is context only: every token has at least half the positions of
// context, where the document has as much. That is the nearest a model of fixed length comes to the
// whole history that an n-gram model is given.
TokenScore ScoreDocument(const model::Transformer& model, std::span<const TokenId> document);

}  // namespace assay::training
