// Neuron to Graph over whole models: neurons/s, tokens, share of time in the model, peak memory,
// and the ratio to one request at a time (goal: 50 times), without substitutes.
//   graph_bench [--full] [MODEL_FOLDER TEXT]
#include <fmt/core.h>
#include <unistd.h>

#include <chrono>

#include "bench/measured.h"
#include "data/text_corpus.h"
#include "data/token_sequences.h"
#include "measure/naive_prober.h"
#include "measure/probe_scheduler.h"
#include "neurons/example_collector.h"
#include "neurons/graph_run.h"
#include "tokenizer/tokenizer.h"

namespace {

namespace fs = std::filesystem;
using namespace assay;  // a program of its own, not a header

struct Subject {
  model::Transformer network;
  std::unique_ptr<tokenizer::Tokenizer> tokenizer;
  neurons::GraphContext context;
};

Subject Load(const fs::path& folder) {
  auto network = model::Transformer::Load(folder);
  auto tokenizer = tokenizer::LoadTokenizer(folder);
  neurons::GraphContext context{.tokenizer = *tokenizer};
  for (int id = 0; id < network.config().vocab; ++id)
    context.token_texts.push_back(id < tokenizer->VocabSize() ? tokenizer->TokenText(id)
                                                              : fmt::format("<id {}>", id));
  const neurons::GraphOptions options;
  if (options.normalize_tokens)
    context.classes = neurons::TokenClasses::Normalized(context.token_texts);
  context.mask =
      neurons::ResolveMaskToken(options.mask_token, tokenizer->Specials(), network.config().vocab);
  return {std::move(network), std::move(tokenizer), std::move(context)};
}

void Collect(const Subject& subject, const fs::path& text, store::RunStore& store,
             int64_t max_tokens) {
  data::TextCorpus corpus({text}, {});
  data::TokenSequences sequences(
      corpus, *subject.tokenizer,
      data::ResolveBos("auto", subject.tokenizer->Specials(), subject.network.config().bos_id),
      {.max_tokens_total = max_tokens, .read_ahead = 0});
  neurons::ExampleCollector collector(subject.network, {.sample = 0, .batch_tokens = 4096}, 1);
  while (auto sequence = sequences.Next())
    collector.Add({sequence->id, "text", sequence->document, sequence->begin, sequence->tokens});
  collector.Finish(store);
}

// Floating-point operations of a token in one block, attention's own left out.
double FlopsPerTokenLayer(const model::TransformerConfig& config) {
  const double d = config.d_model, heads = config.heads + 2 * config.kv_heads;
  return 2 * d *
         (config.d_head * (heads + config.heads) + (config.gated_mlp ? 3.0 : 2.0) * config.d_mlp);
}

struct Measured {
  size_t neurons = 0;
  double seconds = 0;       // bench::Now's
  double wall_seconds = 0;  // as the prober counts the model's
  measure::ProbeStats stats;
  double SecondsPerRequest() const { return seconds / static_cast<double>(stats.requests); }
  double PerSecond() const { return static_cast<double>(neurons) / seconds; }
};

Measured Graphs(const Subject& subject, store::RunStore& store, std::span<const base::UnitId> units,
                measure::Prober& prober) {
  store.DropGraphs();
  Measured out{.neurons = units.size()};
  bench::ResetPeakMemory();
  const int block = neurons::BlockFor(subject.network.config());
  const auto start = std::chrono::steady_clock::now();
  out.seconds = bench::Seconds([&] {
    neurons::BuildMissingGraphs(store, units, {}, {.block = block}, subject.context, prober,
                                nullptr);
  });
  out.wall_seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  out.stats = prober.stats();
  const double n = static_cast<double>(out.neurons);
  fmt::print(
      "{:6} neurons {:9.1f} neurons/s {:5.0f} prompts, {:6.1f} forwards, {:7.0f} tokens a neuron; "
      "{:3.0f}% in the model; {:5.1f} GFLOP/s; peak {:5.0f} MB\n",
      out.neurons, out.PerSecond(), static_cast<double>(out.stats.requests) / n,
      static_cast<double>(out.stats.forwards) / n, static_cast<double>(out.stats.tokens) / n,
      100 * out.stats.model_seconds / out.wall_seconds,
      static_cast<double>(out.stats.token_layers) * FlopsPerTokenLayer(subject.network.config()) /
          out.seconds / 1e9,
      bench::PeakMemoryMb());
  return out;
}

std::vector<base::UnitId> EveryNth(const std::vector<base::UnitId>& units, size_t wanted) {
  std::vector<base::UnitId> out;
  for (size_t i = 0; i < wanted; ++i) out.push_back(units[i * units.size() / wanted]);
  return out;
}

void Measure(const fs::path& folder, const fs::path& text, bool full) {
  const Subject subject = Load(folder);
  const auto run = fs::temp_directory_path() / fmt::format("graph_bench_{}", ::getpid());
  auto store = store::RunStore::Open(run, store::RunStore::Mode::kWrite);
  fmt::print("{} over {}\n", folder.filename().string(), text.filename().string());
  Collect(subject, text, store, full ? 1'000'000 : 100'000);
  const auto units = store.UnitsWithExamples();
  const auto fast = [&](size_t count) {
    measure::ProbeScheduler prober(subject.network);
    return Graphs(subject, store, EveryNth(units, std::min(count, units.size())), prober);
  };
  model::SetThreads(1);
  fmt::print("1 thread\n");
  fast(20);  // the first forwards of a process pay for its start
  const Measured few = fast(100), many = fast(800);
  const bool whole = full || units.size() < 1000;
  const Measured all = whole ? fast(units.size()) : many;
  const auto& config = subject.network.config();
  fmt::print("the machine's matrix product of 2048 x {} x {}: {:.1f} GFLOP/s\n", config.d_model,
             config.d_mlp, bench::SgemmGflops(2048, config.d_model, config.d_mlp));
  fmt::print("1 thread, one request at a time\n");
  measure::NaiveProber naive(subject.network);
  // Of all neurons where that takes a minute or two: a sample asks for more or fewer prompts.
  const size_t sample = full ? std::min<size_t>(units.size(), 860) : 60;
  const Measured slow = Graphs(subject, store, EveryNth(units, sample), naive);
  fmt::print("{} threads\n", bench::AllThreads());
  model::SetThreads(bench::AllThreads());
  const Measured threaded = fast(800);
  fmt::print(
      "ratio to one request at a time (goal 50): {:.0f} in neurons/s, {} against {} neurons; "
      "{:.0f} by "
      "the cost of a request, which does not depend on the choice of neurons\n"
      "neurons/s from 100 to 800 neurons x{:.2f}; from 1 to {} threads x{:.2f} (wall time)\n\n",
      all.PerSecond() / slow.PerSecond(), all.neurons, sample,
      slow.SecondsPerRequest() / all.SecondsPerRequest(), many.PerSecond() / few.PerSecond(),
      bench::AllThreads(), many.wall_seconds / threaded.wall_seconds);
  fs::remove_all(run);
}

}  // namespace

int main(int argc, char** argv) {
  assay::model::PrepareProcess(argv);
  assay::bench::PrintLoad();
  const std::span<char*> arguments(argv + 1, static_cast<size_t>(argc - 1));
  const bool full = bench::HasFlag(arguments, "--full");
  std::vector<fs::path> given;
  for (const char* argument : arguments) {
    if (*argument != '-') given.emplace_back(argument);
  }
  const fs::path shared = ASSAY_SOURCE_DIR "/../shared";
  if (given.size() == 2) {
    Measure(given[0], given[1], full);
  } else if (!fs::exists(shared)) {
    fmt::print("../shared is not there; give a model folder and a text\n");
  } else {
    Measure(shared / "models/stories260k", shared / "data/text/tinystories_700.jsonl", full);
    if (full)
      Measure(ASSAY_SOURCE_DIR "/models/assay-solu-6l", shared / "data/text/inaugural", full);
  }
  return 0;
}
