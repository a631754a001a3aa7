// Embeddings and clusters of the neurons of a model at 100 examples each: neurons/s and the share
// of the time in the model; and the search for similar clusters: 200,000 vectors of 768, build
// time, query time and recall@20 of the exact index and inverted lists. One thread; times are of
// the processor. Text is random tokens: nothing but a model is needed.
//   embedding_bench [--full] [MODEL_FOLDER]     --full: all neurons and all vectors, else an eighth
#include <fmt/core.h>
#include <omp.h>
#include <unistd.h>

#include <filesystem>

#include "base/rng.h"
#include "bench/measured.h"
#include "neurons/embedding_run.h"
#include "neurons/example_collector.h"
#include "neurons/graph_run.h"
#include "neurons/vector_index.h"

namespace {

namespace fs = std::filesystem;
using namespace assay;  // a program of its own, not a header

void EmbedAll(const fs::path& model_folder, bool full) {
  const model::Transformer network = model::Transformer::Load(model_folder);
  const model::TransformerNeurons units(network);
  const fs::path run = fs::temp_directory_path() / fmt::format("assay_bench_{}", ::getpid());
  store::RunStore store = store::RunStore::Open(run, store::RunStore::Mode::kWrite);
  neurons::ExampleCollector collector(units, {.top = 100, .sample = 0, .batch_tokens = 4096}, 1);
  base::Rng rng(1, "text");
  for (int64_t id = 0; id < 600; ++id) {
    store::Sequence sequence{.id = id, .tokens = {0}};
    while (sequence.tokens.size() < 64) {
      sequence.tokens.push_back(
          static_cast<int32_t>(rng.Below(static_cast<uint64_t>(network.config().vocab))));
    }
    collector.Add(std::move(sequence));
  }
  collector.Finish(store);
  const auto wanted = neurons::SelectUnits({.sample = full ? 0 : network.config().d_mlp / 8},
                                           store.UnitsWithExamples());
  for (const char* cut : {"fixed", "auto"}) {
    store.DropEmbeddings();
    neurons::EmbedTimes times;
    const double seconds = bench::Seconds([&] {
      times = neurons::EmbedUnits(store, wanted, {.examples = "top", .cap = 100}, {.cut = cut},
                                  {.model = units,
                                   .open_text = {},
                                   .token_texts = std::vector<std::string>(
                                       static_cast<size_t>(network.config().vocab), "t")},
                                  nullptr);
    });
    fmt::print(
        "embed, {:5} cut   {} neurons, {:.1f} examples each: {:6.0f} neurons/s, {:.0f}% of the "
        "time in the model\n",
        cut, times.units, static_cast<double>(times.examples) / static_cast<double>(times.units),
        static_cast<double>(times.units) / seconds, 100 * times.model_seconds / times.seconds);
  }
  fs::remove_all(run);
}

void SearchVectors(int64_t n) {
  constexpr int64_t kWidth = 768, kQueries = 500, kNearest = 20;
  // Groups of neighbours, as features that recur in several units are.
  base::Rng rng(1, "vectors");
  std::vector<float> vectors(static_cast<size_t>(n * kWidth)), centre(kWidth);
  for (int64_t i = 0; i < n; ++i) {
    if (i % 25 == 0) {
      for (float& value : centre) value = static_cast<float>(rng.Normal());
    }
    for (int64_t d = 0; d < kWidth; ++d) {
      vectors[static_cast<size_t>(i * kWidth + d)] =
          centre[static_cast<size_t>(d)] + 0.7F * static_cast<float>(rng.Normal());
    }
  }
  const std::span queries(vectors.data(), static_cast<size_t>(kQueries * kWidth));
  double exact_query = 0;
  for (const char* kind : {"exact", "ivf"}) {
    std::optional<neurons::VectorIndex> index;
    const double build =
        bench::Seconds([&] { index.emplace(vectors, kWidth, neurons::VectorIndexOptions{kind}); });
    const double query = bench::Seconds([&] { index->Search(queries, kNearest); }) / kQueries;
    if (exact_query == 0) exact_query = query;
    fmt::print(
        "search, {:5}  {} x {}: build {:6.1f} s, query {:7.3f} ms ({:.1f} times as fast as exact), "
        "recall@{} {:.3f}\n",
        kind, n, kWidth, build, 1000 * query, exact_query / query, kNearest,
        index->MeasureRecall(kQueries, kNearest));
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::span arguments(argv + 1, static_cast<size_t>(argc - 1));
  const bool full = bench::HasFlag(arguments, "--full");
  fs::path folder = fs::path(ASSAY_SOURCE_DIR) / "models" / "assay-solu-6l";
  for (const char* argument : arguments) {
    if (!std::string_view(argument).starts_with("--")) folder = argument;
  }
  model::KeepLargeBlocks();
  model::SetThreads(1);
  omp_set_num_threads(1);  // of FAISS
  EmbedAll(folder, full);
  SearchVectors(full ? 200000 : 25000);
}
