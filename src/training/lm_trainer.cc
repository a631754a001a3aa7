#include "training/lm_trainer.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "base/error.h"
#include "base/file.h"
#include "base/rng.h"
#include "model/safetensors.h"

namespace assay::training {
namespace {

using base::ErrorKind;
using base::Fail;
using model::Transformer;
using model::TransformerConfig;
namespace fs = std::filesystem;

struct Batch {
  at::Tensor ids;      // [B, T] int64
  at::Tensor targets;  // [B * T] int64; -100 where nothing is to be guessed
};

// Sequences of BOS and context - 1 tokens from anywhere in the stream: BOS is always the first
// token, as in use.
Batch CausalBatch(const TokenStream& stream, const TrainOptions& options, uint64_t step,
                  const char* purpose) {
  const int64_t rows = options.batch, width = options.context;
  Batch out{at::empty({rows, width}, at::kLong), at::empty({rows * width}, at::kLong)};
  auto* ids = out.ids.data_ptr<int64_t>();
  auto* targets = out.targets.data_ptr<int64_t>();
  base::Rng rng(options.seed, purpose, step);
  for (int64_t row = 0; row < rows; ++row) {
    const size_t at = rng.Below(stream.ids.size() - static_cast<size_t>(width) + 1);
    for (int64_t t = 0; t < width; ++t) {
      ids[row * width + t] = t == 0 ? stream.bos : stream.ids[at + static_cast<size_t>(t) - 1];
      targets[row * width + t] = stream.ids[at + static_cast<size_t>(t)];
    }
  }
  return out;
}

// BERT's recipe: of the tokens to guess 80% become the mask, 10% a random token, 10% stay.
Batch MaskedBatch(const TokenStream& stream, const TrainOptions& options, int vocab, uint64_t step,
                  const char* purpose) {
  const int64_t rows = options.batch, width = options.context;
  Batch out{at::empty({rows, width}, at::kLong), at::full({rows * width}, -100, at::kLong)};
  auto* ids = out.ids.data_ptr<int64_t>();
  auto* targets = out.targets.data_ptr<int64_t>();
  base::Rng rng(options.seed, purpose, step);
  for (int64_t row = 0; row < rows; ++row) {
    const size_t at = rng.Below(stream.ids.size() - static_cast<size_t>(width) + 2);
    for (int64_t t = 0; t < width; ++t) {
      const int64_t i = row * width + t;
      const TokenId token = t == 0 ? stream.bos : stream.ids[at + static_cast<size_t>(t) - 1];
      ids[i] = token;
      if (t == 0 || token == stream.bos || rng.Uniform() >= options.mask_share) continue;
      targets[i] = token;
      const double what = rng.Uniform();
      if (what < 0.8) ids[i] = stream.mask;
      if (what >= 0.9) ids[i] = static_cast<int64_t>(rng.Below(static_cast<uint64_t>(vocab)));
    }
  }
  return out;
}

Batch MakeBatch(const TransformerConfig& config, const TokenStream& stream,
                const TrainOptions& options, uint64_t step, const char* purpose) {
  return config.masked_lm ? MaskedBatch(stream, options, config.vocab, step, purpose)
                          : CausalBatch(stream, options, step, purpose);
}

// The weights as the forward uses them: the same tensors, or copies in bfloat16 that gradients pass
// through.
Transformer ForProducts(const Transformer& model, const TrainOptions& options) {
  if (options.products == "float32") return model;
  model::TransformerWeights weights = model.weights();
  for (auto& [name, tensor] : model::NamedTensors(weights)) *tensor = tensor->to(at::kBFloat16);
  weights.unembed.weight = weights.token_embedding;
  return Transformer(model.config(), std::move(weights));
}

// Sum of cross-entropies over the targets; the head runs only where there is one.
at::Tensor SumOfLosses(const Transformer& model, const Batch& batch) {
  const TransformerConfig& config = model.config();
  const auto last = model::BlockHook(model::HookSite::kResidPost, config.layers - 1, config);
  const at::Tensor hidden = model.Read({.ids = batch.ids}, last).view({-1, config.d_model});
  const at::Tensor places = (batch.targets != -100).nonzero().squeeze(1);
  const bool all = places.numel() == batch.targets.numel();
  const at::Tensor logits = model.ApplyHead(all ? hidden : hidden.index_select(0, places));
  return at::cross_entropy_loss(logits.to(at::kFloat),
                                all ? batch.targets : batch.targets.index_select(0, places), {},
                                at::Reduction::Sum);
}

int64_t Targets(const Batch& batch) { return (batch.targets != -100).sum().item<int64_t>(); }

// Mean loss of the batch. Gradients are added up over parts of it, whose intermediate values stay
// in the processor's cache.
double AddGradients(const Transformer& model, const Batch& batch, const TrainOptions& options) {
  const int64_t rows = batch.ids.size(0), width = batch.ids.size(1);
  const double count = static_cast<double>(std::max<int64_t>(1, Targets(batch)));
  double sum = 0;
  for (int64_t row = 0; row < rows; row += options.part) {
    const int64_t some = std::min<int64_t>(options.part, rows - row);
    const at::Tensor loss = SumOfLosses(ForProducts(model, options),
                                        {batch.ids.narrow(0, row, some),
                                         batch.targets.narrow(0, row * width, some * width)}) /
                            count;
    loss.backward();
    sum += loss.item<double>();
  }
  return sum;
}

double RateScale(const TrainOptions& options, int64_t step) {
  const double warm =
      options.warmup > 0 ? std::min(1.0, static_cast<double>(step + 1) / options.warmup) : 1.0;
  const double decay_steps = options.decay_share * static_cast<double>(options.steps);
  const double left = static_cast<double>(options.steps - step);
  return decay_steps > 0 ? warm * std::min(1.0, left / decay_steps) : warm;
}

double HeldOutLoss(const Transformer& model, const TokenStream& held_out,
                   const TrainOptions& options) {
  const at::NoGradGuard guard;
  double sum = 0;
  int64_t count = 0;
  constexpr int kBatches = 8;  // the same ones every time: the curve is comparable with itself
  for (uint64_t i = 0; i < kBatches; ++i) {
    const Batch batch = MakeBatch(model.config(), held_out, options, i, "held-out batch");
    sum += SumOfLosses(model, batch).item<double>();
    count += Targets(batch);
  }
  return sum / static_cast<double>(std::max<int64_t>(1, count));
}

fs::path StatePath(const fs::path& folder) { return folder / "checkpoint.safetensors"; }

struct Progress {
  int64_t step = 0;
  std::vector<LossPoint> curve;
};

// One file holds weights, optimiser state, step and curve: it is replaced as a whole.
void SaveCheckpoint(const fs::path& folder, Transformer& model, const Optimizer& optimizer,
                    const TrainOptions& options, const Progress& progress) {
  std::map<std::string, at::Tensor> tensors = optimizer.State();
  for (auto& [name, tensor] : model::NamedTensors(model.mutable_weights()))
    tensors["weight." + name] = *tensor;
  nlohmann::json curve = nlohmann::json::array();
  for (const LossPoint& point : progress.curve)
    curve.push_back({point.step, point.training, point.held_out});
  model::WriteSafetensors(StatePath(folder), tensors,
                          {{"step", std::to_string(progress.step)},
                           {"options", base::FieldsToJson(options).dump()},
                           {"curve", curve.dump()}});
}

std::vector<LossPoint> ParseCurve(const std::string& text) {
  std::vector<LossPoint> out;
  for (const auto& point : nlohmann::json::parse(text))
    out.push_back({point.at(0), point.at(1), point.at(2)});
  return out;
}

// A continued training may be made longer or shorter: until the rate falls, the schedule of any
// number of steps is the same.
nlohmann::json ComparableOptions(nlohmann::json options) {
  for (const char* name : {"steps", "decay-share", "part", "checkpoint-every", "evaluate-every"})
    options.erase(name);
  return options;
}

Progress RestoreCheckpoint(const fs::path& folder, Transformer& model, Optimizer& optimizer,
                           const TrainOptions& options) {
  Progress progress;
  if (!fs::exists(StatePath(folder))) return progress;
  const auto file = model::SafetensorsFile::Open(StatePath(folder));
  const nlohmann::json before =
                           ComparableOptions(nlohmann::json::parse(file.metadata().at("options"))),
                       now = ComparableOptions(base::FieldsToJson(options));
  if (before != now) {
    Fail(ErrorKind::kUsage,
         "{}: was made with other options ({}); now {}. Give the same options, or another folder",
         file.name(), before.dump(), now.dump());
  }
  const at::NoGradGuard guard;
  for (auto& [name, tensor] : model::NamedTensors(model.mutable_weights()))
    tensor->copy_(file.Read("weight." + name));
  std::map<std::string, at::Tensor> state;
  for (const auto& [name, info] : file.tensors()) {
    if (!name.starts_with("weight.")) state[name] = file.Read(name);
  }
  progress.step = std::stoll(file.metadata().at("step"));
  progress.curve = ParseCurve(file.metadata().at("curve"));
  optimizer.Restore(state, progress.step);
  return progress;
}

model::Linear InitialLinear(int64_t out, int64_t in, double std, base::Rng& rng) {
  model::Linear linear{at::empty({out, in}), at::zeros({out})};
  auto* values = linear.weight.data_ptr<float>();
  for (int64_t i = 0; i < linear.weight.numel(); ++i)
    values[i] = static_cast<float>(std * rng.Normal());
  return linear;
}

// Sinusoids, larger than the word vectors: near places start with like vectors, so attention can
// find its neighbours from the first step. With small or random ones the words' vectors outgrow
// them, and an encoder stays for thousands of steps at the frequencies of the words.
at::Tensor SinusoidalPositions(int64_t positions, int64_t width, double amplitude) {
  at::Tensor out = at::empty({positions, width});
  auto* values = out.data_ptr<float>();
  for (int64_t t = 0; t < positions; ++t) {
    for (int64_t i = 0; i < width; ++i) {
      const double angle = static_cast<double>(t) * std::pow(1e4, -static_cast<double>(i / 2 * 2) /
                                                                      static_cast<double>(width));
      values[t * width + i] =
          static_cast<float>(amplitude * (i % 2 == 0 ? std::sin(angle) : std::cos(angle)));
    }
  }
  return out;
}

model::Norm InitialNorm(int64_t width) { return {at::ones({width}), at::zeros({width})}; }

}  // namespace

model::TransformerWeights InitialWeights(const TransformerConfig& config, uint64_t seed) {
  base::Rng rng(seed, "initial weights");
  const int64_t d = config.d_model,
                attention =
                    static_cast<int64_t>(config.heads + 2 * config.kv_heads) * config.d_head;
  const double scale = 1 / std::sqrt(static_cast<double>(d));
  const double out_scale = scale / std::sqrt(2.0 * config.layers);
  model::TransformerWeights out;
  out.token_embedding = InitialLinear(config.vocab, d, 0.02, rng).weight;
  out.position_embedding = config.masked_lm
                               ? SinusoidalPositions(config.max_positions, d, 0.3)
                               : InitialLinear(config.max_positions, d, 0.01, rng).weight;
  if (config.embedding_norm) out.embedding_norm = InitialNorm(d);
  for (int layer = 0; layer < config.layers; ++layer) {
    model::BlockWeights block;
    block.ln1 = InitialNorm(d);
    block.ln2 = InitialNorm(d);
    block.qkv = InitialLinear(attention, d, scale, rng);
    block.attn_out =
        InitialLinear(d, static_cast<int64_t>(config.heads) * config.d_head, out_scale, rng);
    block.mlp_in = InitialLinear(config.d_mlp, d, scale, rng);
    if (config.mlp_norm) block.mlp_norm = InitialNorm(config.d_mlp);
    block.mlp_out = InitialLinear(d, config.d_mlp, out_scale, rng);
    out.blocks.push_back(std::move(block));
  }
  if (config.final_norm) out.final_norm = InitialNorm(d);
  if (config.masked_lm) {
    out.head_transform = InitialLinear(d, d, scale, rng);
    out.head_norm = InitialNorm(d);
    out.unembed.bias = at::zeros({config.vocab});
  }
  out.unembed.weight = out.token_embedding;
  return out;
}

Transformer TrainLanguageModel(const TransformerConfig& config, const TokenStream& training,
                               const TokenStream& held_out, const TrainOptions& options,
                               const fs::path& checkpoint_folder,
                               const model::TransformerWeights* initial,
                               const std::function<void(const TrainReport&)>& on_step,
                               const std::function<void(const LossPoint&)>& on_point) {
  base::ValidateFields(options);
  for (const TokenStream* stream : {&training, &held_out}) {
    if (static_cast<int64_t>(stream->ids.size()) <= options.context) {
      Fail(ErrorKind::kBadInput, "{} tokens of {} text; one sequence takes {}", stream->ids.size(),
           stream == &training ? "training" : "held-out", options.context + 1);
    }
  }
  ASSAY_CHECK(config.tied_unembedding);
  Transformer model(config, initial != nullptr ? *initial : InitialWeights(config, options.seed));
  for (auto& [name, tensor] : model::NamedTensors(model.mutable_weights()))
    tensor->requires_grad_(true);
  Optimizer optimizer(model::NamedTensors(model.mutable_weights()),
                      {.muon_rate = options.muon_rate,
                       .adam_rate = options.adam_rate,
                       .bfloat16_products = options.products == "bfloat16"});
  Progress progress = RestoreCheckpoint(checkpoint_folder, model, optimizer, options);
  double sum = 0;
  int64_t summed = 0;
  while (progress.step < options.steps) {
    const auto start = std::chrono::steady_clock::now();
    const Batch batch = MakeBatch(config, training, options, static_cast<uint64_t>(progress.step),
                                  "training batch");
    const double value = AddGradients(model, batch, options);
    optimizer.Step(RateScale(options, progress.step));
    ++progress.step;
    if (!std::isfinite(value))
      Fail(ErrorKind::kInternal, "the loss is {} at step {}; lower --muon-rate or --adam-rate",
           value, progress.step);
    sum += value;
    ++summed;
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (on_step) on_step({progress.step, value, options.batch * options.context / seconds});
    const bool last = progress.step == options.steps;
    if (last || progress.step % options.evaluate_every == 0) {
      progress.curve.push_back({progress.step, sum / static_cast<double>(summed),
                                HeldOutLoss(model, held_out, options)});
      sum = 0;
      summed = 0;
      if (on_point) on_point(progress.curve.back());
    }
    if (last || progress.step % options.checkpoint_every == 0)
      SaveCheckpoint(checkpoint_folder, model, optimizer, options, progress);
  }
  for (auto& [name, tensor] : model::NamedTensors(model.mutable_weights()))
    tensor->requires_grad_(false);
  return model;
}

std::vector<LossPoint> ReadLossCurve(const fs::path& checkpoint_folder) {
  if (!fs::exists(StatePath(checkpoint_folder))) return {};
  return ParseCurve(
      model::SafetensorsFile::Open(StatePath(checkpoint_folder)).metadata().at("curve"));
}

TokenScore ScoreDocument(const Transformer& model, std::span<const TokenId> document) {
  const at::NoGradGuard guard;
  const auto logits_hook = model::ParseHook("logits", model.config());
  const size_t width = static_cast<size_t>(model.config().max_positions), stride = width / 2;
  TokenScore score;
  for (size_t done = 1; done < document.size();) {
    const size_t end = std::min(document.size(), done == 1 ? width + 1 : done + stride);
    const size_t begin = end - std::min(end, width + 1);  // the last token is predicted only
    std::vector<TokenId> window(document.begin() + static_cast<ptrdiff_t>(begin),
                                document.begin() + static_cast<ptrdiff_t>(end));
    window[0] = document[0];
    const at::Tensor ids =
        at::tensor(at::ArrayRef<TokenId>(window.data(), window.size()), at::kInt).to(at::kLong);
    const auto inputs = static_cast<int64_t>(window.size()) - 1,
               scored = static_cast<int64_t>(end - done);
    const at::Tensor logits =
        model.Read({.ids = ids.narrow(0, 0, inputs).unsqueeze(0)}, logits_hook)
            .select(0, 0)
            .narrow(0, inputs - scored, scored);
    score.log_probability -=
        at::cross_entropy_loss(logits.to(at::kFloat), ids.narrow(0, inputs + 1 - scored, scored),
                               {}, at::Reduction::Sum)
            .item<double>();
    score.tokens += scored;
    done = end;
  }
  return score;
}

}  // namespace assay::training
