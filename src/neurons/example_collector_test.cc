#include "neurons/example_collector.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>

#include "base/file.h"
#include "base/rng.h"
#include "model/model_testing.h"
#include "model/process_setup.h"
#include "neurons/neurons_testing.h"

namespace assay::neurons {
namespace {

using base::UnitId;
using model::ErrorOf;
using model::TemporaryFolder;
using model::TinyTransformer;
using store::Example;
using store::ExampleKind;
using store::RunStore;

// 300 sequences of 1 to 24 tokens; each tenth repeats an earlier one.
std::vector<store::Sequence> Sequences() {
  auto out = RandomSequences(300, 1, 24, 29, 3);
  for (size_t i = 10; i < out.size(); i += 10) out[i].tokens = out[i / 2].tokens;
  return out;
}

RunStore Collect(const std::filesystem::path& folder, const model::Transformer& network,
                 const std::vector<store::Sequence>& sequences, const CollectOptions& options) {
  RunStore store = RunStore::Open(folder, RunStore::Mode::kWrite);
  ExampleCollector collector(network, options, 1);
  for (const store::Sequence& sequence : sequences) collector.Add(sequence);
  collector.Finish(store);
  return store;
}

// Every activation of every sequence, one forward a sequence and layer: [sequence][layer] is
// [tokens, units].
class BruteForce {
 public:
  BruteForce(const model::Transformer& network, const std::vector<store::Sequence>& sequences) {
    const c10::InferenceMode guard;
    for (const store::Sequence& sequence : sequences) {
      const at::Tensor ids =
          at::tensor(std::vector<int64_t>(sequence.tokens.begin(), sequence.tokens.end()),
                     at::kLong)
              .unsqueeze(0);
      auto& layers = values_.emplace_back();
      for (int layer = 0; layer < network.config().layers; ++layer) {
        layers.push_back(
            network.Read({.ids = ids}, model::ActivationHook(layer, network.config()))[0]
                .contiguous());
      }
    }
  }
  float At(UnitId unit, size_t sequence, size_t token) const {
    const at::Tensor& layer = values_[sequence][static_cast<size_t>(unit.layer)];
    return layer.data_ptr<float>()[static_cast<int64_t>(token) * layer.size(1) + unit.index];
  }
  size_t Length(size_t sequence) const { return static_cast<size_t>(values_[sequence][0].size(0)); }
  size_t size() const { return values_.size(); }

 private:
  std::vector<std::vector<at::Tensor>> values_;
};

struct Strongest {
  float value;
  size_t sequence, token;
};

// Each sequence's largest (sign 1) or smallest (-1) counted activation, strongest first, ties to
// the earlier.
std::vector<Strongest> Ranked(const BruteForce& brute, UnitId unit, size_t first_counted,
                              float sign) {
  std::vector<Strongest> out;
  for (size_t s = 0; s < brute.size(); ++s) {
    if (brute.Length(s) <= first_counted) continue;
    Strongest best{brute.At(unit, s, first_counted), s, first_counted};
    for (size_t t = first_counted + 1; t < brute.Length(s); ++t) {
      if (sign * brute.At(unit, s, t) > sign * best.value) best = {brute.At(unit, s, t), s, t};
    }
    out.push_back(best);
  }
  std::stable_sort(out.begin(), out.end(), [sign](const auto& a, const auto& b) {
    return sign * a.value > sign * b.value;
  });
  return out;
}

bool Near(double a, double b) { return std::abs(a - b) <= 1e-5 * (1 + std::abs(b)); }

void ExpectExamples(const std::vector<Example>& stored, const std::vector<Strongest>& ranked,
                    size_t count, const BruteForce& brute, size_t first_counted) {
  ASSERT_EQ(stored.size(), std::min(count, ranked.size()));
  for (size_t rank = 0; rank < stored.size(); ++rank) {
    const Example& example = stored[rank];
    ASSERT_EQ(example.rank, static_cast<int>(rank));
    ASSERT_EQ(example.sequence, static_cast<int64_t>(ranked[rank].sequence))
        << base::ToString(example.unit) << " rank " << rank;
    ASSERT_EQ(example.pivot, static_cast<int>(ranked[rank].token));
    ASSERT_TRUE(Near(example.activation, ranked[rank].value));
    ASSERT_EQ(example.activations.size(), brute.Length(ranked[rank].sequence));
    for (size_t t = 0; t < example.activations.size(); ++t) {
      if (t < first_counted) {
        ASSERT_TRUE(std::isnan(example.activations[t]));
      } else {
        ASSERT_TRUE(Near(example.activations[t], brute.At(example.unit, ranked[rank].sequence, t)));
      }
    }
  }
}

void ExpectStatistics(const store::UnitStats& stats, const BruteForce& brute,
                      size_t first_counted) {
  double sum = 0, squares = 0, largest = -1e30, smallest = 1e30;
  int64_t count = 0, positive = 0;
  for (size_t s = 0; s < brute.size(); ++s) {
    for (size_t t = first_counted; t < brute.Length(s); ++t) {
      const double value = brute.At(stats.unit, s, t);
      sum += value, squares += value * value, ++count, positive += value > 0 ? 1 : 0;
      largest = std::max(largest, value), smallest = std::min(smallest, value);
    }
  }
  const double mean = sum / static_cast<double>(count);
  ASSERT_EQ(stats.tokens, count);
  ASSERT_TRUE(Near(stats.mean, mean));
  ASSERT_TRUE(Near(stats.variance, squares / static_cast<double>(count) - mean * mean));
  ASSERT_TRUE(Near(stats.maximum, largest));
  ASSERT_TRUE(Near(stats.minimum, smallest));
  ASSERT_NEAR(stats.firing_rate, static_cast<double>(positive) / static_cast<double>(count), 1e-12);
}

class CollectorOracleTest : public testing::TestWithParam<std::string> {};

INSTANTIATE_TEST_SUITE_P(Architectures, CollectorOracleTest, testing::Values("gpt2", "llama"),
                         model::ArchitectureTestName);

// One sequence a forward: the oracle's own arithmetic, so that exact ties (sequences that begin
// alike) are ties here too.
TEST_P(CollectorOracleTest, EqualsOneSequenceAtATime) {
  const TemporaryFolder folder;
  const model::Transformer network = TinyTransformer(GetParam());
  const auto sequences = Sequences();
  const RunStore store = Collect(folder.path() / "run", network, sequences,
                                 {.top = 7, .bottom = true, .batch_tokens = 1});
  const BruteForce brute(network, sequences);
  ASSERT_EQ(store.UnitsWithStats().size(), static_cast<size_t>(3 * network.config().d_mlp));
  for (const UnitId unit : store.UnitsWithStats()) {
    ExpectExamples(store.GetExamples(unit, ExampleKind::kTop), Ranked(brute, unit, 1, 1), 7, brute,
                   1);
    ExpectExamples(store.GetExamples(unit, ExampleKind::kBottom), Ranked(brute, unit, 1, -1), 7,
                   brute, 1);
    ExpectStatistics(*store.GetStats(unit), brute, 1);
    if (HasFatalFailure()) return;
  }
  for (const Example& example : store.GetExamples({1, 3})) {
    ASSERT_EQ(store.GetSequence(example.sequence).tokens,
              sequences[static_cast<size_t>(example.sequence)].tokens);
  }
}

// Batched, a matrix product rounds a row by where it stands in the batch: of sequences whose
// activations differ by less than that, either may come first.
TEST_P(CollectorOracleTest, BatchesChangeNoMoreThanTheOrderOfWhatDiffersByRounding) {
  const TemporaryFolder folder;
  const model::Transformer network = TinyTransformer(GetParam());
  const auto sequences = Sequences();
  const BruteForce brute(network, sequences);
  for (const int batch_tokens : {64, 8192}) {
    const RunStore store = Collect(folder.path() / std::to_string(batch_tokens), network, sequences,
                                   {.top = 7, .sample = 0, .batch_tokens = batch_tokens});
    for (const UnitId unit : store.UnitsWithStats()) {
      const auto stored = store.GetExamples(unit, ExampleKind::kTop);
      const auto ranked = Ranked(brute, unit, 1, 1);
      std::set<int64_t> seen;
      ASSERT_EQ(stored.size(), 7U);
      for (size_t rank = 0; rank < 7; ++rank) {
        ASSERT_TRUE(seen.insert(stored[rank].sequence).second);
        ASSERT_TRUE(Near(stored[rank].activation, ranked[rank].value));
        ASSERT_TRUE(Near(brute.At(unit, static_cast<size_t>(stored[rank].sequence),
                                  static_cast<size_t>(stored[rank].pivot)),
                         ranked[rank].value));
      }
      ExpectStatistics(*store.GetStats(unit), brute, 1);
      if (HasFatalFailure()) return;
    }
  }
}

TEST(ExampleCollectorTest, BosAndSkippedPositionsCountAsTheOptionsSay) {
  const model::Transformer network = TinyTransformer("gpt2");
  const auto sequences = Sequences();
  const BruteForce brute(network, sequences);
  for (const auto& [include_bos, skip] :
       {std::pair(true, 0), std::pair(false, 3), std::pair(true, 2)}) {
    const TemporaryFolder folder;
    const RunStore store =
        Collect(folder.path() / "run", network, sequences,
                {.top = 3, .include_bos = include_bos, .skip_positions = skip, .batch_tokens = 1});
    const auto first_counted = static_cast<size_t>((include_bos ? 0 : 1) + skip);
    for (const UnitId unit : {UnitId{0, 0}, UnitId{1, 33}, UnitId{2, 63}}) {
      ExpectExamples(store.GetExamples(unit, ExampleKind::kTop),
                     Ranked(brute, unit, first_counted, 1), 3, brute, first_counted);
      ExpectStatistics(*store.GetStats(unit), brute, first_counted);
      if (HasFatalFailure()) return;
    }
  }
}

// With as many examples a bin as sequences in it, the bins of a unit are its whole sample from
// weakest to strongest.
TEST(ExampleCollectorTest, QuantileBinsCutTheSampleByStrength) {
  const TemporaryFolder folder;
  const model::Transformer network = TinyTransformer("gpt2");
  const auto sequences = Sequences();
  const CollectOptions options{.sample = 40, .bins = 5, .per_bin = 8, .batch_tokens = 1, .seed = 9};
  const RunStore store = Collect(folder.path() / "run", network, sequences, options);
  const BruteForce brute(network, sequences);
  std::vector<std::pair<uint64_t, size_t>> order;  // the sample: the smallest random numbers
  for (size_t s = 0; s < sequences.size(); ++s) {
    if (brute.Length(s) > 1) order.emplace_back(base::Rng(9, "sample", s).Next(), s);
  }
  std::sort(order.begin(), order.end());
  std::set<size_t> sample;
  for (size_t i = 0; i < 40; ++i) sample.insert(order[i].second);
  for (const UnitId unit : store.UnitsWithStats()) {
    std::vector<Strongest> ranked = Ranked(brute, unit, 1, 1);
    std::erase_if(ranked, [&](const Strongest& s) { return !sample.contains(s.sequence); });
    const auto stored = store.GetExamples(
        unit, ExampleKind::kQuantile);  // bin 0 is the lowest, rank 0 the strongest
    ASSERT_EQ(stored.size(), 40U);
    for (size_t i = 0; i < 40; ++i) {
      const size_t bin = i / 8, rank = i % 8;
      ASSERT_EQ(stored[i].bin, static_cast<int>(bin));
      ASSERT_EQ(stored[i].rank, static_cast<int>(rank));
      const Strongest& expected = ranked[(4 - bin) * 8 + rank];
      ASSERT_EQ(stored[i].sequence, static_cast<int64_t>(expected.sequence))
          << base::ToString(unit) << " bin " << bin << " rank " << rank;
      ASSERT_EQ(stored[i].pivot, static_cast<int>(expected.token));
      ASSERT_TRUE(std::isnan(stored[i].activations[0]));
      ASSERT_TRUE(Near(stored[i].activations[expected.token], expected.value));
    }
  }
}

// Whether equal sequences stand in the order of their ids among each unit's examples.
void ExpectEarlierCopiesFirst(int batch_tokens) {
  const model::Transformer network = TinyTransformer("llama");
  auto sequences = RandomSequences(60, 5, 24, 29, 4);
  for (size_t i = 1; i < sequences.size(); i += 1 + i % 2)
    sequences[i].tokens = sequences[0].tokens;
  const TemporaryFolder folder;
  const RunStore store =
      Collect(folder.path() / "run", network, sequences,
              {.top = 60, .bottom = true, .sample = 0, .batch_tokens = batch_tokens});
  for (const UnitId unit : store.UnitsWithStats()) {
    for (const ExampleKind kind : {ExampleKind::kTop, ExampleKind::kBottom}) {
      std::vector<int64_t> copies;
      for (const Example& example : store.GetExamples(unit, kind)) {
        if (sequences[static_cast<size_t>(example.sequence)].tokens == sequences[0].tokens)
          copies.push_back(example.sequence);
      }
      ASSERT_TRUE(std::is_sorted(copies.begin(), copies.end())) << base::ToString(unit);
    }
  }
}

std::string HashOfRun(const model::Transformer& network, int batch_tokens) {
  const TemporaryFolder folder;
  const auto sequences = RandomSequences(120, 1, 24, 29, 3);
  const CollectOptions options{
      .top = 5, .bottom = true, .sample = 50, .batch_tokens = batch_tokens};
  return Collect(folder.path() / "run", network, sequences, options).ContentHash();
}

TEST(ExampleCollectorTest, OfEqualSequencesTheEarlierOneIsKept) { ExpectEarlierCopiesFirst(1); }

TEST(ExampleCollectorTest, TheRunIsTheSameForEveryNumberOfThreads) {
  const int threads_before = model::Threads();
  const model::Transformer network = TinyTransformer("llama");
  model::SetThreads(1);
  model::UseOneBlasThread();
  const std::string one = HashOfRun(network, 8192);
  model::SetThreads(2);
  model::UseOneBlasThread();  // as `assay neurons collect` does
  EXPECT_EQ(HashOfRun(network, 8192), one);
  model::SetThreads(threads_before);
}

// Windows are 512 sequences for this model, so a state of 512 is saved while 700 are in.
TEST(ExampleCollectorTest, ARestoredCollectionEndsLikeAnUninterruptedOne) {
  const TemporaryFolder folder;
  const model::Transformer network = TinyTransformer("gpt2");
  const auto sequences = RandomSequences(1100, 2, 9, 29, 6);
  const CollectOptions options{.top = 4, .bottom = true, .sample = 30};
  const std::string whole =
      Collect(folder.path() / "whole", network, sequences, options).ContentHash();
  const std::string path = (folder.path() / "checkpoint").string();
  {
    ExampleCollector collector(network, options, 1);
    for (size_t i = 0; i < 700; ++i) collector.Add(sequences[i]);
    collector.Save(path);
  }
  ExampleCollector collector(network, options, 1);
  collector.Restore(path);
  ASSERT_GT(collector.sequences_done(), 0);
  ASSERT_LT(collector.sequences_done(), 700);
  EXPECT_GT(collector.tokens_done(), 2 * collector.sequences_done());
  for (auto i = static_cast<size_t>(collector.sequences_done()); i < sequences.size(); ++i)
    collector.Add(sequences[i]);
  RunStore store = RunStore::Open(folder.path() / "resumed", RunStore::Mode::kWrite);
  collector.Finish(store);
  EXPECT_EQ(store.ContentHash(), whole);
}

TEST(ExampleCollectorTest, RefusesACheckpointThatIsDamagedOrOfAnotherCollection) {
  const TemporaryFolder folder;
  const model::Transformer network = TinyTransformer("gpt2");
  const CollectOptions options{.top = 2, .sample = 5};
  const std::string path = (folder.path() / "checkpoint").string();
  ExampleCollector saved(network, options, 1);
  for (const store::Sequence& sequence : RandomSequences(600, 2, 6, 29, 7)) saved.Add(sequence);
  saved.Save(path);
  const std::string bytes = base::ReadFile(path);
  const auto message = [&](const model::Transformer& other, const CollectOptions& with,
                           const std::string& content) {
    base::WriteFile(path, content);
    ExampleCollector collector(other, with, 1);
    const base::Error error = ErrorOf([&] { collector.Restore(path); });
    EXPECT_EQ(error.kind(), base::ErrorKind::kBadInput);
    EXPECT_NE(std::string(error.what()).find(path), std::string::npos);
    return std::string(error.what());
  };
  for (const size_t size : {size_t{20}, size_t{50}, bytes.size() / 3, bytes.size() / 2,
                            bytes.size() - 200, bytes.size() - 1}) {
    EXPECT_NE(message(network, options, bytes.substr(0, size)).find("cut short"), std::string::npos)
        << size;
  }
  EXPECT_NE(message(network, options, "").find("no collection checkpoint"), std::string::npos);
  EXPECT_NE(message(network, options, bytes + "x").find("longer"), std::string::npos);
  EXPECT_NE(message(TinyTransformer("llama"), options, bytes).find("neurons"), std::string::npos);
  EXPECT_NE(message(network, {.top = 2, .bottom = true, .sample = 5}, bytes).find("bottom"),
            std::string::npos);
}

TEST(ExampleCollectorTest, TextWithoutACountedTokenIsAnError) {
  const TemporaryFolder folder;
  const model::Transformer network = TinyTransformer("gpt2");
  const base::Error error = ErrorOf(
      [&] { Collect(folder.path() / "run", network, RandomSequences(5, 1, 1, 29, 1), {}); });
  EXPECT_EQ(error.kind(), base::ErrorKind::kBadInput);
}

}  // namespace
}  // namespace assay::neurons
