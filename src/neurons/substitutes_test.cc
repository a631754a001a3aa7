#include "neurons/substitutes.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "model/model_testing.h"
#include "neurons/neurons_testing.h"

namespace assay::neurons {
namespace {

using base::ErrorOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr int kCls = 1, kSep = 2, kMask = 3;

// 29 tokens, as many as the tiny models have.
class MaskedTokenizer : public ListTokenizer {
 public:
  explicit MaskedTokenizer(bool mask = true)
      : ListTokenizer({"[PAD]", "[CLS]", "[SEP]", "[MASK]", "[UNK]", "the",   " cat", " sat",
                       " mat",  "Cat",   " Dog",  "ing",    " 12",   " it's", " on",  ".",
                       " The",  "s",     " a",    " big",   " red",  " ox",   " dog", " up",
                       " CAT",  "ed",    "A",     " x1",    ","}),
        mask_(mask) {}
  tokenizer::SpecialIds Specials() const override {
    tokenizer::SpecialIds out{.unk = 4, .pad = 0};
    out.cls = kCls;
    out.sep = kSep;
    if (mask_) out.mask = kMask;
    return out;
  }

 private:
  bool mask_;
};

class SubstitutesTest : public testing::Test {
 protected:
  std::vector<Substitute> One(const WordInText& word, const SubstituteOptions& options = {}) {
    return MaskedLmSubstitutes(network_, tokenizer_).Propose(std::vector{word}, options).at(0);
  }
  // What the model thinks of every token at the place of the word.
  std::vector<float> Probabilities(const std::string& left, const std::string& right) const {
    const c10::InferenceMode guard;
    std::vector<int64_t> ids = {kCls};
    const auto append = [&](const std::string& text) {
      for (const int id : tokenizer_.Encode(text, tokenizer::SpecialTokens::kNone).ids)
        ids.push_back(id);
    };
    append(left);
    const auto place = static_cast<int64_t>(ids.size());
    ids.push_back(kMask);
    append(right);
    ids.push_back(kSep);
    const at::Tensor logits = network_.Read({.ids = at::tensor(ids).unsqueeze(0)},
                                            model::ParseHook("logits", network_.config()));
    const at::Tensor row = at::softmax(logits[0][place], -1).contiguous();
    return {row.data_ptr<float>(), row.data_ptr<float>() + row.numel()};
  }

  model::Transformer network_ = model::TinyTransformer("bert");
  MaskedTokenizer tokenizer_;
};

TEST_F(SubstitutesTest, AreTheMostProbableWordsAtTheMask) {
  const std::vector<float> expected = Probabilities("the big", " sat on.");
  const std::vector<Substitute> found = One({"the big ", "dog", " sat on."}, {100, 0});
  // Every word of the vocabulary once, whatever its case, but the word itself: the numbers, marks
  // and special tokens are none.
  std::vector<std::string> words;
  for (const Substitute& substitute : found) words.push_back(substitute.word);
  std::sort(words.begin(), words.end());
  EXPECT_THAT(words, SizeIs(14));
  for (const char* no_word : {"dog", "Dog", "12", "x1", ".", ",", "[MASK]", "[UNK]"})
    EXPECT_THAT(words, testing::Not(testing::Contains(no_word)));
  for (size_t i = 0; i < found.size(); ++i) {
    int best = -1;  // the most probable spelling of the word
    for (int id = 5; id < 29; ++id) {
      std::string text = tokenizer_.TokenText(id);
      if (text.front() == ' ') text.erase(0, 1);
      const bool same = std::equal(
          text.begin(), text.end(), found[i].word.begin(), found[i].word.end(),
          [](unsigned char a, unsigned char b) { return std::tolower(a) == std::tolower(b); });
      if (same &&
          (best < 0 || expected[static_cast<size_t>(id)] > expected[static_cast<size_t>(best)]))
        best = id;
    }
    ASSERT_GE(best, 0) << found[i].word;
    EXPECT_NEAR(found[i].probability, expected[static_cast<size_t>(best)], 1e-5) << found[i].word;
    EXPECT_EQ(found[i].glued, tokenizer_.ContinuesWord(best)) << found[i].word;
    if (i > 0) {
      EXPECT_LE(found[i].probability, found[i - 1].probability);
    }
  }
  const std::vector<Substitute> few = One({"the big ", "dog", " sat on."}, {3, 0});
  ASSERT_THAT(few, SizeIs(3));
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(few[i].word, found[i].word);
}

TEST_F(SubstitutesTest, ImprobableWordsAreLeftOut) {
  const WordInText word{"the big ", "dog", " sat on."};
  const std::vector<Substitute> all = One(word, {100, 0});
  const double limit = all[4].probability;
  EXPECT_THAT(One(word, {100, limit}), SizeIs(5));
  EXPECT_THAT(One(word, {100, 1}), IsEmpty());
  EXPECT_THAT(One(word, {0, 0}), IsEmpty());
}

TEST_F(SubstitutesTest, AreWrittenWithACapitalWhereTheWordIs) {
  for (const Substitute& substitute : One({"the big ", "Dog", " sat."}, {100, 0}))
    EXPECT_TRUE(std::isupper(static_cast<unsigned char>(substitute.word[0]))) << substitute.word;
  // "DOG" is no title: the words stay as the vocabulary has them.
  const std::vector<Substitute> shouted = One({"the big ", "DOG", " sat."}, {100, 0});
  EXPECT_TRUE(std::any_of(shouted.begin(), shouted.end(), [](const Substitute& substitute) {
    return std::islower(static_cast<unsigned char>(substitute.word[0]));
  }));
}

TEST_F(SubstitutesTest, NothingIsGluedToTheStartOfTheText) {
  for (const Substitute& substitute : One({"", "the", " cat sat."}, {100, 0}))
    EXPECT_FALSE(substitute.glued) << substitute.word;
}

TEST_F(SubstitutesTest, AWordDoesNotDependOnTheOthersOfTheBatch) {
  std::vector<WordInText> words;  // of different lengths, some asked for twice
  std::string left = "the";
  for (int i = 0; i < 10; ++i) {
    words.push_back({left + " ", i % 2 == 0 ? "dog" : "Ox", " sat on."});
    words.push_back({left + " ", "cat", ""});
    words.push_back({left + " ", "red", ""});
    left += i % 3 == 0 ? " big" : " red";
  }
  const auto together = MaskedLmSubstitutes(network_, tokenizer_).Propose(words, {6, 1e-4});
  ASSERT_EQ(together.size(), words.size());
  for (size_t i = 0; i < words.size(); ++i) {
    const std::vector<Substitute> alone = One(words[i], {6, 1e-4});
    ASSERT_EQ(together[i].size(), alone.size()) << i;
    for (size_t j = 0; j < alone.size(); ++j) {
      EXPECT_EQ(together[i][j].word, alone[j].word) << i;
      EXPECT_NEAR(together[i][j].probability, alone[j].probability, 1e-5) << i;
    }
  }
}

TEST_F(SubstitutesTest, ALongTextIsReadAroundTheWord) {
  std::string left, right;
  for (int i = 0; i < 40; ++i) left += i % 2 == 0 ? " big" : " red";
  for (int i = 0; i < 40; ++i) right += i % 2 == 0 ? " ox" : " up";
  const std::vector<Substitute> found = One({left + " ", "dog", right}, {5, 0});
  EXPECT_THAT(found, SizeIs(5));
  // The model has 24 positions: 12 tokens before the mask, 11 after it.
  const std::vector<Substitute> more = One({" up a" + left + " ", "dog", right + " up a"}, {5, 0});
  ASSERT_THAT(more, SizeIs(5));
  for (size_t i = 0; i < 5; ++i) EXPECT_EQ(more[i].word, found[i].word) << "too far away to matter";
}

TEST(SubstitutesModelTest, OnlyMaskedLanguageModelsWillDo) {
  const model::Transformer causal = model::TinyTransformer("gpt2"),
                           encoder = model::TinyTransformer("distilbert");
  const MaskedTokenizer with_mask, without_mask(false);
  const base::Error no_masked_lm = ErrorOf([&] { MaskedLmSubstitutes(causal, with_mask); });
  EXPECT_EQ(no_masked_lm.kind(), base::ErrorKind::kUnsupported);
  EXPECT_THAT(no_masked_lm.what(), HasSubstr("gpt2"));
  const base::Error no_mask = ErrorOf([&] { MaskedLmSubstitutes(encoder, without_mask); });
  EXPECT_EQ(no_mask.kind(), base::ErrorKind::kUnsupported);
  EXPECT_THAT(no_mask.what(), HasSubstr("no mask token"));
}

}  // namespace
}  // namespace assay::neurons
