#include "training/ngram_lm.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "base/rng.h"

namespace assay::training {
namespace {

using Tokens = std::vector<tokenizer::TokenId>;
constexpr int kVocabulary = 12;

// Sequences from a second-order source, so that longer contexts matter; each begins with token 0,
// which stands nowhere else when `with_bos`.
std::vector<Tokens> RandomText(int sequences, bool with_bos, uint64_t seed) {
  std::vector<Tokens> text;
  for (int s = 0; s < sequences; ++s) {
    base::Rng rng(seed, "text", static_cast<uint64_t>(s));
    Tokens tokens = {with_bos ? 0 : static_cast<int>(1 + rng.Below(kVocabulary - 2))};
    const uint64_t length = rng.Below(40);
    for (uint64_t i = 0; i < length; ++i) {
      const int before = tokens.size() > 1 ? tokens[tokens.size() - 2] : 0;
      const int likely = 1 + (tokens.back() * 3 + before) % (kVocabulary - 2);
      tokens.push_back(rng.Uniform() < 0.6 ? likely
                                           : static_cast<int>(1 + rng.Below(kVocabulary - 2)));
    }
    text.push_back(tokens);
  }
  return text;
}

// The definition of Chen & Goodman written down as it stands, with maps from whole n-grams.
class SlowModel {
 public:
  SlowModel(int order, const std::vector<Tokens>& text) : order_(static_cast<size_t>(order)) {
    std::map<Tokens, int> occurrences, at_start;
    for (const Tokens& tokens : text) {
      for (size_t end = 2; end <= tokens.size(); ++end) {
        for (size_t n = 1; n <= std::min(end, order_); ++n) {
          const Tokens ngram(tokens.begin() + static_cast<long>(end - n),
                             tokens.begin() + static_cast<long>(end));
          ++occurrences[ngram];
          if (end == n) ++at_start[ngram];
        }
      }
    }
    for (const auto& [ngram, times] : occurrences) {
      if (ngram.size() == order_) {
        counts_[ngram] = times;
        continue;
      }
      std::set<int> predecessors;
      for (int w = 0; w < kVocabulary; ++w) {
        Tokens longer = {w};
        longer.insert(longer.end(), ngram.begin(), ngram.end());
        if (occurrences.contains(longer)) predecessors.insert(w);
      }
      counts_[ngram] = static_cast<int>(predecessors.size()) + at_start[ngram];
    }
  }

  double Probability(Tokens history, int token) const {
    if (history.size() > order_ - 1)
      history.erase(history.begin(), history.end() - static_cast<long>(order_ - 1));
    double total = 0, of_token = 0, given_up = 0;
    for (int w = 0; w < kVocabulary; ++w) {
      Tokens ngram = history;
      ngram.push_back(w);
      const auto found = counts_.find(ngram);
      if (found == counts_.end()) continue;
      const double discount = Discount(ngram.size(), found->second);
      total += found->second;
      given_up += discount;
      if (w == token) of_token = found->second - discount;
    }
    const double shorter = history.empty()
                               ? 1.0 / kVocabulary
                               : Probability(Tokens(history.begin() + 1, history.end()), token);
    return total == 0 ? shorter : of_token / total + given_up / total * shorter;
  }

 private:
  double Discount(size_t n, int count) const {
    std::map<int, double> with;  // how many n-grams have a count
    for (const auto& [ngram, c] : counts_) with[c] += ngram.size() == n;
    const double fixed[] = {0.5, 1.0, 1.5};
    const int k = std::min(count, 3);
    double estimated[3];
    for (int i = 1; i <= 3; ++i) {
      const double y = with[1] / (with[1] + 2 * with[2]);
      estimated[i - 1] = i - (i + 1) * y * with[i + 1] / with[i];
      if (!(estimated[i - 1] > 0 && estimated[i - 1] <= i)) return fixed[k - 1];
    }
    return estimated[k - 1];
  }

  size_t order_;
  std::map<Tokens, int> counts_;
};

NgramLm Train(int order, const std::vector<Tokens>& text) {
  NgramLm lm({.order = order}, kVocabulary);
  for (const Tokens& tokens : text) lm.Add(tokens);
  return lm;
}

TokenScore ScoreAll(const NgramLm& lm, const std::vector<Tokens>& text) {
  TokenScore score;
  for (const Tokens& tokens : text) score += lm.Score(tokens);
  return score;
}

TEST(NgramLmTest, EqualsTheDefinition) {
  for (const bool with_bos : {true, false}) {
    for (const int sequences : {3, 60}) {  // few: fixed discounts; many: estimated ones
      const auto text = RandomText(sequences, with_bos, 1), other = RandomText(4, with_bos, 2);
      for (int order = 1; order <= 5; ++order) {
        const NgramLm lm = Train(order, text);
        const SlowModel slow(order, text);
        for (const auto* part : {&text, &other}) {
          for (size_t s = 0; s < std::min<size_t>(part->size(), 4); ++s) {
            const Tokens& tokens = (*part)[s];
            for (size_t i = 1; i < tokens.size(); ++i) {
              const Tokens history(tokens.begin(), tokens.begin() + static_cast<long>(i));
              ASSERT_NEAR(lm.Probability(history, tokens[i]), slow.Probability(history, tokens[i]),
                          1e-12)
                  << "order " << order << " sequence " << s << " token " << i;
            }
          }
        }
      }
    }
  }
}

TEST(NgramLmTest, ProbabilitiesSumToOneForAnyHistory) {
  const auto text = RandomText(60, true, 1);
  for (int order = 1; order <= 5; ++order) {
    const NgramLm lm = Train(order, text);
    base::Rng rng(3, "histories");
    for (int i = 0; i < 200; ++i) {
      Tokens history(rng.Below(7));
      for (auto& token : history) token = static_cast<int>(rng.Below(kVocabulary));
      double sum = 0;
      for (int w = 0; w < kVocabulary; ++w) {
        const double p = lm.Probability(history, w);
        EXPECT_GT(p, 0);
        sum += p;
      }
      EXPECT_NEAR(sum, 1, 1e-12);
    }
  }
}

TEST(NgramLmTest, IsUniformBeforeAnyText) {
  const NgramLm lm({.order = 5}, 8);
  EXPECT_DOUBLE_EQ(lm.Probability(Tokens{1, 2}, 3), 0.125);
}

TEST(NgramLmTest, LongerContextsHelpOnTextThatHasThem) {
  const auto training = RandomText(2000, true, 1), held_out = RandomText(50, true, 2);
  const double one = ScoreAll(Train(1, training), held_out).Perplexity();
  const double two = ScoreAll(Train(2, training), held_out).Perplexity();
  const double three = ScoreAll(Train(3, training), held_out).Perplexity();
  EXPECT_LT(two, one);
  EXPECT_LT(three, 0.8 * two);
  // The source: 0.6 + 0.4/10 on the likely token, 0.04 on each of nine others.
  const double source = std::exp(-(0.64 * std::log(0.64) + 0.36 * std::log(0.04)));
  EXPECT_NEAR(three, source, 0.1 * source);
}

TEST(NgramLmTest, DoesNotCountOverTheEndsOfSequences) {
  NgramLm lm({.order = 2}, kVocabulary);
  lm.Add(Tokens{0, 1, 2});
  lm.Add(Tokens{3, 4});
  EXPECT_EQ(lm.NgramCount(2), 3u);  // 0 1, 1 2, 3 4
  EXPECT_EQ(lm.NgramCount(1), 3u);  // 1, 2, 4: first tokens are not predicted
}

TEST(NgramLmTest, ScoresEveryTokenButTheFirst) {
  const NgramLm lm = Train(3, RandomText(20, true, 1));
  const Tokens tokens = {0, 5, 6, 7};
  const TokenScore score = lm.Score(tokens);
  EXPECT_EQ(score.tokens, 3);
  double expected = 0;
  for (size_t i = 1; i < tokens.size(); ++i) {
    expected += std::log(lm.Probability(std::span(tokens).first(i), tokens[i]));
  }
  EXPECT_DOUBLE_EQ(score.log_probability, expected);
  EXPECT_EQ(lm.Score(Tokens{0}).tokens, 0);
  EXPECT_TRUE(std::isnan(lm.Score(Tokens{}).Perplexity()));
}

TEST(NgramLmTest, RefusesTokensOutsideTheVocabulary) {
  NgramLm lm({.order = 3}, kVocabulary);
  EXPECT_THROW(lm.Add(Tokens{0, kVocabulary}), base::Error);
  EXPECT_THROW(lm.Add(Tokens{-1, 0}), base::Error);
  EXPECT_THROW(lm.Probability(Tokens{0}, kVocabulary), base::Error);
  EXPECT_THROW(NgramLm({.order = 6}, kVocabulary), base::Error);
}

}  // namespace
}  // namespace assay::training
