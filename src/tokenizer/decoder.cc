#include "tokenizer/decoder.h"

#include <algorithm>
#include <optional>

#include "base/file.h"
#include "tokenizer/aligned_text.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/metaspace.h"
#include "tokenizer/pattern.h"
#include "tokenizer/utf8.h"

namespace assay::tokenizer {
namespace {

using Pieces = std::vector<std::string>;

std::string ReplaceMatches(const std::string& text, const std::vector<Range>& matches,
                           std::string_view content) {
  CheckGrowth(text.size(), text.size() + matches.size() * content.size());
  std::string out;
  uint32_t done = 0;
  for (const Range match : matches) {
    out.append(text, done, match.begin - done).append(content);
    done = match.end;
  }
  return out.append(text, done);
}

std::string ReplaceAll(const std::string& text, const std::string& from, std::string_view to) {
  return ReplaceMatches(text, LiteralPattern(from).FindAll(text), to);
}

size_t TotalSize(const Pieces& pieces) {
  size_t size = 0;
  for (const std::string& piece : pieces) size += piece.size();
  return size;
}

void JoinPieces(Pieces& pieces) {
  std::string joined;
  for (const std::string& piece : pieces) joined += piece;
  pieces.clear();
  pieces.push_back(std::move(joined));
}

class ByteLevelDecoder : public Decoder {
 public:
  void Decode(Pieces& pieces) const override {
    std::string bytes;
    for (const std::string& piece : pieces) {
      // An added token may hold characters outside the byte alphabet: it stands for itself.
      bytes += AliasesToBytes(piece).value_or(piece);
    }
    pieces.assign(1, ReplaceInvalidUtf8(bytes));
  }
  void Describe(TokenStyle& style) const override { style.byte_level = true; }
};

class MetaspaceDecoder : public Decoder {
 public:
  MetaspaceDecoder(std::string replacement, bool drop_first)
      : replacement_(std::move(replacement)), drop_first_(drop_first) {}
  void Decode(Pieces& pieces) const override {
    for (size_t i = 0; i < pieces.size(); ++i) {
      pieces[i] = ReplaceAll(pieces[i], replacement_, i == 0 && drop_first_ ? "" : " ");
    }
  }
  void Describe(TokenStyle& style) const override { style.word_start = replacement_; }

 private:
  std::string replacement_;
  bool drop_first_;
};

class ReplaceDecoder : public Decoder {
 public:
  explicit ReplaceDecoder(const JsonNode& node)
      : pattern_(ReadPattern(node.Member("pattern"))), content_(node.Member("content").String()) {
    const auto literal = node.Member("pattern").Find("String");
    if (literal && content_ == " ") word_start_ = literal->String();
  }
  void Decode(Pieces& pieces) const override {
    for (std::string& piece : pieces) {
      piece = ReplaceMatches(piece, pattern_->FindAll(piece), content_);
    }
  }
  void Describe(TokenStyle& style) const override {
    if (!word_start_.empty()) style.word_start = word_start_;
  }

 private:
  std::unique_ptr<Pattern> pattern_;
  std::string content_;
  std::string word_start_;
};

// A run of byte tokens becomes their text, or one U+FFFD for each byte where the run is no UTF-8.
class ByteFallbackDecoder : public Decoder {
 public:
  void Decode(Pieces& pieces) const override {
    Pieces out;
    std::string run;
    const auto flush = [&] {
      if (run.empty()) return;
      if (base::IsUtf8(run)) {
        out.push_back(run);
      } else {
        for (size_t i = 0; i < run.size(); ++i) out.emplace_back("\xEF\xBF\xBD");
      }
      run.clear();
    };
    for (std::string& piece : pieces) {
      const int byte = ByteOfToken(piece);
      if (byte >= 0) {
        run.push_back(static_cast<char>(byte));
      } else {
        flush();
        out.push_back(std::move(piece));
      }
    }
    flush();
    pieces = std::move(out);
  }
  void Describe(TokenStyle& style) const override { style.byte_fallback = true; }
};

class FuseDecoder : public Decoder {
 public:
  void Decode(Pieces& pieces) const override { JoinPieces(pieces); }
};

class StripDecoder : public Decoder {
 public:
  StripDecoder(std::string content, int64_t start, int64_t stop)
      : content_(std::move(content)), start_(start), stop_(stop) {}
  void Decode(Pieces& pieces) const override {
    for (std::string& piece : pieces) {
      std::string_view rest = piece;
      for (int64_t i = 0; i < start_ && rest.starts_with(content_); ++i) {
        rest.remove_prefix(content_.size());
      }
      for (int64_t i = 0; i < stop_ && rest.ends_with(content_); ++i) {
        rest.remove_suffix(content_.size());
      }
      piece = std::string(rest);
    }
  }

 private:
  std::string content_;
  int64_t start_, stop_;
};

class WordPieceDecoder : public Decoder {
 public:
  WordPieceDecoder(std::string prefix, bool cleanup)
      : prefix_(std::move(prefix)), cleanup_(cleanup) {}
  void Decode(Pieces& pieces) const override {
    for (size_t i = 0; i < pieces.size(); ++i) {
      if (i > 0) {
        pieces[i] =
            pieces[i].starts_with(prefix_) ? pieces[i].substr(prefix_.size()) : " " + pieces[i];
      }
      if (cleanup_) pieces[i] = CleanUp(pieces[i]);
    }
  }
  void Describe(TokenStyle& style) const override { style.continuing_prefix = prefix_; }

 private:
  // The replacements of Hugging Face's clean_up_tokenization, in their order.
  static std::string CleanUp(std::string text) {
    constexpr std::pair<const char*, const char*> kReplacements[] = {
        {" .", "."},   {" ?", "?"},     {" !", "!"},    {" ,", ","},
        {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},  {" do not", " don't"},
        {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
    for (const auto& [from, to] : kReplacements) text = ReplaceAll(text, from, to);
    return text;
  }

  std::string prefix_;
  bool cleanup_;
};

class BpeDecoder : public Decoder {
 public:
  explicit BpeDecoder(std::string suffix) : suffix_(std::move(suffix)) {}
  void Decode(Pieces& pieces) const override {
    if (suffix_.empty()) return;
    for (size_t i = 0; i < pieces.size(); ++i) {
      pieces[i] = ReplaceAll(pieces[i], suffix_, i + 1 < pieces.size() ? " " : "");
    }
  }
  void Describe(TokenStyle& style) const override { style.end_of_word_suffix = suffix_; }

 private:
  std::string suffix_;
};

class SequenceOfDecoders : public Decoder {
 public:
  explicit SequenceOfDecoders(std::vector<std::unique_ptr<Decoder>> steps)
      : steps_(std::move(steps)) {}
  void Decode(Pieces& pieces) const override {
    const size_t original = TotalSize(pieces);
    for (const auto& step : steps_) {
      step->Decode(pieces);
      CheckGrowth(original, TotalSize(pieces));
    }
  }
  void Describe(TokenStyle& style) const override {
    for (const auto& step : steps_) step->Describe(style);
  }

 private:
  std::vector<std::unique_ptr<Decoder>> steps_;
};

}  // namespace

std::unique_ptr<Decoder> MakeByteLevelDecoder() { return std::make_unique<ByteLevelDecoder>(); }

std::unique_ptr<Decoder> MakeWordPieceDecoder(std::string prefix, bool cleanup) {
  return std::make_unique<WordPieceDecoder>(std::move(prefix), cleanup);
}

std::unique_ptr<Decoder> ReadDecoder(const JsonNode& node) {
  const std::string type = node.Member("type").String();
  if (type == "Sequence") {
    std::vector<std::unique_ptr<Decoder>> steps;
    for (const JsonNode& step : node.Member("decoders").Elements()) {
      steps.push_back(ReadDecoder(step));
    }
    return std::make_unique<SequenceOfDecoders>(std::move(steps));
  }
  if (type == "ByteLevel") return MakeByteLevelDecoder();
  if (type == "Metaspace") {
    const MetaspaceOptions options = ReadMetaspaceOptions(node);
    return std::make_unique<MetaspaceDecoder>(options.replacement,
                                              options.prepend != PrependScheme::kNever);
  }
  if (type == "Replace") return std::make_unique<ReplaceDecoder>(node);
  if (type == "ByteFallback") return std::make_unique<ByteFallbackDecoder>();
  if (type == "Fuse") return std::make_unique<FuseDecoder>();
  if (type == "Strip") {
    constexpr int64_t kMost = 1 << 30;
    return std::make_unique<StripDecoder>(ToUtf8(node.Member("content").CodePoint()),
                                          node.Member("start").Integer(0, kMost),
                                          node.Member("stop").Integer(0, kMost));
  }
  if (type == "WordPiece") {
    return MakeWordPieceDecoder(node.StringOr("prefix", "##"), node.BoolOr("cleanup", true));
  }
  if (type == "BPEDecoder") return std::make_unique<BpeDecoder>(node.StringOr("suffix", "</w>"));
  node.Unsupported("the decoder " + type);
}

}  // namespace assay::tokenizer
