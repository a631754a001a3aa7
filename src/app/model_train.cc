#include "app/model_train.h"

#include <ATen/ATen.h>
#include <fmt/core.h>

#include <cmath>
#include <filesystem>
#include <memory>
#include <optional>

#include "app/machine.h"
#include "app/option_binding.h"
#include "app/terminal.h"
#include "base/file.h"
#include "data/text_corpus.h"
#include "data/token_sequences.h"
#include "model/process_setup.h"
#include "model/safetensors.h"
#include "tokenizer/bpe_trainer.h"
#include "training/lm_trainer.h"
#include "training/ngram_lm.h"

namespace assay::app {
namespace {

namespace fs = std::filesystem;
using base::ErrorKind;
using tokenizer::TokenId;

struct TrainArguments {
  std::string kind = "lm", text, held_out, out, tokenizer, from;
  int every = 1, vocab = 4096, layers = 0, d_model = 192, threads = 0;
  training::TrainOptions options;
};

// Documents of files and folders in order; of training text, every nth.
std::vector<std::string> ReadDocuments(const std::string& input, int every) {
  data::TextCorpus corpus({input}, {}, [](const data::CorpusProblem& problem) {
    fmt::print(stderr, "warning: {}\n", ToString(problem));
  });
  std::vector<std::string> out;
  for (int64_t i = 0; auto document = corpus.Next(); ++i) {
    if (i % every == 0) out.push_back(std::move(document->text));
  }
  return out;
}

training::TokenStream Tokenize(const std::vector<std::string>& documents,
                               const tokenizer::Tokenizer& tokenizer) {
  const tokenizer::SpecialIds specials = tokenizer.Specials();
  if (!specials.bos)
    base::Fail(ErrorKind::kUnsupported, "training needs a tokenizer with a BOS token");
  training::TokenStream out{.bos = *specials.bos, .mask = specials.mask.value_or(0)};
  for (const std::string& document : documents) {
    out.ids.push_back(out.bos);
    const auto encoded = tokenizer.Encode(document, tokenizer::SpecialTokens::kNone);
    out.ids.insert(out.ids.end(), encoded.ids.begin(), encoded.ids.end());
  }
  return out;
}

// config.json of the two default models.
nlohmann::json Config(const TrainArguments& arguments, int vocab,
                      const tokenizer::SpecialIds& specials) {
  const int d = arguments.d_model, heads = std::max(1, d / 48);
  if (arguments.kind == "mlm") {
    return {{"model_type", "distilbert"},
            {"architectures", {"DistilBertForMaskedLM"}},
            {"activation", "gelu"},
            {"dim", d},
            {"hidden_dim", 4 * d},
            {"n_heads", heads},
            {"n_layers", arguments.layers > 0 ? arguments.layers : 4},
            {"vocab_size", vocab},
            {"max_position_embeddings", arguments.options.context},
            {"pad_token_id", specials.pad.value_or(0)},
            {"bos_token_id", specials.bos.value_or(0)},
            {"tie_word_embeddings", true},
            {"torch_dtype", "float16"}};
  }
  return {{"model_type", "gpt2"},
          {"architectures", {"GPT2LMHeadModel"}},
          {"activation_function", "solu_ln"},
          {"n_embd", d},
          {"n_inner", 4 * d},
          {"n_head", heads},
          {"n_layer", arguments.layers > 0 ? arguments.layers : 6},
          {"vocab_size", vocab},
          {"n_positions", arguments.options.context},
          {"layer_norm_epsilon", 1e-5},
          {"bos_token_id", specials.bos.value_or(0)},
          {"eos_token_id", specials.eos.value_or(0)},
          {"tie_word_embeddings", true},
          {"torch_dtype", "float16"}};
}

void PrintCurve(const std::vector<training::LossPoint>& curve) {
  std::vector<double> training, held_out;
  for (const training::LossPoint& point : curve) {
    training.push_back(point.training);
    held_out.push_back(point.held_out);
  }
  if (curve.empty()) return;
  fmt::print(
      "training loss  {}  {:.3f} -> {:.3f}\nheld-out loss  {}  {:.3f} -> {:.3f} nats a token\n",
      Sparkline(training), training.front(), training.back(), Sparkline(held_out), held_out.front(),
      held_out.back());
}

bool SameShape(const model::TransformerConfig& a, const model::TransformerConfig& b) {
  return a.layers == b.layers && a.d_model == b.d_model && a.d_mlp == b.d_mlp &&
         a.heads == b.heads && a.vocab == b.vocab && a.max_positions == b.max_positions &&
         a.masked_lm == b.masked_lm && a.activation == b.activation;
}

// What --from gives: all weights of a model of the same shape, or the word vectors of one of
// another kind: a masked LM learns little else in its first thousand steps.
std::optional<model::TransformerWeights> InitialFrom(const TrainArguments& arguments,
                                                     const model::TransformerConfig& config) {
  if (arguments.from.empty()) return std::nullopt;
  const model::Transformer from = model::Transformer::Load(ResolveModel(arguments.from));
  if (SameShape(from.config(), config)) return from.weights();
  if (from.config().masked_lm == config.masked_lm || from.config().vocab != config.vocab ||
      from.config().d_model != config.d_model) {
    base::Fail(
        ErrorKind::kUsage,
        "--from {}: {} layers of width {} over {} tokens; expected the shape of the model to "
        "train ({} layers, {}, {}), or another kind of the same width and vocabulary",
        arguments.from, from.config().layers, from.config().d_model, from.config().vocab,
        config.layers, config.d_model, config.vocab);
  }
  model::TransformerWeights weights = training::InitialWeights(config, arguments.options.seed);
  weights.token_embedding = from.weights().token_embedding.clone();
  weights.unembed.weight = weights.token_embedding;
  return weights;
}

void RunTrain(const TrainArguments& arguments) {
  if (arguments.threads > 0) model::SetThreads(arguments.threads);
  WarnAboutBlas();
  const fs::path out(arguments.out);
  const std::vector<std::string> documents = ReadDocuments(arguments.text, arguments.every);
  fs::path vocabulary = arguments.tokenizer.empty() ? out : fs::path(arguments.tokenizer);
  if (arguments.tokenizer.empty() && !fs::exists(out / "tokenizer.json")) {
    fmt::print(stderr, "learning a vocabulary of {} tokens\n", arguments.vocab);
    tokenizer::BpeTrainerOptions bpe{.vocab_size = arguments.vocab};
    bpe.pad_token = "<|pad|>";
    bpe.mask_token = "<|mask|>";
    // From all the text: the vocabulary does not depend on --every.
    tokenizer::WriteTokenizerFolder(tokenizer::TrainBpe(ReadDocuments(arguments.text, 1), bpe),
                                    out);
  }
  const auto tokens = tokenizer::LoadTokenizer(vocabulary);
  const training::TokenStream train = Tokenize(documents, *tokens),
                              held_out = Tokenize(ReadDocuments(arguments.held_out, 1), *tokens);
  const nlohmann::json config_json = Config(arguments, tokens->VocabSize(), tokens->Specials());
  const model::TransformerConfig config = model::ParseTransformerConfig(config_json, "config.json");
  const auto initial = InitialFrom(arguments, config);
  fmt::print(stderr, "{} training tokens, {} held out\n", train.ids.size(), held_out.ids.size());
  std::optional<base::Progress>
      progress;  // made at the first step, which may not be the first of all
  const model::Transformer model = training::TrainLanguageModel(
      config, train, held_out, arguments.options, out / "checkpoint", initial ? &*initial : nullptr,
      [&](const training::TrainReport& report) {
        if (!progress) {
          progress.emplace("train " + arguments.kind, "steps", arguments.options.steps,
                           TerminalProgress(), report.step - 1);
        }
        progress->Add(1);
      },
      [](const training::LossPoint& point) {
        fmt::print(stderr, "\nstep {}: training loss {:.4f}, held-out loss {:.4f}\n", point.step,
                   point.training, point.held_out);
      });
  if (progress) progress->Finish();
  auto tensors = model::ExportTransformerWeights(model.weights(), config);
  for (auto& [name, tensor] : tensors) tensor = tensor.to(at::kHalf);
  model::WriteSafetensors(out / "model.safetensors", tensors, {{"format", "pt"}});
  base::WriteFile(out / "config.json", config_json.dump(2) + "\n");
  if (vocabulary != out) {
    for (const char* name : {"tokenizer.json", "tokenizer_config.json"})
      base::WriteFile(out / name, base::ReadFile(vocabulary / name));
  }
  const std::vector<training::LossPoint> curve = training::ReadLossCurve(out / "checkpoint");
  nlohmann::json record = {
      {"options", base::FieldsToJson(arguments.options)},
      {"training_tokens", train.ids.size()},
      {"held_out_tokens", held_out.ids.size()},
      {"every", arguments.every},
      {"from", arguments.from.empty() ? nlohmann::json() : nlohmann::json(arguments.from)},
      {"curve", nlohmann::json::array()}};
  for (const auto& point : curve)
    record["curve"].push_back(
        {{"step", point.step}, {"training", point.training}, {"held_out", point.held_out}});
  base::WriteFile(out / "training.json", record.dump(1) + "\n");
  PrintCurve(curve);
  fmt::print("wrote {}\n", out.string());
}

struct EvaluateArguments {
  std::string model, text, held_out;
  int every = 1;
};

// Each begins with BOS.
std::vector<std::vector<TokenId>> Documents(const training::TokenStream& stream) {
  std::vector<std::vector<TokenId>> out;
  for (const TokenId token : stream.ids) {
    if (token == stream.bos || out.empty()) out.push_back({stream.bos});
    if (token != stream.bos) out.back().push_back(token);
  }
  return out;
}

void RunEvaluate(const EvaluateArguments& arguments) {
  const fs::path folder = ResolveModel(arguments.model);
  const model::Transformer model = model::Transformer::Load(folder);
  const auto tokens = tokenizer::LoadTokenizer(folder);
  const training::TokenStream train =
      Tokenize(ReadDocuments(arguments.text, arguments.every), *tokens);
  const training::TokenStream held_out = Tokenize(ReadDocuments(arguments.held_out, 1), *tokens);
  training::NgramLm ngram({.order = 5}, model.config().vocab);
  for (const auto& document : Documents(train)) ngram.Add(document);
  training::TokenScore of_ngram, of_model;
  for (const auto& document : Documents(held_out)) {
    of_ngram += ngram.Score(document);
    of_model += training::ScoreDocument(model, document);
  }
  const double perplexity = of_model.Perplexity(), baseline = of_ngram.Perplexity();
  fmt::print(
      "{}",
      FormatTable(
          {{"held-out text", "perplexity"},
           {fmt::format("{} ({} layers, d_model {})", folder.filename().string(),
                        model.config().layers, model.config().d_model),
            fmt::format("{:.2f}", perplexity)},
           {"interpolated 5-gram (modified Kneser-Ney)", fmt::format("{:.2f}", baseline)},
           {"below the 5-gram by", fmt::format("{:.1f}%", 100 * (1 - perplexity / baseline))}}));
  fmt::print("{} tokens of held-out text; both learned from the same {} tokens\n", of_ngram.tokens,
             train.ids.size());
}

}  // namespace

void AddModelTraining(CLI::App& model) {
  auto train = std::make_shared<TrainArguments>();
  CLI::App* command = model.add_subcommand(
      "train",
      "Train a default model from scratch: a SoLU transformer, or a masked LM over its tokenizer");
  command->add_option("--kind", train->kind, "lm: SoLU transformer; mlm: masked language model")
      ->check(CLI::IsMember({"lm", "mlm"}))
      ->capture_default_str();
  command->add_option("--text", train->text, "training text: file or folder of .txt and .jsonl")
      ->required();
  command->add_option("--held-out", train->held_out, "text to watch the loss on")->required();
  command->add_option("--out", train->out, "model folder to write; holds the checkpoint too")
      ->required();
  command->add_option("--tokenizer", train->tokenizer,
                      "folder of the tokenizer to use; absent: learn one");
  command->add_option(
      "--from", train->from,
      "model folder to start from: its weights, or of another kind its word vectors");
  command->add_option("--every", train->every, "train on every nth document")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--vocab", train->vocab, "tokens to learn")
      ->check(CLI::Range(300, 100000))
      ->capture_default_str();
  command->add_option("--layers", train->layers, "0: 6 for lm, 4 for mlm")
      ->check(CLI::Range(0, 48))
      ->capture_default_str();
  command->add_option("--d-model", train->d_model, "width, a multiple of 48")
      ->check(CLI::Range(48, 4800))
      ->capture_default_str();
  command->add_option("--threads", train->threads, "0: one a core")->capture_default_str();
  BindOptions(*command, train->options, "Training");
  command->callback([train] { RunTrain(*train); });

  auto evaluate = std::make_shared<EvaluateArguments>();
  command = model.add_subcommand(
      "evaluate", "Perplexity on held-out text, beside a 5-gram model of the same training text");
  command->add_option("DIR", evaluate->model, "model folder, or default")->required();
  command->add_option("--text", evaluate->text, "the model's training text")->required();
  command->add_option("--held-out", evaluate->held_out, "text that it was not trained on")
      ->required();
  command->add_option("--every", evaluate->every, "as in training")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->callback([evaluate] { RunEvaluate(*evaluate); });
}

}  // namespace assay::app
