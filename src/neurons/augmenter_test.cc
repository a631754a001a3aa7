#include "neurons/augmenter.h"

#include <gtest/gtest.h>

#include "neurons/neurons_testing.h"

namespace assay::neurons {
namespace {

using Tokens = std::vector<TokenId>;

// ids:                       0       1       2       3       4       5      6      7      8      9
// 10     11
const ListTokenizer kWords({"<s>", " cat", " dog", " cow", " mat", " on", " the", "f", " fox", "es",
                            "ca", "t", " dog mat", "-"});
constexpr TokenId kBos = 0, kCat = 1, kDog = 2, kCow = 3, kMat = 4, kOn = 5, kThe = 6, kFox = 8,
                  kEs = 9;

AugmentRequest Request(Tokens tokens, std::vector<int> important) {
  const int pivot = static_cast<int>(tokens.size()) - 1;
  return {.unit = {1, 2},
          .tokens = std::move(tokens),
          .pivot = pivot,
          .bos_tokens = 1,
          .activation = 1,
          .important = std::move(important)};
}

// 1 on "mat" after "cat" or "fox", 0.6 after "dog", else 0.1.
float Rule(std::span<const TokenId> tokens, size_t at) {
  return std::max(FiresAfter(kMat, {kCat, kFox}, 4)(tokens, at),
                  FiresAfter(kMat, {kDog}, 4, 0.6F)(tokens, at));
}

std::vector<Variation> Vary(const AugmentRequest& request, SubstituteSource& source) {
  RuleProber prober(Rule);
  return MakeVariations(std::vector<AugmentRequest>{request}, {}, kWords, source, prober).front();
}

TEST(AugmenterTest, KeepsVariationsThatKeepTheActivation) {
  ListedSubstitutes source({{"cat", {{"dog", false, 0.5}, {"cow", false, 0.25}}}});
  const auto made = Vary(Request({kBos, kThe, kCat, kOn, kMat}, {2}), source);
  EXPECT_EQ(source.asked, std::vector<std::string>{"cat"});
  ASSERT_EQ(made.size(), 2U);
  EXPECT_TRUE(made[0].kept);
  EXPECT_EQ(made[0].tokens, (Tokens{kBos, kThe, kDog, kOn, kMat}));
  EXPECT_EQ(made[0].pivot, 4);
  EXPECT_FLOAT_EQ(made[0].ratio, 0.6F);
  EXPECT_EQ(made[0].activations, (std::vector<float>{0, 0, 0, 0, 0.6F}));
  EXPECT_EQ(made[0].substitution.position, 2);
  EXPECT_EQ(made[0].substitution.original, "cat");
  EXPECT_EQ(made[0].substitution.substitute, "dog");
  EXPECT_EQ(made[0].substitution.probability, 0.5);
  EXPECT_FALSE(made[1].kept);
  EXPECT_EQ(made[1].tokens, (Tokens{kBos, kThe, kCow, kOn, kMat}));
  EXPECT_FLOAT_EQ(made[1].ratio, 0.1F);
}

TEST(AugmenterTest, VariesOnlyWordsWithAnImportantTokenAndNeverThePivot) {
  ListedSubstitutes source({{"cat", {{"dog"}}}, {"on", {{"the"}}}, {"mat", {{"cow"}}}});
  EXPECT_TRUE(Vary(Request({kBos, kThe, kCat, kOn, kMat}, {}), source).empty());
  EXPECT_TRUE(source.asked.empty());
  EXPECT_EQ(Vary(Request({kBos, kThe, kCat, kOn, kMat}, {3}), source).size(), 1U);
  EXPECT_EQ(source.asked, std::vector<std::string>{"on"});
  // " fox" and the pivot "es" are one word.
  source.asked.clear();
  EXPECT_TRUE(Vary(Request({kBos, kCat, kFox, kEs}, {2}), source).empty());
  EXPECT_TRUE(source.asked.empty());
}

TEST(AugmenterTest, AWordOfSeveralTokensIsReplacedWhole) {
  ListedSubstitutes source({{"foxes", {{"cat", false, 0.5}}}, {"cat", {{"foxes", false, 0.5}}}});
  const auto shorter = Vary(Request({kBos, kThe, kFox, kEs, kOn, kMat}, {3}), source);
  ASSERT_EQ(shorter.size(), 1U);
  EXPECT_EQ(shorter[0].tokens, (Tokens{kBos, kThe, kCat, kOn, kMat}));
  EXPECT_EQ(shorter[0].pivot, 4);
  EXPECT_EQ(shorter[0].substitution.position, 2)
      << "where the word begins, not its important token";
  const auto longer = Vary(Request({kBos, kThe, kCat, kOn, kMat}, {2}), source);
  ASSERT_EQ(longer.size(), 1U);
  EXPECT_EQ(longer[0].tokens, (Tokens{kBos, kThe, kFox, kEs, kOn, kMat}));
  EXPECT_EQ(longer[0].pivot, 5);
  EXPECT_TRUE(longer[0].kept);
}

TEST(AugmenterTest, AContinuationReplacesTheSpaceToo) {
  ListedSubstitutes source({{"cat", {{"es", true, 0.5}}}});
  const auto made = Vary(Request({kBos, kFox, kCat, kOn, kMat}, {2}), source);
  ASSERT_EQ(made.size(), 1U);
  EXPECT_EQ(made[0].tokens, (Tokens{kBos, kFox, kEs, kOn, kMat}));
  EXPECT_EQ(made[0].substitution.substitute, "+es");
}

TEST(AugmenterTest, DropsVariationsThatChangeThePivotOrNothing) {
  ListedSubstitutes source({{"cat", {{"dog"}, {"cat"}, {"cow"}}}});
  const auto made = Vary(Request({kBos, kCat, kMat}, {1}), source);  // "dog mat" is one token
  ASSERT_EQ(made.size(), 1U);
  EXPECT_EQ(made[0].tokens, (Tokens{kBos, kCow, kMat}));
}

// Pruning cut a word: its rear half would be read as another token, so it stays as it is.
TEST(AugmenterTest, ABrokenWordAtTheBeginningStaysAsItIs) {
  const ListTokenizer words(
      {"<s>", " cat", " dog", " cow", " mat", " on", " the", "at", " fox", "es", "c", "cat"});
  ListedSubstitutes source({{"cat", {{"dog"}}}, {"on", {{"the"}}}});
  RuleProber prober(Rule);
  const AugmentRequest request =
      Request({kBos, 10, 7, kOn, kMat}, {1, 2, 3});  // "c" "at" would be read as "cat"
  const auto made =
      MakeVariations(std::vector<AugmentRequest>{request}, {}, words, source, prober).front();
  EXPECT_EQ(source.asked, (std::vector<std::string>{"at", "on"}));
  ASSERT_EQ(made.size(), 1U);
  EXPECT_EQ(made[0].tokens, (Tokens{kBos, 10, 7, kThe, kMat}));
}

TEST(AugmenterTest, EachRequestGetsItsOwnVariations) {
  ListedSubstitutes source({{"cat", {{"dog"}, {"cow"}}}, {"fox", {{"cow"}}}});
  RuleProber prober(Rule);
  const std::vector<AugmentRequest> requests = {Request({kBos, kCat, kOn, kMat}, {1}),
                                                Request({kBos, kOn, kMat}, {}),
                                                Request({kBos, kFox, kOn, kMat}, {1})};
  const auto made = MakeVariations(requests, {}, kWords, source, prober);
  ASSERT_EQ(made.size(), 3U);
  EXPECT_EQ(made[0].size(), 2U);
  EXPECT_TRUE(made[1].empty());
  ASSERT_EQ(made[2].size(), 1U);
  EXPECT_EQ(made[2][0].tokens, (Tokens{kBos, kCow, kOn, kMat}));
}

}  // namespace
}  // namespace assay::neurons
