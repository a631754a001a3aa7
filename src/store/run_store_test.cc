#include "store/run_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/rng.h"
#include "store/store_testing.h"

namespace assay::store {
namespace {

using base::ErrorKind;
using testing::ElementsAre;
using testing::IsEmpty;
using Mode = RunStore::Mode;

class RunStoreTest : public testing::Test {
 protected:
  TemporaryFolder folder_;
  RunStore store_ = RunStore::Open(folder_.path() / "runs" / "first", Mode::kWrite);
};

TEST_F(RunStoreTest, KeepsTheManifest) {
  store_.PutManifest("model", {{"name", "tiny \u00fc"}, {"ratio", 0.1}});
  store_.PutManifest("model", {{"name", "other"}, {"ratio", 0.1}});
  store_.PutManifest("seed", 18446744073709551615u);
  EXPECT_EQ(store_.Manifest("model"), (nlohmann::json{{"name", "other"}, {"ratio", 0.1}}));
  EXPECT_EQ(store_.Manifest("absent"), std::nullopt);
  EXPECT_EQ(store_.WholeManifest(), (nlohmann::json{{"model", {{"name", "other"}, {"ratio", 0.1}}},
                                                    {"seed", 18446744073709551615u}}));
  EXPECT_EQ(ErrorOf([&] { store_.PutManifest("bad", "\xFF"); }).kind(), ErrorKind::kBadInput);
}

TEST_F(RunStoreTest, KeepsTokenTextsByteByByte) {
  const std::vector<std::string> texts = {"",
                                          " the",
                                          std::string("a\0b", 3),
                                          "\xFF\xC3",
                                          "\u0142\u00f3d\u017a \U0001F600",
                                          "\n",
                                          std::string("a\0c", 3),
                                          std::string(1, '\0')};
  store_.PutTokenTexts(texts);
  EXPECT_EQ(store_.TokenTexts(), texts);
  store_.PutTokenTexts(std::span(texts).first(2));
  EXPECT_THAT(store_.TokenTexts(), ElementsAre("", " the"));
}

TEST_F(RunStoreTest, KeepsSequences) {
  store_.Put(
      Sequence{int64_t{1} << 40, "a b/\u00e9.txt", 7, int64_t{1} << 33, {0, -1, 2147483647}});
  store_.Put(Sequence{2, "", 0, 0, {}});
  const Sequence large = store_.GetSequence(int64_t{1} << 40);
  EXPECT_EQ(large.id, int64_t{1} << 40);
  EXPECT_EQ(large.source, "a b/\u00e9.txt");
  EXPECT_EQ(large.document, 7);
  EXPECT_EQ(large.begin, int64_t{1} << 33);
  EXPECT_THAT(large.tokens, ElementsAre(0, -1, 2147483647));
  EXPECT_THAT(store_.GetSequence(2).tokens, IsEmpty());
  const base::Error error = ErrorOf([&] { store_.GetSequence(3); });
  EXPECT_EQ(error.kind(), ErrorKind::kNotFound);
  EXPECT_THAT(error.what(), testing::HasSubstr("no sequence 3"));
}

TEST_F(RunStoreTest, KeepsStatistics) {
  store_.Put(UnitStats{{1, 5}, 10, 0.1, NAN, INFINITY, -3e-300, 1.0 / 3});
  store_.Put(UnitStats{{0, 70000}, 10, 0, 0, 0, 0, 0});
  store_.Put(UnitStats{{1, 2}, 10, 0, 0, 0, 0, 0});
  const UnitStats stats = store_.GetStats({1, 5}).value();
  EXPECT_EQ(stats.tokens, 10);
  EXPECT_EQ(stats.mean, 0.1);
  EXPECT_TRUE(std::isnan(stats.variance));
  EXPECT_EQ(stats.maximum, INFINITY);
  EXPECT_EQ(stats.minimum, -3e-300);
  EXPECT_EQ(stats.firing_rate, 1.0 / 3);
  EXPECT_FALSE(store_.GetStats({1, 6}));
  EXPECT_THAT(store_.UnitsWithStats(), ElementsAre(UnitId{0, 70000}, UnitId{1, 2}, UnitId{1, 5}));
}

TEST_F(RunStoreTest, KeepsExamplesInOrder) {
  const float quiet_nan = std::bit_cast<float>(0x7FC00001u);  // the payload survives
  const std::vector<float> activations = {quiet_nan, -0.0f, 1e-45f, INFINITY};
  store_.Put(Example{{0, 1}, ExampleKind::kQuantile, 1, 0, 5, 1, 0.1f, activations});
  store_.Put(Example{{0, 1}, ExampleKind::kQuantile, 0, 1, 6, 2, -2, {}});
  store_.Put(Example{{0, 1}, ExampleKind::kGiven, 0, 0, 7, 3, NAN, {1}});
  store_.Put(Example{{0, 1}, ExampleKind::kTop, 0, 1, 8, 4, 1, {1}});
  store_.Put(Example{{0, 1}, ExampleKind::kTop, 0, 0, 9, 5, 2, {1}});
  store_.Put(Example{{3, 0}, ExampleKind::kBottom, 0, 0, 9, 5, 2, {1}});
  const std::vector<Example> examples = store_.GetExamples({0, 1});
  ASSERT_EQ(examples.size(), 5u);
  EXPECT_EQ(examples[0].sequence, 9);
  EXPECT_EQ(examples[1].sequence, 8);
  EXPECT_EQ(examples[2].bin, 0);
  EXPECT_THAT(examples[2].activations, IsEmpty());
  EXPECT_EQ(examples[3].bin, 1);
  EXPECT_EQ(examples[3].pivot, 1);
  EXPECT_EQ(examples[3].activation, 0.1f);
  EXPECT_TRUE(SameBits(examples[3].activations, activations));
  EXPECT_EQ(examples[4].kind, ExampleKind::kGiven);
  EXPECT_TRUE(std::isnan(examples[4].activation));
  EXPECT_EQ(store_.GetExamples({0, 1}, ExampleKind::kQuantile).size(), 2u);
  EXPECT_THAT(store_.GetExamples({0, 1}, ExampleKind::kBottom), IsEmpty());
  EXPECT_THAT(store_.UnitsWithExamples(), ElementsAre(UnitId{0, 1}, UnitId{3, 0}));
}

TEST_F(RunStoreTest, KeepsPrunings) {
  store_.Put(Pruning{{0, 1}, 4, PruneOutcome::kNotPositive, 3, 0, -1, NAN, {}});
  store_.Put(Pruning{{0, 1}, 2, PruneOutcome::kReached, 30, 2, 4, 2.5f, {1, NAN, 2.5f}});
  const std::vector<Pruning> prunings = store_.GetPrunings({0, 1});
  ASSERT_EQ(prunings.size(), 2u);
  EXPECT_EQ(prunings[0].example, 2);
  EXPECT_EQ(prunings[0].outcome, PruneOutcome::kReached);
  EXPECT_EQ(prunings[0].pivot, 30);
  EXPECT_EQ(prunings[0].context, 2);
  EXPECT_EQ(prunings[0].full_activation, 4);
  EXPECT_EQ(prunings[0].pruned_activation, 2.5f);
  EXPECT_TRUE(SameBits(prunings[0].trajectory, {1, NAN, 2.5f}));
  EXPECT_EQ(prunings[1].outcome, PruneOutcome::kNotPositive);
  EXPECT_TRUE(std::isnan(prunings[1].pruned_activation));
  EXPECT_THAT(prunings[1].trajectory, IsEmpty());
}

TEST_F(RunStoreTest, KeepsPrompts) {
  const std::vector<Prompt> rows = MakeRows(4).prompts;
  Prompt odd = rows[1];
  odd.example = 1;
  odd.ordinal = 0;
  odd.substitution = Substitution{0, std::string("\0\xFF", 2), "", NAN};
  odd.targets = {};
  odd.importances = {};
  store_.Put(odd);
  for (const Prompt& row : rows) store_.Put(row);
  const std::vector<Prompt> prompts = store_.GetPrompts(rows[0].unit);
  ASSERT_EQ(prompts.size(), 3u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(prompts[i].ordinal, static_cast<int>(i));
    EXPECT_EQ(prompts[i].kept, rows[i].kept);
    EXPECT_EQ(prompts[i].ratio, rows[i].ratio);
    EXPECT_EQ(prompts[i].tokens, rows[i].tokens);
    EXPECT_TRUE(SameBits(prompts[i].activations, rows[i].activations));
    EXPECT_EQ(prompts[i].targets, rows[i].targets);
    EXPECT_EQ(prompts[i].importances, rows[i].importances);
  }
  EXPECT_FALSE(prompts[0].substitution);
  EXPECT_EQ(prompts[1].substitution->position, 1);
  EXPECT_EQ(prompts[1].substitution->original, "cat");
  EXPECT_EQ(prompts[1].substitution->substitute, "dog");
  EXPECT_EQ(prompts[1].substitution->probability, rows[1].substitution->probability);
  EXPECT_EQ(prompts[2].substitution->original, std::string("\0\xFF", 2));
  EXPECT_EQ(prompts[2].substitution->substitute, "");
  EXPECT_TRUE(std::isnan(prompts[2].substitution->probability));
}

TEST_F(RunStoreTest, KeepsGraphs) {
  Graph graph = MakeGraph({2, 3}, {5, 50256}, {7, 5});
  graph.nodes[1].activation = NAN;
  store_.Put(graph);
  Graph rootless;
  rootless.unit = {2, 1};
  store_.Put(rootless);
  const Graph read = store_.GetGraph({2, 3}).value();
  EXPECT_EQ(read.max_activation, graph.max_activation);
  EXPECT_EQ(read.train, graph.train);
  EXPECT_EQ(read.test, graph.test);
  ASSERT_EQ(read.nodes.size(), graph.nodes.size());
  for (size_t i = 0; i < read.nodes.size(); ++i) {
    EXPECT_EQ(read.nodes[i].kind, graph.nodes[i].kind);
    EXPECT_EQ(read.nodes[i].parent, graph.nodes[i].parent);
    EXPECT_EQ(read.nodes[i].token, graph.nodes[i].token);
    EXPECT_TRUE(SameReal(read.nodes[i].activation, graph.nodes[i].activation));
    EXPECT_TRUE(SameReal(read.nodes[i].importance, graph.nodes[i].importance));
  }
  EXPECT_THAT(store_.GetGraph({2, 1})->nodes, IsEmpty());
  EXPECT_FALSE(store_.GetGraph({2, 2}));
  EXPECT_THAT(store_.UnitsWithGraph(), ElementsAre(UnitId{2, 1}, UnitId{2, 3}));
}

TEST_F(RunStoreTest, KeepsScores) {
  Score full = MakeScore({0, 1}, 0.25, "second_text", "ngram_5");
  full.false_negatives = 3;
  full.recall = 0.125;
  full.correlation = -0.5;
  full.excluded = "never fires";
  store_.Put(full);
  store_.Put(MakeScore({1, 0}, std::nullopt));
  store_.Put(MakeScore({0, 9}, 0.5));
  const Score read = store_.GetScores(UnitId{0, 1}).at(0);
  EXPECT_EQ(read.set, "second_text");
  EXPECT_EQ(read.method, "ngram_5");
  EXPECT_EQ(read.true_positives, 5);
  EXPECT_EQ(read.false_positives, 1);
  EXPECT_EQ(read.false_negatives, 3);
  EXPECT_EQ(read.precision, 5.0 / 6);
  EXPECT_EQ(read.recall, 0.125);
  EXPECT_EQ(read.f1, 0.25);
  EXPECT_EQ(read.correlation, -0.5);
  EXPECT_EQ(read.excluded, "never fires");
  const std::vector<Score> held_out = store_.GetScores("held_out");
  ASSERT_EQ(held_out.size(), 2u);
  EXPECT_EQ(held_out[0].unit, (UnitId{0, 9}));
  EXPECT_EQ(held_out[1].unit, (UnitId{1, 0}));
  EXPECT_EQ(held_out[1].f1, std::nullopt);
  EXPECT_THAT(store_.ScoreSets(), ElementsAre("held_out", "second_text"));
}

TEST_F(RunStoreTest, ReplacesRowsOfTheSameKey) {
  for (const int version : {1, 2}) {
    const auto number = static_cast<float>(version);
    store_.Put(Sequence{1, "text", 0, 0, {version}});
    store_.Put(UnitStats{{0, 0}, version, 0, 0, 0, 0, 0});
    store_.Put(Example{{0, 0}, ExampleKind::kTop, 0, 0, 1, 0, number, {number}});
    store_.Put(Pruning{{0, 0}, 0, PruneOutcome::kReached, version, 0, 0, 0, {}});
    Prompt prompt;
    prompt.ratio = number;
    store_.Put(prompt);
    store_.Put(MakeGraph({0, 0}, std::vector<TokenId>(1, version), {}));
    store_.Put(MakeScore({0, 0}, version / 4.0));
  }
  EXPECT_THAT(store_.GetSequence(1).tokens, ElementsAre(2));
  EXPECT_EQ(store_.GetStats({0, 0})->tokens, 2);
  ASSERT_EQ(store_.GetExamples({0, 0}).size(), 1u);
  EXPECT_EQ(store_.GetExamples({0, 0})[0].activation, 2);
  ASSERT_EQ(store_.GetPrunings({0, 0}).size(), 1u);
  EXPECT_EQ(store_.GetPrunings({0, 0})[0].pivot, 2);
  ASSERT_EQ(store_.GetPrompts({0, 0}).size(), 1u);
  EXPECT_EQ(store_.GetPrompts({0, 0})[0].ratio, 2);
  EXPECT_EQ(store_.GetGraph({0, 0})->nodes[1].token, 2);
  ASSERT_EQ(store_.GetScores("held_out").size(), 1u);
  EXPECT_EQ(store_.GetScores("held_out")[0].f1, 0.5);
}

TEST_F(RunStoreTest, RefusesRowsThatContradictTheirRecord) {
  Graph graph = MakeGraph({0, 0}, {1}, {2});
  graph.nodes[1].parent = 2;  // after the node itself
  EXPECT_EQ(ErrorOf([&] { store_.Put(graph); }).kind(), ErrorKind::kInternal);
  graph.nodes[1].parent = 0;
  graph.nodes[2].kind = TrieNode::Kind::kRoot;
  EXPECT_EQ(ErrorOf([&] { store_.Put(graph); }).kind(), ErrorKind::kInternal);
  EXPECT_EQ(ErrorOf([&] { store_.Put(MakeScore({0, 0}, NAN)); }).kind(), ErrorKind::kInternal);
  EXPECT_EQ(ErrorOf([&] { store_.Put(MakeScore({0, 0}, 1.5)); }).kind(), ErrorKind::kInternal);
  Prompt prompt;
  prompt.tokens = {1, 2};
  prompt.targets = {1};
  prompt.importances = {0.5f};
  EXPECT_EQ(ErrorOf([&] { store_.Put(prompt); }).kind(), ErrorKind::kInternal);
}

TEST_F(RunStoreTest, UndoesATransactionThatThrows) {
  FillRun(store_, 5);
  const std::string before = store_.ContentHash();
  EXPECT_THROW(store_.Transaction([&] {
    store_.PutManifest("model", "changed");
    for (int i = 3; i < 9; ++i) PutAll(store_, MakeRows(i));
    store_.DropScores();
    throw std::runtime_error("stop");
  }),
               std::runtime_error);
  EXPECT_EQ(store_.ContentHash(), before);
  store_.Transaction([&] { store_.PutManifest("model", "changed"); });  // and the store still works
  EXPECT_NE(store_.ContentHash(), before);
}

TEST_F(RunStoreTest, UndoesOnlyTheFailedRowWhenItsErrorIsCaught) {
  store_.Transaction([&] {
    store_.Put(MakeGraph({0, 0}, {1}, {}));
    Graph bad = MakeGraph({0, 1}, {1}, {});
    bad.nodes[0].kind = TrieNode::Kind::kEnd;
    EXPECT_THROW(store_.Put(bad), base::Error);
    store_.Put(MakeGraph({0, 2}, {1}, {}));
  });
  EXPECT_THAT(store_.UnitsWithGraph(), ElementsAre(UnitId{0, 0}, UnitId{0, 2}));
}

TEST_F(RunStoreTest, RefusesATransactionWithinATransaction) {
  EXPECT_EQ(ErrorOf([&] { store_.Transaction([&] { store_.Transaction([] {}); }); }).kind(),
            ErrorKind::kInternal);
  store_.Transaction([] {});
}

TEST_F(RunStoreTest, DropsWhatIsAsked) {
  FillRun(store_, 6);
  store_.DropScores();
  EXPECT_THAT(store_.ScoreSets(), IsEmpty());
  EXPECT_EQ(store_.UnitsWithGraph().size(), 6u);
  store_.Put(MakeScore({0, 0}, 0.5));
  store_.DropGraphs();
  EXPECT_THAT(store_.UnitsWithGraph(), IsEmpty());
  EXPECT_THAT(store_.GetPrompts({0, 0}), IsEmpty());
  EXPECT_THAT(store_.GetPrunings({0, 0}), IsEmpty());
  EXPECT_THAT(store_.ScoreSets(), IsEmpty());
  EXPECT_EQ(store_.UnitsWithStats().size(), 6u);
  EXPECT_EQ(store_.UnitsWithExamples().size(), 6u);
}

TEST_F(RunStoreTest, HasTheSameContentWhateverTheOrderOfPuts) {
  constexpr int kUnits = 12;
  FillRun(store_, kUnits);
  RunStore other = RunStore::Open(folder_.path() / "second", Mode::kWrite);
  FillRun(other, 0);
  std::vector<std::function<void()>> puts;
  for (int i = 0; i < kUnits; ++i) {
    const UnitRows rows = MakeRows(i);
    other.Put(MakeGraph(rows.graph.unit, {3}, {4, 5}));  // replaced later
    other.Put(MakeScore(rows.graph.unit, 0.75));
    puts.push_back([&other, rows] {
      other.Put(rows.sequence), other.Put(rows.stats), other.Put(rows.pruning);
    });
    for (const Example& row : rows.examples) puts.push_back([&other, row] { other.Put(row); });
    for (const Prompt& row : rows.prompts) puts.push_back([&other, row] { other.Put(row); });
    puts.push_back([&other, rows] { other.Put(rows.graph); });
    for (const Score& row : rows.scores) puts.push_back([&other, row] { other.Put(row); });
  }
  base::Rng(7, "order").Shuffle(puts);
  for (const auto& put : puts) put();
  EXPECT_EQ(other.ContentHash(), store_.ContentHash());
  other.Put(MakeScore({0, 0}, 0.5, "random_text", "token_lookup"));
  EXPECT_EQ(other.ContentHash(), store_.ContentHash());
  other.Put(MakeScore({0, 0}, 0.625, "random_text", "token_lookup"));
  EXPECT_NE(other.ContentHash(), store_.ContentHash());
}

TEST_F(RunStoreTest, ContentHashLeavesOutTimes) {
  store_.PutManifest(
      "collect",
      {{"started_at", "noon"}, {"seconds", 4}, {"parts", {{{"wall_seconds", 1}}}}, {"n", 1}});
  store_.PutManifest("created_at", "noon");
  const std::string hash = store_.ContentHash();
  store_.PutManifest("collect",
                     {{"started_at", "night"}, {"parts", {{{"wall_seconds", 2}}}}, {"n", 1}});
  store_.PutManifest("created_at", "night");
  EXPECT_EQ(store_.ContentHash(), hash);
  store_.PutManifest("collect", {{"parts", {nlohmann::json::object()}}, {"n", 2}});
  EXPECT_NE(store_.ContentHash(), hash);
}

TEST_F(RunStoreTest, StaysUsableWhenMoved) {
  FillRun(store_, 2);
  RunStore moved = std::move(store_);
  EXPECT_EQ(moved.UnitsWithGraph().size(), 2u);
  store_ = std::move(moved);
  store_.Put(MakeGraph({5, 5}, {1}, {}));
  EXPECT_EQ(store_.UnitsWithGraph().size(), 3u);
}

}  // namespace
}  // namespace assay::store
