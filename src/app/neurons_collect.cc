// `assay neurons collect`: the strongest examples of every neuron, from one pass over a text.
#include <fmt/core.h>

#include <chrono>
#include <filesystem>
#include <memory>

#include "app/commands.h"
#include "app/loaded_units.h"
#include "app/machine.h"
#include "app/neurons_run.h"
#include "app/option_binding.h"
#include "app/terminal.h"
#include "base/file.h"
#include "data/text_corpus.h"
#include "model/process_setup.h"
#include "neurons/example_collector.h"

namespace assay::app {
namespace {

namespace fs = std::filesystem;
using base::ErrorKind;
using base::Fail;

struct CollectArguments {
  std::string model = "default", sae, run, device = "cpu", dtype = "float32";
  std::vector<std::string> text;
  bool restart = false;
  double checkpoint_minutes = 5;
  data::TextCorpusOptions corpus;
  data::TokenSequenceOptions sequences;
  neurons::CollectOptions collect;
};

// What makes two collections the same: their manifests and checkpoints are compared by it.
nlohmann::json Identity(const CollectArguments& arguments, const LoadedModel& model,
                        const std::string& text_hash) {
  nlohmann::json collect = base::FieldsToJson(arguments.collect),
                 sequences = base::FieldsToJson(arguments.sequences);
  sequences.erase("read-ahead");  // does not change the result
  return {{"model_hash", model.hash}, {"dtype", arguments.dtype},
          {"text_hash", text_hash},   {"collect", collect},
          {"sequences", sequences},   {"corpus", base::FieldsToJson(arguments.corpus)}};
}

int64_t TextBytes(const std::vector<fs::path>& files) {
  int64_t bytes = 0;
  std::error_code code;
  for (const fs::path& file : files) {
    const auto size = fs::file_size(file, code);
    if (!code) bytes += static_cast<int64_t>(size);
  }
  return bytes;
}

// Feeds the collector, with progress and checkpoints.
void Feed(data::TokenSequences& sequences, const std::vector<fs::path>& files,
          const std::vector<std::string>& token_texts, const CollectArguments& arguments,
          const nlohmann::json& identity, neurons::ExampleCollector& collector) {
  const fs::path checkpoint = fs::path(arguments.run) / "collect.checkpoint",
                 about = fs::path(arguments.run) / "collect.checkpoint.json";
  if (fs::exists(checkpoint) && fs::exists(about) && base::ReadJson(about) == identity)
    collector.Restore(checkpoint.string());
  const int64_t skip = collector.sequences_done(), total_bytes = TextBytes(files);
  if (skip > 0) fmt::print(stderr, "going on after {} sequences of an earlier collection\n", skip);
  base::Progress progress("collect", "tokens", 0, TerminalProgress(), collector.tokens_done());
  int64_t tokens = 0, bytes = 0;
  auto saved = std::chrono::steady_clock::now();
  for (int64_t count = 0; auto next = sequences.Next(); ++count) {
    for (const tokenizer::TokenId id : next->tokens)
      bytes += static_cast<int64_t>(token_texts[static_cast<size_t>(id)].size());
    tokens += static_cast<int64_t>(next->tokens.size());
    if (count < skip) continue;
    const int64_t done = collector.sequences_done();
    const int64_t amount = static_cast<int64_t>(next->tokens.size());
    collector.Add({next->id, files[next->file].string(), next->document, next->begin,
                   std::move(next->tokens)});
    progress.SetTotal(std::max(
        tokens, static_cast<int64_t>(static_cast<double>(tokens) / static_cast<double>(bytes) *
                                     static_cast<double>(total_bytes))));
    progress.Add(amount);
    const bool due = std::chrono::steady_clock::now() - saved >
                     std::chrono::duration<double>(60 * arguments.checkpoint_minutes);
    if (due && collector.sequences_done() > done) {
      collector.Save(checkpoint.string());
      base::WriteFile(about, identity.dump());
      saved = std::chrono::steady_clock::now();
    }
  }
  progress.SetTotal(tokens);
  progress.Finish();
}

void RunCollect(const CollectArguments& arguments) {
  WarnAboutBlas();
  model::UseOneBlasThread();
  const auto start = std::chrono::steady_clock::now();
  const auto loaded =
      LoadUnits(ResolveModel(arguments.model), arguments.sae, arguments.device, arguments.dtype);
  const LoadedModel& model = loaded->model;
  if (!model.network.config().causal)
    Fail(ErrorKind::kUnsupported,
         "{}: neurons are collected from causal models; this is an encoder", model.folder.string());
  if (arguments.sequences.max_tokens > model.network.config().max_positions) {
    Fail(ErrorKind::kUsage, "--sequence-tokens is {}; the model has {} positions",
         arguments.sequences.max_tokens, model.network.config().max_positions);
  }
  const std::vector<fs::path> inputs(arguments.text.begin(), arguments.text.end());
  data::TextCorpus corpus(inputs, arguments.corpus, [](const data::CorpusProblem& problem) {
    fmt::print(stderr, "warning: {}\n", ToString(problem));
  });
  const std::string text_hash = corpus.ContentHash();
  nlohmann::json identity = Identity(arguments, model, text_hash);
  if (loaded->autoencoder) identity["sae_hash"] = loaded->autoencoder_hash;
  if (arguments.restart) fs::remove_all(arguments.run);
  store::RunStore store = store::RunStore::Open(arguments.run, store::RunStore::Mode::kWrite);
  if (const auto done = store.Manifest("identity")) {
    if (*done != identity) {
      Fail(ErrorKind::kUsage,
           "{}: holds a collection of another model, text or options; give another --run, or "
           "--restart to replace it",
           arguments.run);
    }
    if (store.Manifest("collect")) {
      fmt::print("{} is already collected\n", arguments.run);
      return;
    }
  }
  const auto bos = data::ResolveBos(arguments.sequences.bos, model.tokenizer->Specials(),
                                    model.network.config().bos_id);
  const int bos_tokens = bos ? 1 : 0;
  const std::vector<std::string> token_texts = TokenTexts(model);
  store.Transaction([&] {
    store.PutManifest("identity", identity);
    store.PutManifest("model", DescribeUnits(*loaded, arguments.device, arguments.dtype));
  });
  store.PutTokenTexts(token_texts);
  neurons::ExampleCollector collector(*loaded->units, arguments.collect, bos_tokens);
  data::TokenSequences sequences(corpus, *model.tokenizer, bos, arguments.sequences);
  Feed(sequences, corpus.files(), token_texts, arguments, identity, collector);
  fmt::print(stderr, "writing examples\n");
  collector.Finish(store);
  const data::CorpusCounts counts = corpus.counts();
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  store.Transaction([&] {
    nlohmann::json sampled = collector.SampledSequences();
    store.PutManifest("text", {{"inputs", arguments.text},
                               {"hash", text_hash},
                               {"documents", counts.documents},
                               {"duplicates", counts.duplicates},
                               {"problems", counts.problems},
                               {"bytes", counts.text_bytes},
                               {"options", base::FieldsToJson(arguments.corpus)}});
    nlohmann::json about = {{"options", base::FieldsToJson(arguments.sequences)},
                            {"bos_tokens", bos_tokens},
                            {"first_counted", (arguments.collect.include_bos ? 0 : bos_tokens) +
                                                  arguments.collect.skip_positions},
                            {"sequences", sequences.counts().sequences},
                            {"tokens", sequences.counts().tokens},
                            {"sampled", sampled}};
    about["bos_id"] = bos ? nlohmann::json(*bos) : nlohmann::json();
    store.PutManifest("sequences", about);
    store.PutManifest("collect", {{"options", base::FieldsToJson(arguments.collect)},
                                  {"assay", ASSAY_VERSION},
                                  {"finished_at", TimeNow()},
                                  {"seconds", seconds}});
  });
  fs::remove(fs::path(arguments.run) / "collect.checkpoint");
  fs::remove(fs::path(arguments.run) / "collect.checkpoint.json");
  fmt::print(
      "{} documents ({} duplicates dropped, {} problems), {} sequences, {} tokens\n{} {} with "
      "examples in {}\n",
      counts.documents, counts.duplicates, counts.problems, sequences.counts().sequences,
      sequences.counts().tokens, store.UnitsWithStats().size(), loaded->units->Description(),
      arguments.run);
}

}  // namespace

void AddNeuronsCollect(CLI::App& neurons) {
  auto arguments = std::make_shared<CollectArguments>();
  CLI::App* command = neurons.add_subcommand(
      "collect", "Find every neuron's strongest examples in a text, in one pass over all layers");
  command
      ->add_option("--model", arguments->model, "model folder in Hugging Face layout, or default")
      ->capture_default_str();
  command->add_option("--sae", arguments->sae,
                      "collect the features of this sparse autoencoder (SAELens folder) instead of "
                      "neurons");
  command
      ->add_option("--text", arguments->text,
                   "text: .txt, .jsonl (a `text` field) or folders of them")
      ->required();
  command->add_option("--run", arguments->run, "run folder to write")->required();
  command->add_flag("--restart", arguments->restart, "throw away what the run folder holds");
  command
      ->add_option("--checkpoint-minutes", arguments->checkpoint_minutes,
                   "how often the state is saved for resuming")
      ->capture_default_str();
  AddDeviceOptions(*command, arguments->device, arguments->dtype);
  BindOptions(*command, arguments->collect, "Collecting");
  BindOptions(*command, arguments->sequences, "Sequences");
  BindOptions(*command, arguments->corpus, "Text");
  command->callback([arguments] { RunCollect(*arguments); });
}

}  // namespace assay::app
