#include "tokenizer/pipeline.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "base/file.h"

namespace assay::tokenizer {

using base::ErrorKind;
using base::Fail;

namespace {

class PipelineTokenizer : public Tokenizer {
 public:
  PipelineTokenizer(Pipeline pipeline, std::string_view where) : p_(std::move(pipeline)) {
    for (const auto* side : {&p_.frame.before, &p_.frame.after}) {
      for (const TokenId id : *side) {
        if (TokenOf(id) == nullptr) {
          Fail(ErrorKind::kBadInput, "{}: the post-processor adds id {}, which is no token", where,
               id);
        }
      }
    }
    for (const AddedToken& token : p_.added.tokens()) {
      if (token.normalized) {
        p_.added.SetNormalizedForm(token.id, NormalizeText(token.content, 0).text());
      }
    }
  }

  Encoding Encode(std::string_view text, SpecialTokens special) const override {
    if (text.size() >= std::numeric_limits<uint32_t>::max()) {
      Fail(ErrorKind::kBadInput, "the text has {} bytes; expected less than 4 GiB", text.size());
    }
    if (!base::IsUtf8(text)) Fail(ErrorKind::kBadInput, "the text is not valid UTF-8");
    Encoding encoding;
    const bool framed = special == SpecialTokens::kAsConfigured;
    if (framed) AppendFrame(p_.frame.before, 0, encoding);
    for (const TextPart& part : p_.added.CutText(text, /*normalized=*/false)) {
      if (part.id) {
        Append(*part.id, part.range, encoding);
      } else {
        EncodePart(text, part.range, encoding);
      }
    }
    if (framed) AppendFrame(p_.frame.after, static_cast<uint32_t>(text.size()), encoding);
    return encoding;
  }

  std::string Decode(std::span<const TokenId> ids) const override {
    std::vector<std::string> pieces;
    pieces.reserve(ids.size());
    for (const TokenId id : ids) {
      CheckId(id);
      const std::string* token = TokenOf(id);
      if (token != nullptr && !p_.added.IsSpecial(id)) pieces.push_back(*token);
    }
    if (!p_.decoder) return fmt::format("{}", fmt::join(pieces, " "));
    p_.decoder->Decode(pieces);
    std::string text;
    for (const std::string& piece : pieces) text += piece;
    return text;
  }

  std::string TokenText(TokenId id) const override {
    CheckId(id);
    if (const std::string* added = p_.added.vocabulary().Token(id)) return *added;
    const std::string* token = TokenOf(id);
    return token == nullptr ? fmt::format("<unused {}>", id) : ShowToken(*token, p_.style);
  }

  int VocabSize() const override {
    return std::max(p_.model->vocabulary().Size(), p_.added.vocabulary().Size());
  }

  SpecialIds Specials() const override { return p_.specials; }

  bool ContinuesWord(TokenId id) const override {
    CheckId(id);
    if (p_.added.vocabulary().Token(id) != nullptr) return false;
    const std::string* token = TokenOf(id);
    return token != nullptr && tokenizer::ContinuesWord(*token, p_.style);
  }

 private:
  void CheckId(TokenId id) const {
    if (id < 0 || id >= VocabSize()) {
      Fail(ErrorKind::kBadInput, "token id {} is outside the vocabulary; expected 0 to {}", id,
           VocabSize() - 1);
    }
  }

  // Null for an id that no token has.
  const std::string* TokenOf(TokenId id) const {
    const std::string* added = p_.added.vocabulary().Token(id);
    return added != nullptr ? added : p_.model->vocabulary().Token(id);
  }

  static void Append(TokenId id, Range origin, Encoding& encoding) {
    encoding.ids.push_back(id);
    encoding.offsets.emplace_back(origin.begin, origin.end);
  }

  static void AppendFrame(const std::vector<TokenId>& ids, uint32_t at, Encoding& encoding) {
    for (const TokenId id : ids) Append(id, {at, at}, encoding);
  }

  AlignedText NormalizeText(std::string_view text, uint32_t offset) const {
    AlignedText aligned(text, offset);
    return p_.normalizer ? p_.normalizer->Apply(std::move(aligned)) : aligned;
  }

  void EncodePart(std::string_view text, Range part, Encoding& encoding) const {
    AlignedText normal = NormalizeText(text.substr(part.begin, part.end - part.begin), part.begin);
    const std::vector<TextPart> cuts = p_.added.CutText(normal.text(), /*normalized=*/true);
    if (cuts.size() == 1 && !cuts[0].id) {
      EncodeWords(std::move(normal), encoding);
      return;
    }
    for (const TextPart& cut : cuts) {
      if (cut.id) {
        Append(*cut.id, normal.Origin(cut.range), encoding);
      } else {
        AlignedText between;
        between.AppendPart(normal, cut.range);
        EncodeWords(std::move(between), encoding);
      }
    }
  }

  // Requires a text that is not empty.
  void EncodeWords(AlignedText text, Encoding& encoding) const {
    Words words;
    words.ranges.push_back({0, static_cast<uint32_t>(text.size())});
    words.text = std::move(text);
    if (p_.pre_tokenizer) p_.pre_tokenizer->Split(words);
    std::vector<ModelToken> tokens;
    for (const Range word : words.ranges) {
      tokens.clear();
      const auto text_of_word =
          std::string_view(words.text.text()).substr(word.begin, word.end - word.begin);
      if (words.as_aliases) {
        p_.model->TokenizeAliases(text_of_word, tokens);
      } else {
        p_.model->Tokenize(text_of_word, tokens);
      }
      for (const ModelToken& token : tokens) {
        Append(token.id,
               words.text.Origin({word.begin + token.range.begin, word.begin + token.range.end}),
               encoding);
      }
    }
  }

  Pipeline p_;
};

}  // namespace

std::unique_ptr<Tokenizer> MakePipelineTokenizer(Pipeline pipeline, std::string_view where) {
  return std::make_unique<PipelineTokenizer>(std::move(pipeline), where);
}

}  // namespace assay::tokenizer
