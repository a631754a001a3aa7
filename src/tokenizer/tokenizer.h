// Text to token ids and back, read from a Hugging Face model folder. Torch-free.
// Loading makes an immutable object; Encode and Decode are const and safe to call from several
// threads.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace assay::tokenizer {

using TokenId = int32_t;

struct Encoding {
  std::vector<TokenId> ids;
  // offsets[i]: the bytes [begin, end) of the text that token i stands for. Empty range for tokens
  // that stand for no text (BOS, [CLS], ...). Where a character is split over several tokens (byte
  // fallback, byte-level BPE) each token has its own bytes; offsets never run backwards.
  std::vector<std::pair<uint32_t, uint32_t>> offsets;
};

enum class SpecialTokens {
  kAsConfigured,  // what the folder's post-processor or tokenizer_config says (as Hugging Face's
                  // encode())
  kNone,          // the text's own tokens only
};

struct SpecialIds {
  std::optional<TokenId> bos, eos, unk, pad, mask, cls, sep;
};

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // `text` must be UTF-8 (throws kBadInput otherwise).
  virtual Encoding Encode(std::string_view text, SpecialTokens special) const = 0;

  // The text of the ids as Hugging Face's decode(skip_special_tokens=True,
  // clean_up_tokenization_spaces=False). Byte sequences that are no UTF-8 become U+FFFD. Throws
  // kBadInput for an id outside the vocabulary.
  virtual std::string Decode(std::span<const TokenId> ids) const = 0;

  // One token as people should see it: the text it stands for, word-start markers as a space ("
  // the"), bytes that are no UTF-8 by themselves as "<0xE2>", special tokens by their name ("<s>").
  // Never empty.
  virtual std::string TokenText(TokenId id) const = 0;

  virtual int VocabSize() const = 0;  // highest id + 1, added tokens included
  virtual SpecialIds Specials() const = 0;

  // Whether the token continues a word rather than starting one ("##ing", "ing" of byte-level BPE:
  // no leading space).
  virtual bool ContinuesWord(TokenId id) const = 0;
};

// Reads, in this order of preference: tokenizer.json; vocab.json + merges.txt (byte-level BPE,
// GPT-2 pattern); tokenizer.model (SentencePiece); vocab.txt (BERT WordPiece).
// tokenizer_config.json, special_tokens_map.json and config.json give special tokens where present.
// Throws kNotFound when the folder has none of them, kBadInput naming file, value and what was
// expected for malformed content, kUnsupported naming the component for a normalizer,
// pre-tokenizer, model or decoder type that is not implemented: nothing is guessed.
std::unique_ptr<Tokenizer> LoadTokenizer(const std::filesystem::path& folder);

// The same from the bytes of a tokenizer.json alone; `name_for_errors` stands for the file in
// messages.
std::unique_ptr<Tokenizer> LoadTokenizerJson(std::string_view bytes,
                                             std::string_view name_for_errors);

}  // namespace assay::tokenizer
