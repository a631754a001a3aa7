#include "neurons/substitutes.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <numeric>

#include "base/error.h"
#include "neurons/words.h"

namespace assay::neurons {
namespace {

constexpr int64_t kBatchTokens = 8192;

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

bool IsTitle(const std::string& word) {
  return !word.empty() && std::isupper(static_cast<unsigned char>(word[0])) != 0 &&
         std::none_of(word.begin() + 1, word.end(),
                      [](unsigned char c) { return std::isupper(c) != 0; });
}

}  // namespace

MaskedLmSubstitutes::MaskedLmSubstitutes(const model::Transformer& model,
                                         const tokenizer::Tokenizer& tokenizer)
    : model_(model), tokenizer_(tokenizer) {
  if (!model.config().masked_lm) {
    base::Fail(base::ErrorKind::kUnsupported,
               "substitutes need a masked language model (bert, distilbert); this is '{}'",
               model.config().model_type);
  }
  if (!tokenizer.Specials().mask)
    base::Fail(base::ErrorKind::kUnsupported,
               "the tokenizer of the substitutes model has no mask token");
  const int known = std::min(model.config().vocab, tokenizer.VocabSize());
  const tokenizer::SpecialIds specials = tokenizer.Specials();
  for (tokenizer::TokenId id = 0; id < model.config().vocab; ++id) {
    Substitute& candidate = candidates_.emplace_back();
    const bool special = id == specials.bos || id == specials.eos || id == specials.unk ||
                         id == specials.pad || id == specials.mask || id == specials.cls ||
                         id == specials.sep;
    if (id >= known || special) continue;
    std::string text = tokenizer.TokenText(id);
    if (!text.empty() && text.front() == ' ') text.erase(0, 1);
    if (text.empty() || WordRanges(text) != std::vector<WordRange>{{0, text.size()}}) continue;
    candidate.word = text;
    candidate.glued = tokenizer.ContinuesWord(id);
  }
}

MaskedLmSubstitutes::MaskedText MaskedLmSubstitutes::Mask(const WordInText& word) const {
  const tokenizer::SpecialIds specials = tokenizer_.Specials();
  MaskedText out;
  if (const auto first = specials.cls ? specials.cls : specials.bos) out.ids.push_back(*first);
  // The space before the word belongs to the mask: tokens of byte-level vocabularies carry it.
  std::string left = word.left;
  if (!left.empty() && left.back() == ' ') left.pop_back();
  if (!left.empty()) {
    const auto encoded = tokenizer_.Encode(left, tokenizer::SpecialTokens::kNone);
    out.ids.insert(out.ids.end(), encoded.ids.begin(), encoded.ids.end());
  }
  out.mask = static_cast<int64_t>(out.ids.size());
  out.ids.push_back(*specials.mask);
  if (!word.right.empty()) {
    const auto encoded = tokenizer_.Encode(word.right, tokenizer::SpecialTokens::kNone);
    out.ids.insert(out.ids.end(), encoded.ids.begin(), encoded.ids.end());
  }
  if (specials.sep) out.ids.push_back(*specials.sep);
  // A text longer than the model sees keeps the part around the mask.
  const auto limit = static_cast<int64_t>(model_.config().max_positions);
  if (const auto length = static_cast<int64_t>(out.ids.size()); length > limit) {
    const int64_t begin = std::clamp<int64_t>(out.mask - limit / 2, 0, length - limit);
    out.ids = {out.ids.begin() + begin, out.ids.begin() + begin + limit};
    out.mask -= begin;
  }
  return out;
}

std::vector<std::vector<Substitute>> MaskedLmSubstitutes::Propose(
    std::span<const WordInText> words, const SubstituteOptions& options) {
  const c10::InferenceMode guard;
  std::vector<std::vector<Substitute>> out(words.size());
  // Many units ask for the same word in the same text: each distinct one runs once.
  std::map<std::pair<std::vector<tokenizer::TokenId>, int64_t>, std::vector<size_t>> distinct;
  for (size_t i = 0; i < words.size(); ++i) {
    MaskedText masked = Mask(words[i]);
    distinct[{std::move(masked.ids), masked.mask}].push_back(i);
  }
  std::vector<decltype(distinct)::const_iterator> order;
  for (auto it = distinct.cbegin(); it != distinct.cend(); ++it) order.push_back(it);
  std::stable_sort(order.begin(), order.end(),
                   [](auto a, auto b) { return a->first.first.size() < b->first.first.size(); });
  const auto pad = tokenizer_.Specials().pad.value_or(0);
  const auto last =
      model::BlockHook(model::HookSite::kResidPost, model_.config().layers - 1, model_.config());
  const at::Device device = model_.weights().token_embedding.device();
  for (size_t begin = 0; begin < order.size();) {
    size_t end = begin + 1;
    while (end < order.size() &&
           static_cast<int64_t>((end + 1 - begin) * order[end]->first.first.size()) <= kBatchTokens)
      ++end;
    const auto rows = static_cast<int64_t>(end - begin),
               width = static_cast<int64_t>(order[end - 1]->first.first.size());
    at::Tensor ids = at::full({rows, width}, pad, at::kLong),
               mask = at::zeros({rows, width}, at::kLong), place = at::empty({rows}, at::kLong);
    for (int64_t r = 0; r < rows; ++r) {
      const auto& [tokens, at] = order[begin + static_cast<size_t>(r)]->first;
      std::copy(tokens.begin(), tokens.end(), ids.data_ptr<int64_t>() + r * width);
      std::fill_n(mask.data_ptr<int64_t>() + r * width, tokens.size(), 1);
      place.data_ptr<int64_t>()[r] = r * width + at;
    }
    const at::Tensor hidden =
        model_.Read({.ids = ids.to(device), .attention_mask = mask.to(device)}, last)
            .flatten(0, 1);  // [rows * width, D]
    const at::Tensor probabilities =
        at::softmax(
            model_.ApplyHead(hidden.index_select(0, place.to(device))).to(at::kCPU, at::kFloat), -1)
            .contiguous();
    for (int64_t r = 0; r < rows; ++r) {
      const float* row = probabilities.data_ptr<float>() + r * probabilities.size(1);
      for (const size_t i : order[begin + static_cast<size_t>(r)]->second)
        out[i] = Choose(row, words[i], options);
    }
    begin = end;
  }
  return out;
}

std::vector<Substitute> MaskedLmSubstitutes::Choose(const float* probabilities,
                                                    const WordInText& word,
                                                    const SubstituteOptions& options) const {
  // A few more than wanted: some are the word itself in another case.
  std::vector<int> ids;
  for (int id = 0; id < static_cast<int>(candidates_.size()); ++id) {
    if (!candidates_[static_cast<size_t>(id)].word.empty() &&
        probabilities[id] >= options.min_probability)
      ids.push_back(id);
  }
  const auto keep = std::min(ids.size(), static_cast<size_t>(options.count) * 4 + 8);
  std::partial_sort(ids.begin(), ids.begin() + static_cast<int64_t>(keep), ids.end(),
                    [&](int a, int b) {
                      return std::pair(-probabilities[a], a) < std::pair(-probabilities[b], b);
                    });
  ids.resize(keep);
  std::vector<Substitute> out;
  std::vector<std::string> seen = {Lower(word.word)};
  for (const int id : ids) {
    if (static_cast<int>(out.size()) == options.count) break;
    Substitute substitute = candidates_[static_cast<size_t>(id)];
    const std::string lower = Lower(substitute.word);
    if (std::find(seen.begin(), seen.end(), lower) != seen.end()) continue;
    const bool after_space = word.left.ends_with(' ');
    substitute.glued = substitute.glued && after_space;
    if (substitute.glued && word.left.size() < 2) continue;  // nothing to be glued to
    if (IsTitle(word.word))
      substitute.word[0] =
          static_cast<char>(std::toupper(static_cast<unsigned char>(substitute.word[0])));
    substitute.probability = probabilities[id];
    seen.push_back(lower);
    out.push_back(std::move(substitute));
  }
  return out;
}

}  // namespace assay::neurons
