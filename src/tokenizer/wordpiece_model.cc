#include "tokenizer/wordpiece_model.h"

#include "base/error.h"
#include "tokenizer/utf8.h"

namespace assay::tokenizer {
namespace {

TokenId UnknownToken(const Vocabulary& vocabulary, const std::string& token,
                     const std::string& where) {
  const auto id = vocabulary.Find(token);
  if (!id) {
    base::Fail(base::ErrorKind::kBadInput,
               "{}: the text needs the unknown token '{}', which is not in the vocabulary", where,
               token);
  }
  return *id;
}

}  // namespace

WordPieceModel::WordPieceModel(Vocabulary vocabulary, WordPieceOptions options,
                               std::string_view where)
    : vocabulary_(std::move(vocabulary)), options_(std::move(options)), where_(where) {
  for (const auto& [token, id] : vocabulary_.ids()) trie_.Insert(token, id);
  continuing_ = trie_.Walk(options_.continuing_subword_prefix);
}

void WordPieceModel::Tokenize(std::string_view word, std::vector<ModelToken>& out) const {
  const size_t first = out.size();
  bool known = CountCodePoints(word) <= static_cast<size_t>(options_.max_input_chars_per_word);
  std::optional<ByteTrie::Node> from = ByteTrie::kRoot;
  for (size_t begin = 0; known && begin < word.size();) {
    const auto match = from ? trie_.Longest(word, begin, *from) : std::nullopt;
    if (match) {
      const size_t end = begin + match->length;
      out.push_back({match->value, {static_cast<uint32_t>(begin), static_cast<uint32_t>(end)}});
      begin = end;
      from = continuing_;
    } else {
      known = false;
    }
  }
  if (!known) {
    out.resize(first);
    out.push_back({UnknownToken(vocabulary_, options_.unk_token, where_),
                   {0, static_cast<uint32_t>(word.size())}});
  }
}

WordLevelModel::WordLevelModel(Vocabulary vocabulary, std::string unk_token, std::string_view where)
    : vocabulary_(std::move(vocabulary)), unk_token_(std::move(unk_token)), where_(where) {}

void WordLevelModel::Tokenize(std::string_view word, std::vector<ModelToken>& out) const {
  const auto id = vocabulary_.Find(word);
  out.push_back({id ? *id : UnknownToken(vocabulary_, unk_token_, where_),
                 {0, static_cast<uint32_t>(word.size())}});
}

std::unique_ptr<SubwordModel> ReadWordPiece(const JsonNode& node) {
  WordPieceOptions options;
  options.unk_token = node.StringOr("unk_token", options.unk_token);
  options.continuing_subword_prefix =
      node.StringOr("continuing_subword_prefix", options.continuing_subword_prefix);
  if (const auto most = node.Find("max_input_chars_per_word")) {
    options.max_input_chars_per_word = most->Integer(0, INT64_MAX);
  }
  return std::make_unique<WordPieceModel>(ReadVocabulary(node.Member("vocab")), std::move(options),
                                          node.where());
}

std::unique_ptr<SubwordModel> ReadWordLevel(const JsonNode& node) {
  return std::make_unique<WordLevelModel>(ReadVocabulary(node.Member("vocab")),
                                          node.StringOr("unk_token", "<unk>"), node.where());
}

}  // namespace assay::tokenizer
