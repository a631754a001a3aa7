// Neuron to Graph over whole models: neurons/s, tokens, share of time in the model, peak memory,
// and the ratio to one request at a time (goal: 50 times), without substitutes. The text is sampled
// from the model itself, so that nothing but a model is needed.
//   graph_bench [--full] [MODEL_FOLDER]
#include <fmt/core.h>
#include <unistd.h>

#include <chrono>

#include "bench/measured.h"
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

// [rows, tokens]: sampled from the model at temperature 1, BOS first.
at::Tensor SampleText(const Subject& subject, int64_t rows, int64_t tokens) {
  const c10::InferenceMode guard;
  at::manual_seed(1);
  const auto logits_hook = model::ParseHook("logits", subject.network.config());
  at::Tensor last = at::full({rows, 1}, subject.tokenizer->Specials().bos.value_or(0), at::kLong);
  std::vector<at::Tensor> columns = {last};
  model::KvCache cache;
  for (int64_t t = 1; t < tokens; ++t) {
    model::KvCache next;
    at::Tensor logits;
    subject.network.Forward(
        {.ids = last, .prefix = t > 1 ? &cache : nullptr, .save = &next}, {logits_hook},
        [&](const model::HookPoint&, at::Tensor& value) { logits = value.select(1, -1); });
    cache = std::move(next);
    columns.push_back(last = at::multinomial(at::softmax(logits, -1), 1));
  }
  return at::cat(columns, 1);
}

void Collect(const Subject& subject, store::RunStore& store, int64_t sequences) {
  neurons::ExampleCollector collector(subject.network, {.sample = 0, .batch_tokens = 4096}, 1);
  constexpr int64_t kRows = 200, kTokens = 128;
  for (int64_t begin = 0; begin < sequences; begin += kRows) {
    const at::Tensor text = SampleText(subject, kRows, kTokens);
    for (int64_t i = 0; i < kRows; ++i) {
      const auto* ids = text.data_ptr<int64_t>() + i * kTokens;
      collector.Add({begin + i, "sampled", begin + i, 0, {ids, ids + kTokens}});
    }
  }
  collector.Finish(store);
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
      "{:3.0f}% in the model; peak {:5.0f} MB\n",
      out.neurons, out.PerSecond(), static_cast<double>(out.stats.requests) / n,
      static_cast<double>(out.stats.forwards) / n, static_cast<double>(out.stats.tokens) / n,
      100 * out.stats.model_seconds / out.wall_seconds, bench::PeakMemoryMb());
  return out;
}

std::vector<base::UnitId> EveryNth(const std::vector<base::UnitId>& units, size_t wanted) {
  std::vector<base::UnitId> out;
  for (size_t i = 0; i < wanted; ++i) out.push_back(units[i * units.size() / wanted]);
  return out;
}

void Measure(const fs::path& folder, bool full) {
  const Subject subject = Load(folder);
  const auto run = fs::temp_directory_path() / fmt::format("graph_bench_{}", ::getpid());
  auto store = store::RunStore::Open(run, store::RunStore::Mode::kWrite);
  fmt::print("{}\n", folder.filename().string());
  Collect(subject, store, full ? 4000 : subject.network.config().d_model < 100 ? 1000 : 200);
  const auto units = store.UnitsWithExamples();
  const auto fast = [&](size_t count) {
    measure::ProbeScheduler prober(subject.network);
    return Graphs(subject, store, EveryNth(units, std::min(count, units.size())), prober);
  };
  model::SetThreads(1);
  fmt::print("1 thread\n");
  fast(20);  // the first forwards of a process pay for its start
  const Measured few = fast(100), many = fast(800);
  const Measured all =
      many.neurons < units.size() && (full || units.size() < 1000) ? fast(units.size()) : many;
  fmt::print("1 thread, one request at a time\n");
  measure::NaiveProber naive(subject.network);
  const size_t sample = full ? 100 : 20;
  const Measured slow = Graphs(subject, store, EveryNth(units, sample), naive);
  const Measured same = fast(sample);
  fmt::print("{} threads\n", bench::AllThreads());
  model::SetThreads(bench::AllThreads());
  const Measured threaded = fast(800);
  // A sample of the neurons asks for more or fewer prompts than all do: what a request costs is the
  // like-for-like comparison, and leaves out what sharing gains with the number of neurons.
  fmt::print(
      "ratio to one request at a time (goal 50): {:.0f} for the same {} neurons; {:.0f} with all "
      "{} against the sample; {:.0f} by the cost of a request\n"
      "neurons/s from 100 to 800 neurons x{:.2f}; from 1 to {} threads x{:.2f} (wall time)\n\n",
      same.PerSecond() / slow.PerSecond(), sample, all.PerSecond() / slow.PerSecond(), all.neurons,
      slow.SecondsPerRequest() / all.SecondsPerRequest(), many.PerSecond() / few.PerSecond(),
      bench::AllThreads(), many.wall_seconds / threaded.wall_seconds);
  fs::remove_all(run);
}

}  // namespace

int main(int argc, char** argv) {
  assay::model::PrepareProcess();
  assay::bench::PrintLoad();
  const std::span<char*> arguments(argv + 1, static_cast<size_t>(argc - 1));
  const bool full = bench::HasFlag(arguments, "--full");
  std::vector<fs::path> folders;
  for (const char* argument : arguments) {
    if (*argument != '-') folders.emplace_back(argument);
  }
  if (folders.empty()) {
    const fs::path stories = ASSAY_SOURCE_DIR "/../shared/models/stories260k";
    if (fs::exists(stories)) {
      folders.push_back(stories);
    } else {
      fmt::print("stories260k is not there: its figures are left out\n");
    }
    if (full) folders.emplace_back(ASSAY_SOURCE_DIR "/models/assay-solu-6l");
  }
  for (const fs::path& folder : folders) Measure(folder, full);
  return 0;
}
