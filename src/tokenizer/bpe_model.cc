#include "tokenizer/bpe_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <queue>

#include "base/error.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/utf8.h"

namespace assay::tokenizer {

using base::ErrorKind;
using base::Fail;

namespace {

// Up to here scanning for the best pair beats a heap; beyond, its quadratic cost would show.
constexpr size_t kMaxScannedSymbols = 48;
constexpr uint32_t kNoMerge = std::numeric_limits<uint32_t>::max();

}  // namespace

BpeModel::BpeModel(Vocabulary vocabulary, const MergePairs& merges, BpeOptions options,
                   std::string_view where)
    : vocabulary_(std::move(vocabulary)),
      options_(std::move(options)),
      where_(where),
      has_affixes_(!options_.continuing_subword_prefix.empty() ||
                   !options_.end_of_word_suffix.empty()) {
  const auto find = [&](std::string_view token, size_t rank) {
    const auto id = vocabulary_.Find(token);
    if (!id) {
      Fail(ErrorKind::kBadInput,
           "{}: merge {} needs the token '{}', which is not in the vocabulary", where, rank, token);
    }
    return *id;
  };
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const auto& [left, right] = merges[rank];
    const TokenId left_id = find(left, rank);
    const TokenId right_id = find(right, rank);
    const std::string& prefix = options_.continuing_subword_prefix;
    if (right.size() < prefix.size()) {
      Fail(ErrorKind::kBadInput, "{}: merge {} has '{}'; expected a token that starts with '{}'",
           where, rank, right, prefix);
    }
    const TokenId id = find(left + right.substr(prefix.size()), rank);
    merges_[static_cast<uint64_t>(left_id) << 32 | static_cast<uint32_t>(right_id)] = {
        static_cast<uint32_t>(rank), id};
  }
  for (const auto& [token, id] : vocabulary_.ids()) {
    if (!token.empty() && CodePointLength(token[0]) == token.size()) {
      characters_[CodePointAt(token, 0)] = id;
    }
  }
  alias_tokens_ = FindAliasTokens();
  if (options_.byte_fallback) {
    for (int b = 0; b < 256; ++b) byte_tokens_[b] = vocabulary_.Find(fmt::format("<0x{:02X}>", b));
  }
}

std::optional<std::array<TokenId, 256>> BpeModel::FindAliasTokens() const {
  if (has_affixes_) return std::nullopt;
  std::array<TokenId, 256> tokens{};
  for (int b = 0; b < 256; ++b) {
    const auto id = vocabulary_.Find(ByteAlias(static_cast<unsigned char>(b)));
    if (!id) return std::nullopt;
    tokens[b] = *id;
  }
  return tokens;
}

void BpeModel::Tokenize(std::string_view word, std::vector<ModelToken>& out) const {
  if (options_.ignore_merges) {
    if (const auto id = vocabulary_.Find(word)) {
      out.push_back({*id, {0, static_cast<uint32_t>(word.size())}});
      return;
    }
  }
  const size_t first = out.size();
  AppendCharacters(word, out);
  Merge(out, first);
}

void BpeModel::TokenizeAliases(std::string_view bytes, std::vector<ModelToken>& out) const {
  if (!alias_tokens_ || options_.ignore_merges) return SubwordModel::TokenizeAliases(bytes, out);
  const size_t first = out.size();
  for (uint32_t i = 0; i < bytes.size(); ++i) {
    out.push_back({(*alias_tokens_)[static_cast<unsigned char>(bytes[i])], {i, i + 1}});
  }
  Merge(out, first);
}

void BpeModel::Merge(std::vector<ModelToken>& out, size_t first) const {
  if (out.size() - first <= kMaxScannedSymbols) {
    MergeByScanning(out, first);
  } else {
    MergeByHeap(out, first);
  }
}

std::string BpeModel::WithAffixes(std::string_view word, Range range) const {
  std::string character;
  if (range.begin > 0) character += options_.continuing_subword_prefix;
  character += word.substr(range.begin, range.end - range.begin);
  if (range.end == word.size()) character += options_.end_of_word_suffix;
  return character;
}

std::optional<TokenId> BpeModel::FindCharacter(std::string_view word, Range range) const {
  if (has_affixes_) return vocabulary_.Find(WithAffixes(word, range));
  const TokenId* id = characters_.Find(CodePointAt(word, range.begin));
  return id == nullptr ? std::nullopt : std::optional(*id);
}

void BpeModel::AppendCharacters(std::string_view word, std::vector<ModelToken>& out) const {
  bool after_unknown = false;
  for (uint32_t begin = 0; begin < word.size();) {
    const auto end = begin + static_cast<uint32_t>(CodePointLength(word[begin]));
    const Range range{begin, end};
    begin = end;
    if (const auto id = FindCharacter(word, range)) {
      out.push_back({*id, range});
      after_unknown = false;
    } else if (options_.byte_fallback && AppendBytes(word, range, out)) {
      after_unknown = false;
    } else if (options_.unk_token && after_unknown && options_.fuse_unk) {
      out.back().range.end = range.end;
    } else if (options_.unk_token) {
      out.push_back({UnknownToken(), range});
      after_unknown = true;
    }
  }
}

TokenId BpeModel::UnknownToken() const {
  const auto id = vocabulary_.Find(*options_.unk_token);
  if (!id) {
    Fail(ErrorKind::kBadInput,
         "{}: the text needs the unknown token '{}', which is not in the vocabulary", where_,
         *options_.unk_token);
  }
  return *id;
}

bool BpeModel::AppendBytes(std::string_view word, Range range, std::vector<ModelToken>& out) const {
  const std::string bytes = WithAffixes(word, range);
  const auto token = [&](char byte) { return byte_tokens_[static_cast<unsigned char>(byte)]; };
  if (!std::all_of(bytes.begin(), bytes.end(),
                   [&](char byte) { return token(byte).has_value(); })) {
    return false;
  }
  for (uint32_t i = 0; i < bytes.size(); ++i) {
    out.push_back(
        {*token(bytes[i]),
         {std::min(range.begin + i, range.end), std::min(range.begin + i + 1, range.end)}});
  }
  return true;
}

void BpeModel::MergeByScanning(std::vector<ModelToken>& out, size_t first) const {
  std::array<MergeRule, kMaxScannedSymbols> next;  // next[i]: the merge of symbols i and i + 1
  ModelToken* symbols = out.data() + first;
  size_t count = out.size() - first;
  const auto look_up = [&](size_t i) {
    const MergeRule* merge = FindMerge(symbols[i].id, symbols[i + 1].id);
    next[i] = merge == nullptr ? MergeRule{kNoMerge, 0} : *merge;
  };
  for (size_t i = 0; i + 1 < count; ++i) look_up(i);
  while (count > 1) {
    size_t best = 0;
    for (size_t i = 1; i + 1 < count; ++i) {
      if (next[i].rank < next[best].rank) best = i;
    }
    if (next[best].rank == kNoMerge) break;
    symbols[best] = {next[best].id, {symbols[best].range.begin, symbols[best + 1].range.end}};
    std::copy(symbols + best + 2, symbols + count, symbols + best + 1);
    std::copy(next.data() + best + 2, next.data() + count, next.data() + best + 1);
    --count;
    if (best > 0) look_up(best - 1);
    if (best + 1 < count) look_up(best);
  }
  out.resize(first + count);
}

void BpeModel::MergeByHeap(std::vector<ModelToken>& out, size_t first) const {
  constexpr int64_t kNone = -1;
  struct Links {
    int64_t previous, next;  // neighbours still alive
    bool alive;
  };
  struct Candidate {
    uint32_t rank;
    int64_t left;
    TokenId left_id, right_id, merged_id;  // stale when the ids at the place have changed
  };
  const auto later = [](const Candidate& a, const Candidate& b) {
    return a.rank != b.rank ? a.rank > b.rank : a.left > b.left;
  };
  std::vector<ModelToken> symbols(out.begin() + static_cast<int64_t>(first), out.end());
  const auto count = static_cast<int64_t>(symbols.size());
  std::vector<Links> links(symbols.size());
  std::vector<Candidate> storage;
  storage.reserve(symbols.size());
  std::priority_queue<Candidate, std::vector<Candidate>, decltype(later)> heap(later,
                                                                               std::move(storage));
  const auto consider = [&](int64_t left) {
    if (left == kNone || links[left].next == kNone) return;
    const TokenId a = symbols[left].id;
    const TokenId b = symbols[links[left].next].id;
    if (const MergeRule* merge = FindMerge(a, b)) heap.push({merge->rank, left, a, b, merge->id});
  };
  for (int64_t i = 0; i < count; ++i) links[i] = {i - 1, i + 1 < count ? i + 1 : kNone, true};
  for (int64_t i = 0; i < count; ++i) consider(i);
  while (!heap.empty()) {
    const Candidate top = heap.top();
    heap.pop();
    if (!links[top.left].alive || symbols[top.left].id != top.left_id) continue;
    const int64_t right = links[top.left].next;
    if (right == kNone || symbols[right].id != top.right_id) continue;
    symbols[top.left] = {top.merged_id, {symbols[top.left].range.begin, symbols[right].range.end}};
    links[right].alive = false;
    links[top.left].next = links[right].next;
    if (links[right].next != kNone) links[links[right].next].previous = top.left;
    consider(links[top.left].previous);
    consider(top.left);
  }
  out.resize(first);
  for (int64_t i = 0; i != kNone && i < count; i = links[i].next) out.push_back(symbols[i]);
}

MergePairs ReadMergesText(std::string_view text, std::string_view file) {
  MergePairs merges;
  size_t line_number = 0;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++line_number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.starts_with("#version")) continue;
    const size_t space = line.find(' ');
    if (space == 0 || space == std::string_view::npos || space + 1 == line.size() ||
        line.find(' ', space + 1) != std::string_view::npos) {
      Fail(ErrorKind::kBadInput, "{}: line {} is '{}'; expected two tokens with a space between",
           file, line_number, ReplaceInvalidUtf8(line.substr(0, 100)));
    }
    merges.emplace_back(line.substr(0, space), line.substr(space + 1));
  }
  return merges;
}

namespace {

MergePairs ReadMerges(const JsonNode& node) {
  if (!node.value().is_array()) node.Bad("an array of merges");
  MergePairs merges;
  merges.reserve(node.value().size());
  for (size_t i = 0; i < node.value().size(); ++i) {
    const nlohmann::json& merge = node.value()[i];
    if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
      merges.emplace_back(merge[0].get<std::string>(), merge[1].get<std::string>());
      continue;
    }
    const std::string text = merge.is_string() ? merge.get<std::string>() : "";
    const size_t space = text.find(' ');
    if (space == std::string::npos || text.find(' ', space + 1) != std::string::npos) {
      Fail(ErrorKind::kBadInput, "{}[{}] is {}; expected \"a b\" or [\"a\", \"b\"]", node.where(),
           i, Describe(merge));
    }
    merges.emplace_back(text.substr(0, space), text.substr(space + 1));
  }
  return merges;
}

}  // namespace

std::unique_ptr<SubwordModel> ReadBpe(const JsonNode& node) {
  if (const auto dropout = node.Find("dropout")) {
    if (!dropout->value().is_number() || dropout->value().get<double>() != 0) {
      dropout->Unsupported("BPE dropout");
    }
  }
  BpeOptions options;
  if (const auto unk = node.Find("unk_token")) options.unk_token = unk->String();
  options.continuing_subword_prefix = node.StringOr("continuing_subword_prefix", "");
  options.end_of_word_suffix = node.StringOr("end_of_word_suffix", "");
  options.fuse_unk = node.BoolOr("fuse_unk", false);
  options.byte_fallback = node.BoolOr("byte_fallback", false);
  options.ignore_merges = node.BoolOr("ignore_merges", false);
  return std::make_unique<BpeModel>(ReadVocabulary(node.Member("vocab")),
                                    ReadMerges(node.Member("merges")), std::move(options),
                                    node.where());
}

}  // namespace assay::tokenizer
