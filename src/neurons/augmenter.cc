#include "neurons/augmenter.h"

#include <algorithm>

#include "base/error.h"
#include "neurons/words.h"

namespace assay::neurons {
namespace {

using tokenizer::Encoding;
using tokenizer::SpecialTokens;

// The part of a prompt that is the tokenizer's own reading of its text. Pruning can cut a word in
// two; the half in front would be read as other tokens, so it stays as it is and only what follows
// is varied.
struct Readable {
  size_t begin = 0;  // first token
  std::string text;
  Encoding encoding;  // of the text; ids equal the prompt's from `begin`
};

std::optional<Readable> ReadableSuffix(const AugmentRequest& request,
                                       const tokenizer::Tokenizer& tokenizer) {
  const std::span<const TokenId> tokens(request.tokens);
  for (size_t begin = static_cast<size_t>(request.bos_tokens);
       begin < static_cast<size_t>(request.pivot); ++begin) {
    Readable out{begin, tokenizer.Decode(tokens.subspan(begin)), {}};
    out.encoding = tokenizer.Encode(out.text, SpecialTokens::kNone);
    if (std::equal(out.encoding.ids.begin(), out.encoding.ids.end(),
                   tokens.begin() + static_cast<int64_t>(begin), tokens.end()))
      return out;
  }
  return std::nullopt;
}

struct Place {  // a word to vary
  size_t request;
  WordRange range;  // in the readable text
};

bool Overlap(WordRange word, std::pair<uint32_t, uint32_t> token) {
  return token.first < word.second && word.first < token.second;
}

// The words of the text that an important token is part of and the pivot is not.
std::vector<WordRange> WordsToVary(const AugmentRequest& request, const Readable& readable) {
  std::vector<WordRange> out;
  const auto offset = [&](int position) {
    return readable.encoding.offsets[static_cast<size_t>(position) - readable.begin];
  };
  for (const WordRange& word : WordRanges(readable.text)) {
    const bool important =
        std::any_of(request.important.begin(), request.important.end(), [&](int position) {
          return static_cast<size_t>(position) >= readable.begin && Overlap(word, offset(position));
        });
    if (important && !Overlap(word, offset(request.pivot))) out.push_back(word);
  }
  return out;
}

std::optional<Variation> Replace(const AugmentRequest& request, const Readable& readable,
                                 WordRange word, const Substitute& substitute,
                                 const tokenizer::Tokenizer& tokenizer) {
  const size_t keep = substitute.glued && word.first > 0 && readable.text[word.first - 1] == ' '
                          ? word.first - 1
                          : word.first;
  const std::string text =
      readable.text.substr(0, keep) + substitute.word + readable.text.substr(word.second);
  Variation out;
  out.tokens.assign(request.tokens.begin(),
                    request.tokens.begin() + static_cast<int64_t>(readable.begin));
  const Encoding encoded = tokenizer.Encode(text, SpecialTokens::kNone);
  out.tokens.insert(out.tokens.end(), encoded.ids.begin(), encoded.ids.end());
  // The pivot and all after it must be what they were.
  const size_t tail = request.tokens.size() - static_cast<size_t>(request.pivot);
  if (out.tokens.size() < static_cast<size_t>(request.bos_tokens) + tail ||
      !std::equal(request.tokens.end() - static_cast<int64_t>(tail), request.tokens.end(),
                  out.tokens.end() - static_cast<int64_t>(tail))) {
    return std::nullopt;
  }
  if (out.tokens == request.tokens) return std::nullopt;
  out.pivot = static_cast<int>(out.tokens.size() - tail);
  size_t first = 0;
  while (readable.encoding.offsets[first].second <= word.first) ++first;
  out.substitution = {.position = static_cast<int>(readable.begin + first),
                      .original = readable.text.substr(word.first, word.second - word.first),
                      .substitute = (substitute.glued ? "+" : "") + substitute.word,
                      .probability = substitute.probability};
  return out;
}

}  // namespace

std::vector<std::vector<Variation>> MakeVariations(std::span<const AugmentRequest> requests,
                                                   const GraphOptions& options,
                                                   const tokenizer::Tokenizer& tokenizer,
                                                   SubstituteSource& source,
                                                   measure::Prober& prober) {
  std::vector<std::optional<Readable>> readable(requests.size());
  std::vector<WordInText> words;
  std::vector<Place> places;
  for (size_t i = 0; i < requests.size(); ++i) {
    if (requests[i].important.empty()) continue;
    readable[i] = ReadableSuffix(requests[i], tokenizer);
    if (!readable[i]) continue;
    const std::string& text = readable[i]->text;
    for (const WordRange& word : WordsToVary(requests[i], *readable[i])) {
      words.push_back({text.substr(0, word.first),
                       text.substr(word.first, word.second - word.first),
                       text.substr(word.second)});
      places.push_back({i, word});
    }
  }
  const auto proposed =
      source.Propose(words, {options.substitutes_per_word, options.substitute_min_probability});
  std::vector<std::vector<Variation>> out(requests.size());
  std::vector<measure::Probe> probes;
  for (size_t p = 0; p < places.size(); ++p) {
    const AugmentRequest& request = requests[places[p].request];
    for (const Substitute& substitute : proposed[p]) {
      if (auto variation = Replace(request, *readable[places[p].request], places[p].range,
                                   substitute, tokenizer)) {
        probes.push_back({variation->tokens, request.unit});
        out[places[p].request].push_back(std::move(*variation));
      }
    }
  }
  const auto activations = prober.Activations(probes);
  size_t next = 0;
  for (size_t i = 0; i < requests.size(); ++i) {
    for (Variation& variation : out[i]) {
      variation.activations = activations[next++];
      variation.ratio =
          variation.activations[static_cast<size_t>(variation.pivot)] / requests[i].activation;
      variation.kept = variation.ratio >= options.substitute_share;
    }
  }
  return out;
}

}  // namespace assay::neurons
