// The one file that uses the SentencePiece library, built as a shared object of its own: see
// tokenizer/sentencepiece_tokenizer.cc for why.
#include <sentencepiece_processor.h>

#include <array>
#include <limits>

#include "base/error.h"
#include "base/file.h"
#include "tokenizer/sentencepiece_tokenizer.h"
#include "tokenizer/token_text.h"
#include "tokenizer/utf8.h"

namespace assay::tokenizer {

using base::ErrorKind;
using base::Fail;

namespace {

constexpr std::string_view kSpaceMark = "\xE2\x96\x81";  // U+2581

class SentencePieceTokenizer : public Tokenizer {
 public:
  SentencePieceTokenizer(std::string_view model, std::string_view file,
                         const TokenizerConfig& config) {
    const auto status = processor_.LoadFromSerializedProto(model);
    if (!status.ok()) {
      Fail(ErrorKind::kBadInput, "{}: not a SentencePiece model: {}", file, status.ToString());
    }
    for (const AddedToken& token : config.added_tokens) {
      if (token.id >= VocabSize()) {
        Fail(ErrorKind::kUnsupported,
             "{}: the added token '{}' has id {}; with {} of {} tokens it is not supported",
             config.file, token.content, token.id, file, VocabSize());
      }
    }
    style_.word_start = kSpaceMark;
    style_.byte_fallback = true;
    ChooseSpecials(config);
    frame_ = BosEosFrame(config, specials_, true, false);
  }

  Encoding Encode(std::string_view text, SpecialTokens special) const override {
    if (text.size() > std::numeric_limits<int32_t>::max()) {
      Fail(ErrorKind::kBadInput, "the text has {} bytes; expected less than 2 GiB", text.size());
    }
    if (!base::IsUtf8(text)) Fail(ErrorKind::kBadInput, "the text is not valid UTF-8");
    Encoding encoding;
    const bool framed = special == SpecialTokens::kAsConfigured;
    if (framed) AppendFrame(frame_.before, 0, encoding);
    const auto pieces = processor_.EncodeAsImmutableProto(text);
    uint32_t run_begin = 0;  // of the pieces that are bytes of one character
    size_t run_length = 0;
    for (size_t i = 0; i < pieces.pieces_size(); ++i) {
      const auto piece = pieces.pieces(static_cast<int>(i));
      const auto id = static_cast<TokenId>(piece.id());
      encoding.ids.push_back(id);
      encoding.offsets.emplace_back(piece.begin(), piece.end());
      // The library gives a character's bytes to the last of its pieces; each shall have its own.
      if (!processor_.IsByte(id)) {
        run_length = 0;
        continue;
      }
      if (run_length++ == 0) run_begin = piece.begin();
      if (piece.end() == piece.begin()) continue;
      if (piece.end() - run_begin == run_length) SpreadBytes(run_begin, run_length, encoding);
      run_length = 0;
    }
    if (framed) AppendFrame(frame_.after, static_cast<uint32_t>(text.size()), encoding);
    return encoding;
  }

  std::string Decode(std::span<const TokenId> ids) const override {
    std::vector<int> kept;
    kept.reserve(ids.size());
    for (const TokenId id : ids) {
      CheckId(id);
      if (!IsSpecial(id)) kept.push_back(id);
    }
    return ReplaceInvalidUtf8(processor_.DecodeIds(kept));
  }

  std::string TokenText(TokenId id) const override {
    CheckId(id);
    const std::string& piece = processor_.IdToPiece(id);
    return IsSpecial(id) && !piece.empty() ? piece : ShowToken(piece, style_);
  }

  int VocabSize() const override { return processor_.GetPieceSize(); }
  SpecialIds Specials() const override { return specials_; }

  bool ContinuesWord(TokenId id) const override {
    CheckId(id);
    return !IsSpecial(id) && tokenizer::ContinuesWord(processor_.IdToPiece(id), style_);
  }

 private:
  void CheckId(TokenId id) const {
    if (id < 0 || id >= VocabSize()) {
      Fail(ErrorKind::kBadInput, "token id {} is outside the vocabulary; expected 0 to {}", id,
           VocabSize() - 1);
    }
  }

  bool IsSpecial(TokenId id) const { return processor_.IsControl(id) || processor_.IsUnknown(id); }

  static void AppendFrame(const std::vector<TokenId>& ids, uint32_t at, Encoding& encoding) {
    for (const TokenId id : ids) {
      encoding.ids.push_back(id);
      encoding.offsets.emplace_back(at, at);
    }
  }

  // Gives the last `count` tokens one byte each, from `begin`.
  static void SpreadBytes(uint32_t begin, size_t count, Encoding& encoding) {
    const size_t first = encoding.offsets.size() - count;
    for (uint32_t k = 0; k < count; ++k) {
      encoding.offsets[first + k] = {begin + k, begin + k + 1};
    }
  }

  void ChooseSpecials(const TokenizerConfig& config) {
    const auto choose = [&](const std::optional<std::string>& name, int own) {
      std::optional<TokenId> id;
      if (own >= 0) id = own;
      if (!name) return id;
      const int named = processor_.PieceToId(*name);
      return processor_.IdToPiece(named) == *name ? std::optional<TokenId>(named) : id;
    };
    specials_.bos = choose(config.names.bos, processor_.bos_id());
    specials_.eos = choose(config.names.eos, processor_.eos_id());
    specials_.unk = choose(config.names.unk, processor_.unk_id());
    specials_.pad = choose(config.names.pad, processor_.pad_id());
    specials_.mask = choose(config.names.mask, -1);
    specials_.cls = choose(config.names.cls, -1);
    specials_.sep = choose(config.names.sep, -1);
  }

  sentencepiece::SentencePieceProcessor processor_;
  TokenStyle style_;
  SpecialIds specials_;
  SpecialFrame frame_;
};

}  // namespace

}  // namespace assay::tokenizer

extern "C" __attribute__((visibility("default"))) assay::tokenizer::Tokenizer*
assay_make_sentencepiece_tokenizer(const std::string_view* model, const std::string_view* file,
                                   const assay::tokenizer::TokenizerConfig* config) {
  return new assay::tokenizer::SentencePieceTokenizer(*model, *file, *config);
}
