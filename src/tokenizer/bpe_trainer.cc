#include "tokenizer/bpe_trainer.h"

#include <algorithm>
#include <queue>
#include <set>
#include <unordered_map>

#include "base/error.h"
#include "base/file.h"
#include "tokenizer/byte_level.h"

namespace assay::tokenizer {

using base::ErrorKind;
using base::Fail;
using nlohmann::json;

namespace {

using PairKey = uint64_t;  // left id << 32 | right id: keys compare as pairs do

PairKey MakeKey(TokenId left, TokenId right) {
  return static_cast<uint64_t>(left) << 32 | static_cast<uint32_t>(right);
}
TokenId LeftOf(PairKey key) { return static_cast<TokenId>(key >> 32); }
TokenId RightOf(PairKey key) { return static_cast<TokenId>(key & 0xFFFFFFFF); }

struct TrainingWord {
  std::vector<TokenId> symbols;
  int64_t count = 0;
};

// The counts of neighbouring pairs over all words, kept up to date while pairs are merged.
class PairCounts {
 public:
  explicit PairCounts(std::vector<TrainingWord> words) : words_(std::move(words)) {
    for (uint32_t w = 0; w < words_.size(); ++w) {
      const TrainingWord& word = words_[w];
      for (size_t i = 0; i + 1 < word.symbols.size(); ++i) {
        Count(MakeKey(word.symbols[i], word.symbols[i + 1]), word.count, w);
      }
    }
    PushChanged();
  }

  struct Best {
    PairKey pair = 0;
    int64_t count = 0;
  };

  // The most frequent pair, the smaller ids first among equals. Count 0 when there is none left.
  Best TakeBest() {
    while (!heap_.empty()) {
      const Best top = heap_.top();
      heap_.pop();
      const auto state = pairs_.find(top.pair);
      const int64_t now = state == pairs_.end() ? 0 : state->second.count;
      if (now == top.count) return top;
      if (now > 0) heap_.push({top.pair, now});  // it has become rarer since it was pushed
    }
    return {};
  }

  void Merge(PairKey pair, TokenId merged) {
    std::vector<uint32_t> words = std::move(pairs_[pair].words);
    pairs_.erase(pair);
    std::sort(words.begin(), words.end());
    words.erase(std::unique(words.begin(), words.end()), words.end());
    for (const uint32_t w : words) MergeInWord(w, pair, merged);
    PushChanged();
  }

 private:
  struct PairState {
    int64_t count = 0;
    std::vector<uint32_t> words;  // those that have or once had the pair
  };
  struct IsRarer {
    bool operator()(const Best& a, const Best& b) const {
      return a.count != b.count ? a.count < b.count : a.pair > b.pair;
    }
  };

  void Count(PairKey pair, int64_t change, uint32_t word) {
    PairState& state = pairs_[pair];
    state.count += change;
    if (change > 0) {
      if (state.words.empty() || state.words.back() != word) state.words.push_back(word);
      grown_.push_back(pair);
    }
  }

  void PushChanged() {
    std::sort(grown_.begin(), grown_.end());
    grown_.erase(std::unique(grown_.begin(), grown_.end()), grown_.end());
    for (const PairKey pair : grown_) {
      const int64_t count = pairs_[pair].count;
      if (count > 0) heap_.push({pair, count});
    }
    grown_.clear();
  }

  // Joins the pair from left to right and moves the counts of the pairs around each place.
  void MergeInWord(uint32_t w, PairKey pair, TokenId merged) {
    TrainingWord& word = words_[w];
    std::vector<TokenId>& symbols = word.symbols;
    size_t out = 0;
    for (size_t i = 0; i < symbols.size();) {
      const bool here = i + 1 < symbols.size() && MakeKey(symbols[i], symbols[i + 1]) == pair;
      if (!here) {
        symbols[out++] = symbols[i++];
        continue;
      }
      if (out > 0) {
        Count(MakeKey(symbols[out - 1], symbols[i]), -word.count, w);
        Count(MakeKey(symbols[out - 1], merged), word.count, w);
      }
      if (i + 2 < symbols.size()) {
        Count(MakeKey(symbols[i + 1], symbols[i + 2]), -word.count, w);
        Count(MakeKey(merged, symbols[i + 2]), word.count, w);
      }
      symbols[out++] = merged;
      i += 2;
    }
    symbols.resize(out);
    pairs_.erase(pair);  // "aaa": counting its neighbours may have made the pair anew
  }

  std::vector<TrainingWord> words_;
  std::unordered_map<PairKey, PairState> pairs_;
  std::priority_queue<Best, std::vector<Best>, IsRarer> heap_;
  std::vector<PairKey> grown_;
};

struct Merges {
  std::vector<std::string> tokens;  // by id
  std::vector<std::pair<std::string, std::string>> pairs;
};

// Merges the most frequent pair again and again until there are `vocab_size` tokens.
void LearnMerges(PairCounts counts, size_t vocab_size, int64_t min_pair_count, Merges& learned) {
  StringMap<TokenId> ids;
  for (size_t id = 0; id < learned.tokens.size(); ++id) {
    ids[learned.tokens[id]] = static_cast<TokenId>(id);
  }
  while (learned.tokens.size() < vocab_size) {
    const PairCounts::Best best = counts.TakeBest();
    if (best.count < std::max<int64_t>(1, min_pair_count)) return;
    const std::string left = learned.tokens[LeftOf(best.pair)];
    const std::string right = learned.tokens[RightOf(best.pair)];
    // Two ways to merge the same letters share one token.
    const auto next_id = static_cast<TokenId>(learned.tokens.size());
    const auto [entry, is_new] = ids.try_emplace(left + right, next_id);
    if (is_new) learned.tokens.push_back(left + right);
    learned.pairs.emplace_back(left, right);
    counts.Merge(best.pair, entry->second);
  }
}

json AddedTokenJson(const std::string& content, size_t id) {
  return {{"id", id},        {"content", content},  {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", false}, {"special", true}};
}

json TokenizerJson(const Merges& learned, const std::vector<std::string>& special_tokens) {
  json added = json::array();
  for (size_t id = 0; id < special_tokens.size(); ++id) {
    added.push_back(AddedTokenJson(special_tokens[id], id));
  }
  json vocab = json::object();
  for (size_t id = 0; id < learned.tokens.size(); ++id) vocab[learned.tokens[id]] = id;
  json merges = json::array();
  for (const auto& [left, right] : learned.pairs)
    merges.push_back(fmt::format("{} {}", left, right));
  const json byte_level = {{"type", "ByteLevel"},
                           {"add_prefix_space", false},
                           {"trim_offsets", true},
                           {"use_regex", true}};
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens", std::move(added)},
          {"normalizer", nullptr},
          {"pre_tokenizer", byte_level},
          {"post_processor", nullptr},
          {"decoder", byte_level},
          {"model",
           {{"type", "BPE"},
            {"dropout", nullptr},
            {"unk_token", nullptr},
            {"continuing_subword_prefix", nullptr},
            {"end_of_word_suffix", nullptr},
            {"fuse_unk", false},
            {"byte_fallback", false},
            {"ignore_merges", false},
            {"vocab", std::move(vocab)},
            {"merges", std::move(merges)}}}};
}

json ConfigJson(const BpeTrainerOptions& options) {
  json config = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                 {"bos_token", options.end_of_text_token},
                 {"eos_token", options.end_of_text_token},
                 {"clean_up_tokenization_spaces", false}};
  if (options.pad_token) config["pad_token"] = *options.pad_token;
  if (options.mask_token) config["mask_token"] = *options.mask_token;
  return config;
}

}  // namespace

BpeTrainer::BpeTrainer(BpeTrainerOptions options)
    : options_(std::move(options)), words_pattern_(kGpt2Pattern, "the GPT-2 pattern") {
  special_tokens_.push_back(options_.end_of_text_token);
  if (options_.pad_token) special_tokens_.push_back(*options_.pad_token);
  if (options_.mask_token) special_tokens_.push_back(*options_.mask_token);
  special_tokens_.insert(special_tokens_.end(), options_.other_special_tokens.begin(),
                         options_.other_special_tokens.end());
  std::set<std::string> seen;
  for (const std::string& token : special_tokens_) {
    if (token.size() < 2 || !base::IsUtf8(token) || !seen.insert(token).second) {
      Fail(ErrorKind::kUsage, "the special token '{}' is too short, not UTF-8 or given twice",
           token);
    }
  }
  const size_t smallest = special_tokens_.size() + 256;
  if (options_.vocab_size < static_cast<int>(smallest) || options_.vocab_size > kMaxTokenId) {
    Fail(ErrorKind::kUsage,
         "the vocabulary size is {}; expected {} (special tokens and bytes) to {}",
         options_.vocab_size, smallest, kMaxTokenId);
  }
}

void BpeTrainer::AddText(std::string_view text) {
  if (!base::IsUtf8(text)) Fail(ErrorKind::kBadInput, "a training text is not valid UTF-8");
  if (text.size() >= UINT32_MAX) {
    Fail(ErrorKind::kBadInput, "a training text has {} bytes; expected less than 4 GiB",
         text.size());
  }
  for (const Range range : words_pattern_.FindAll(text)) {
    const std::string_view word = text.substr(range.begin, range.end - range.begin);
    const auto found = word_counts_.find(word);
    if (found != word_counts_.end()) {
      ++found->second;
    } else {
      word_counts_.emplace(word, 1);
    }
  }
}

TrainedBpe BpeTrainer::Train() const {
  Merges learned{.tokens = special_tokens_, .pairs = {}};
  std::array<TokenId, 256> byte_ids{};
  for (const unsigned char byte : BytesInAliasOrder()) {
    byte_ids[byte] = static_cast<TokenId>(learned.tokens.size());
    learned.tokens.emplace_back(ByteAlias(byte));
  }
  std::vector<TrainingWord> words;
  words.reserve(word_counts_.size());
  for (const auto& [text, count] : word_counts_) {
    TrainingWord word{.symbols = {}, .count = count};
    for (const char byte : text) word.symbols.push_back(byte_ids[static_cast<unsigned char>(byte)]);
    words.push_back(std::move(word));
  }
  LearnMerges(PairCounts(std::move(words)), static_cast<size_t>(options_.vocab_size),
              options_.min_pair_count, learned);
  TrainedBpe trained;
  trained.vocab_size = static_cast<int>(learned.tokens.size());
  trained.tokenizer = TokenizerJson(learned, special_tokens_);
  trained.tokenizer_config = ConfigJson(options_);
  return trained;
}

TrainedBpe TrainBpe(std::span<const std::string> texts, const BpeTrainerOptions& options) {
  BpeTrainer trainer(options);
  for (const std::string& text : texts) trainer.AddText(text);
  return trainer.Train();
}

void WriteTokenizerFolder(const TrainedBpe& trained, const std::filesystem::path& folder) {
  base::WriteFile(folder / "tokenizer.json", trained.tokenizer.dump(1) + "\n");
  base::WriteFile(folder / "tokenizer_config.json", trained.tokenizer_config.dump(1) + "\n");
}

}  // namespace assay::tokenizer
