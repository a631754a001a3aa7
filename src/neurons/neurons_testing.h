// For the tests of neurons: a network that is a rule in code, a tokenizer that is a list of texts,
// a list of substitutes, and random sequences.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "measure/prober.h"
#include "neurons/substitutes.h"
#include "store/records.h"
#include "tokenizer/tokenizer.h"

namespace assay::neurons {

// rule(tokens, at) is the activation of every unit on tokens[at]; like a causal network's it must
// not depend on what follows.
class RuleProber : public measure::Prober {
 public:
  using TokenId = int32_t;
  using Rule = std::function<float(std::span<const TokenId>, size_t)>;
  explicit RuleProber(Rule rule) : rule_(std::move(rule)) {}

  std::vector<std::vector<float>> Activations(std::span<const measure::Probe> probes) override {
    std::vector<std::vector<float>> out;
    for (const measure::Probe& probe : probes) out.push_back(Run(probe.tokens));
    return out;
  }
  std::vector<measure::MaskedActivations> Masked(std::span<const measure::MaskedProbe> probes,
                                                 TokenId mask) override {
    std::vector<measure::MaskedActivations> out;
    for (const measure::MaskedProbe& probe : probes) {
      measure::MaskedActivations answer{.base = Run(probe.tokens)};
      for (const int position : probe.positions) {
        std::vector<TokenId> variant = probe.tokens;
        variant.at(static_cast<size_t>(position)) = mask;
        answer.masked.push_back(Run(variant));
      }
      out.push_back(std::move(answer));
    }
    return out;
  }

 private:
  std::vector<float> Run(const std::vector<TokenId>& tokens) {
    ++stats_.requests;
    std::vector<float> out;
    for (size_t t = 0; t < tokens.size(); ++t) out.push_back(rule_(tokens, t));
    return out;
  }
  Rule rule_;
};

// `strong` on `token` when one of `before` is among the `reach` tokens in front of it, else `weak`
// on it and 0 elsewhere.
inline RuleProber::Rule FiresAfter(int32_t token, std::vector<int32_t> before, size_t reach,
                                   float strong = 1, float weak = 0.1F) {
  return [=](std::span<const int32_t> tokens, size_t at) {
    if (tokens[at] != token) return 0.0F;
    for (size_t back = 1; back <= std::min(reach, at); ++back) {
      if (std::find(before.begin(), before.end(), tokens[at - back]) != before.end()) return strong;
    }
    return weak;
  };
}

// Reads the longest token that fits, from left to right; every text must be made of the tokens'
// texts.
class ListTokenizer : public tokenizer::Tokenizer {
 public:
  explicit ListTokenizer(std::vector<std::string> texts) : texts_(std::move(texts)) {}

  tokenizer::Encoding Encode(std::string_view text, tokenizer::SpecialTokens) const override {
    tokenizer::Encoding out;
    for (size_t at = 0; at < text.size();) {
      size_t best = texts_.size();
      for (size_t id = 0; id < texts_.size(); ++id) {
        if (text.substr(at).starts_with(texts_[id]) &&
            (best == texts_.size() || texts_[id].size() > texts_[best].size()))
          best = id;
      }
      if (best == texts_.size())
        base::Fail(base::ErrorKind::kBadInput, "no token for '{}'", text.substr(at));
      const size_t end = at + texts_[best].size();
      out.ids.push_back(static_cast<int32_t>(best));
      out.offsets.emplace_back(at, end);
      at = end;
    }
    return out;
  }
  std::string Decode(std::span<const tokenizer::TokenId> ids) const override {
    std::string out;
    for (const tokenizer::TokenId id : ids) out += TokenText(id);
    return out;
  }
  std::string TokenText(tokenizer::TokenId id) const override {
    return texts_.at(static_cast<size_t>(id));
  }
  int VocabSize() const override { return static_cast<int>(texts_.size()); }
  tokenizer::SpecialIds Specials() const override { return {.bos = 0}; }
  bool ContinuesWord(tokenizer::TokenId id) const override {
    return !TokenText(id).starts_with(' ');
  }

  const std::vector<std::string>& texts() const { return texts_; }

 private:
  std::vector<std::string> texts_;
};

// The same words for a word wherever it stands. Remembers what it was asked.
class ListedSubstitutes : public SubstituteSource {
 public:
  explicit ListedSubstitutes(std::map<std::string, std::vector<Substitute>> list)
      : list_(std::move(list)) {}
  std::vector<std::vector<Substitute>> Propose(std::span<const WordInText> words,
                                               const SubstituteOptions&) override {
    std::vector<std::vector<Substitute>> out;
    for (const WordInText& word : words) {
      asked.push_back(word.word);
      const auto found = list_.find(word.word);
      out.push_back(found == list_.end() ? std::vector<Substitute>{} : found->second);
    }
    return out;
  }
  std::vector<std::string> asked;

 private:
  std::map<std::string, std::vector<Substitute>> list_;
};

// Token 0 (BOS), then random tokens; shortest..longest tokens in all.
inline std::vector<store::Sequence> RandomSequences(int count, size_t shortest, size_t longest,
                                                    int vocab, uint64_t seed) {
  base::Rng rng(seed, "sequences");
  std::vector<store::Sequence> out;
  for (int id = 0; id < count; ++id) {
    store::Sequence sequence{.id = id, .source = "text", .document = id};
    const size_t length = shortest + rng.Below(longest - shortest + 1);
    sequence.tokens.push_back(0);
    while (sequence.tokens.size() < length) {
      sequence.tokens.push_back(1 +
                                static_cast<int32_t>(rng.Below(static_cast<uint64_t>(vocab - 1))));
    }
    out.push_back(std::move(sequence));
  }
  return out;
}

}  // namespace assay::neurons
