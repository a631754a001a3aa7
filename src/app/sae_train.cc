// `assay sae train`: a sparse autoencoder on a hook of a language model.
#include <fmt/core.h>

#include <chrono>
#include <filesystem>
#include <memory>

#include "app/commands.h"
#include "app/loaded_model.h"
#include "app/machine.h"
#include "app/option_binding.h"
#include "app/terminal.h"
#include "base/file.h"
#include "data/text_corpus.h"
#include "training/sae_trainer.h"

namespace assay::app {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

struct SaeTrainArguments {
  std::string model = "default", hook, out, device = "cpu", dtype = "float32";
  std::vector<std::string> text;
  int64_t tokens = 200000;
  bool restart = false;
  double checkpoint_minutes = 2;
  data::TokenSequenceOptions sequences;
  training::SaeTrainOptions train;
};

at::Tensor ReadHook(const SaeTrainArguments& arguments, const LoadedModel& model,
                    const model::HookPoint& hook) {
  const std::vector<fs::path> inputs(arguments.text.begin(), arguments.text.end());
  data::TextCorpus corpus(inputs, {}, [](const data::CorpusProblem& problem) {
    fmt::print(stderr, "warning: {}\n", ToString(problem));
  });
  const auto bos = data::ResolveBos(arguments.sequences.bos, model.tokenizer->Specials(),
                                    model.network.config().bos_id);
  data::TokenSequenceOptions options = arguments.sequences;
  options.max_tokens = std::min(options.max_tokens, model.network.config().max_positions);
  data::TokenSequences sequences(corpus, *model.tokenizer, bos, options);
  base::Progress progress("read hook", "tokens", arguments.tokens, TerminalProgress());
  const auto next = [&]() -> std::optional<std::vector<int32_t>> {
    auto sequence = sequences.Next();
    if (!sequence) return std::nullopt;
    progress.Add(static_cast<int64_t>(sequence->tokens.size()));
    return std::move(sequence->tokens);
  };
  at::Tensor data = training::CollectHook(model.network, hook, next, bos ? 1 : 0, arguments.tokens);
  progress.Finish();
  return data;
}

void RunSaeTrain(const SaeTrainArguments& arguments) {
  WarnAboutBlas();
  base::ValidateFields(arguments.train);
  const LoadedModel model =
      LoadModel(ResolveModel(arguments.model), arguments.device, arguments.dtype);
  const model::HookPoint hook = model::ParseHook(arguments.hook, model.network.config());
  const fs::path out(arguments.out), checkpoint = out / "training.checkpoint.safetensors";
  if (arguments.restart) fs::remove(checkpoint);
  fs::create_directories(out);
  training::SaeTrainer trainer(ReadHook(arguments, model, hook), arguments.train);
  if (fs::exists(checkpoint)) {
    trainer.Restore(checkpoint);
    fmt::print(stderr, "going on after step {}\n", trainer.steps_done());
  }
  base::Progress progress("train", "steps", arguments.train.steps, TerminalProgress(),
                          trainer.steps_done());
  const auto start = Clock::now();
  auto saved = start;
  training::SaeTrainPoint last;
  nlohmann::json curve = nlohmann::json::array();
  std::vector<double> unexplained;
  const int64_t begun = trainer.steps_done();
  while (!trainer.Done()) {
    last = trainer.Step();
    if (last.step % std::max<int64_t>(1, arguments.train.steps / 100) == 0) {
      curve.push_back({{"step", last.step},
                       {"unexplained", last.unexplained},
                       {"l0", last.l0},
                       {"embedding_loss", last.embedding_loss},
                       {"dead", last.dead}});
      unexplained.push_back(last.unexplained);
    }
    progress.Add(1);
    if (Clock::now() - saved > std::chrono::duration<double>(60 * arguments.checkpoint_minutes)) {
      trainer.Save(checkpoint);
      saved = Clock::now();
    }
  }
  progress.Finish();
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  trainer.Result(model::HookName(hook, model.network.config()), model.folder.filename().string())
      .Save(out, {{"kind", arguments.train.kind},
                  {"model_hash", model.hash},
                  {"assay", ASSAY_VERSION},
                  {"training", base::FieldsToJson(arguments.train)},
                  {"tokens", arguments.tokens},
                  {"prepend_bos", arguments.sequences.bos != "never"},
                  {"context_size", arguments.sequences.max_tokens},
                  {"curve", curve}});
  fs::remove(checkpoint);
  fmt::print(
      "unexplained variance {}\nlast batch: L0 {:.1f}, unexplained {:.4f}, {} dead; {} features "
      "started again\n{:.0f} vectors a second; wrote {}\n",
      Sparkline(unexplained), last.l0, last.unexplained, last.dead, trainer.restarted(),
      static_cast<double>((trainer.steps_done() - begun) * arguments.train.batch) / seconds,
      arguments.out);
}

}  // namespace

void AddSaeTrain(CLI::App& sae) {
  auto arguments = std::make_shared<SaeTrainArguments>();
  CLI::App* command = sae.add_subcommand(
      "train", "Train an SAE on a hook of a model; run again, it goes on from its last checkpoint");
  command->add_option("--model", arguments->model, "model folder, or default")
      ->capture_default_str();
  command
      ->add_option("--hook", arguments->hook,
                   "hook that it reconstructs, for example blocks.3.hook_resid_pre")
      ->required();
  command->add_option("--text", arguments->text, "text: .txt, .jsonl or folders of them")
      ->required();
  command->add_option("--out", arguments->out, "SAELens folder to write")->required();
  command->add_option("--tokens", arguments->tokens, "tokens to train on; kept in memory")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_flag("--restart", arguments->restart, "do not go on from a checkpoint");
  command->add_option("--checkpoint-minutes", arguments->checkpoint_minutes, "how often to save")
      ->capture_default_str();
  AddDeviceOptions(*command, arguments->device, arguments->dtype);
  BindOptions(*command, arguments->train, "Training");
  BindOptions(*command, arguments->sequences, "Sequences");
  command->callback([arguments] { RunSaeTrain(*arguments); });
}

}  // namespace assay::app
