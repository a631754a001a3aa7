#include "data/token_sequences.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include "base/error.h"

namespace assay::data {

using base::ErrorKind;
using base::Fail;

std::optional<TokenId> ResolveBos(const std::string& policy, const tokenizer::SpecialIds& specials,
                                  std::optional<TokenId> model_bos) {
  if (policy == "never") return std::nullopt;
  const std::optional<TokenId> bos = specials.bos ? specials.bos : model_bos;
  if (policy == "always" && !bos) {
    Fail(ErrorKind::kUsage,
         "--bos is 'always', but neither the tokenizer nor the model has a BOS token");
  }
  return bos;
}

// A sequence, and the tails that were left out since the one before. The last item of a stream has
// no sequence.
struct TokenSequences::Item {
  std::optional<TokenSequence> sequence;
  int64_t short_tails = 0, short_tail_tokens = 0;
};

// Makes the sequences, one by one.
class TokenSequences::Cutter {
 public:
  Cutter(TextCorpus& corpus, const tokenizer::Tokenizer& tokenizer, std::optional<TokenId> bos,
         const TokenSequenceOptions& options)
      : corpus_(corpus),
        tokenizer_(tokenizer),
        bos_(bos),
        text_tokens_(static_cast<size_t>(options.max_tokens) - (bos ? 1 : 0)),
        min_tokens_(static_cast<size_t>(options.min_tokens)) {
    if (text_tokens_ < min_tokens_) {
      Fail(ErrorKind::kUsage,
           "--sequence-tokens is {}, which leaves no room for --min-sequence-tokens {}{}",
           options.max_tokens, options.min_tokens, bos ? " and BOS" : "");
    }
  }

  Item Next() {
    Item item;
    while (!item.sequence) {
      if (begin_ >= ids_.size() && !ReadDocument()) return item;
      const size_t length = std::min(text_tokens_, ids_.size() - begin_);
      if (length < min_tokens_) {
        ++item.short_tails;
        item.short_tail_tokens += static_cast<int64_t>(length);
      } else {
        item.sequence = Cut(length);
      }
      begin_ += length;
    }
    return item;
  }

 private:
  // Whether there was another document with tokens.
  bool ReadDocument() {
    while (const auto document = corpus_.Next()) {
      ids_ = tokenizer_.Encode(document->text, tokenizer::SpecialTokens::kNone).ids;
      begin_ = 0;
      file_ = document->file;
      document_ = document->index;
      if (!ids_.empty()) return true;
    }
    return false;
  }

  TokenSequence Cut(size_t length) {
    TokenSequence sequence{next_id_++, file_, document_, static_cast<int64_t>(begin_), {}};
    sequence.tokens.reserve(length + 1);
    if (bos_) sequence.tokens.push_back(*bos_);
    const auto first = ids_.begin() + static_cast<std::ptrdiff_t>(begin_);
    sequence.tokens.insert(sequence.tokens.end(), first,
                           first + static_cast<std::ptrdiff_t>(length));
    return sequence;
  }

  TextCorpus& corpus_;
  const tokenizer::Tokenizer& tokenizer_;
  std::optional<TokenId> bos_;
  size_t text_tokens_, min_tokens_;
  std::vector<TokenId> ids_;  // of the document at hand
  size_t begin_ = 0;          // the first that is not given out yet
  size_t file_ = 0;
  int64_t document_ = 0, next_id_ = 0;
};

// Runs a Cutter in a thread, at most `capacity` items ahead.
class TokenSequences::ReadAhead {
 public:
  ReadAhead(Cutter& cutter, size_t capacity)
      : cutter_(cutter),
        capacity_(capacity),
        thread_([this](std::stop_token stop) { Run(stop); }) {}

  ~ReadAhead() {
    thread_.request_stop();
    // Before the queue goes; the stop token wakes a producer that waits for room.
    thread_.join();
  }

  Item Next() {
    std::unique_lock lock(mutex_);
    ready_.wait(lock, [&] { return !items_.empty() || error_; });
    if (items_.empty()) std::rethrow_exception(error_);
    Item item = std::move(items_.front());
    items_.pop_front();
    lock.unlock();
    room_.notify_one();
    return item;
  }

 private:
  void Run(const std::stop_token& stop) {
    try {
      for (bool more = true; more;) {
        Item item = cutter_.Next();
        more = item.sequence.has_value();
        std::unique_lock lock(mutex_);
        if (!room_.wait(lock, stop, [&] { return items_.size() < capacity_; })) return;
        items_.push_back(std::move(item));
        lock.unlock();
        ready_.notify_one();
      }
    } catch (...) {
      const std::lock_guard lock(mutex_);
      error_ = std::current_exception();
      ready_.notify_one();
    }
  }

  Cutter& cutter_;
  const size_t capacity_;
  std::mutex mutex_;
  std::condition_variable ready_;
  std::condition_variable_any room_;
  std::deque<Item> items_;
  std::exception_ptr error_;  // what ended the thread; thrown after the items before it
  std::jthread thread_;       // last: it uses all of the above
};

TokenSequences::TokenSequences(TextCorpus& corpus, const tokenizer::Tokenizer& tokenizer,
                               std::optional<TokenId> bos, const TokenSequenceOptions& options)
    : max_sequences_(options.max_sequences), max_tokens_total_(options.max_tokens_total) {
  base::ValidateFields(options);
  cutter_ = std::make_unique<Cutter>(corpus, tokenizer, bos, options);
  if (options.read_ahead > 0) {
    read_ahead_ = std::make_unique<ReadAhead>(*cutter_, static_cast<size_t>(options.read_ahead));
  }
}

TokenSequences::~TokenSequences() = default;

std::optional<TokenSequence> TokenSequences::Next() {
  if (done_ || counts_.sequences == max_sequences_) return std::nullopt;
  Item item = read_ahead_ ? read_ahead_->Next() : cutter_->Next();
  counts_.short_tails += item.short_tails;
  counts_.short_tail_tokens += item.short_tail_tokens;
  const auto size = item.sequence ? static_cast<int64_t>(item.sequence->tokens.size()) : 0;
  done_ = !item.sequence || counts_.tokens + size > max_tokens_total_;
  if (!done_) {
    ++counts_.sequences;
    counts_.tokens += size;
    return std::move(item.sequence);
  }
  if (counts_.sequences == 0) {
    Fail(ErrorKind::kBadInput,
         "the text gave no sequence: {} piece(s) of text under --min-sequence-tokens, "
         "and --max-tokens {}",
         counts_.short_tails, max_tokens_total_);
  }
  return std::nullopt;
}

}  // namespace assay::data
