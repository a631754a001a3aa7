#include "tokenizer/pre_tokenizer.h"

#include <algorithm>
#include <string>

#include "tokenizer/byte_level.h"
#include "tokenizer/metaspace.h"
#include "tokenizer/regex.h"
#include "tokenizer/unicode.h"
#include "tokenizer/utf8.h"

namespace assay::tokenizer {
namespace {

std::string_view TextOf(const Words& words, Range range) {
  return std::string_view(words.text.text()).substr(range.begin, range.end - range.begin);
}

// Cuts every word at the matches of a pattern.
class SplitAtPattern : public PreTokenizer {
 public:
  SplitAtPattern(std::unique_ptr<Pattern> pattern, SplitBehavior behavior, bool invert)
      : pattern_(std::move(pattern)), behavior_(behavior), invert_(invert) {}

  void Split(Words& words) const override {
    std::vector<Range> pieces;
    for (const Range word : words.ranges) {
      const std::string_view text = TextOf(words, word);
      for (const Range piece :
           SplitByMatches(pattern_->FindAll(text), text.size(), behavior_, invert_)) {
        pieces.push_back({word.begin + piece.begin, word.begin + piece.end});
      }
    }
    words.ranges = std::move(pieces);
  }

 private:
  std::unique_ptr<Pattern> pattern_;
  SplitBehavior behavior_;
  bool invert_;
};

// Rewrites each word with `rewrite(AlignedText& out, Range word)`; the words stay the same ones.
template <typename Rewrite>
void RewriteWords(Words& words, Rewrite rewrite) {
  Words out;
  out.text.Reserve(words.text.size() + words.text.size() / 4);
  out.ranges.reserve(words.ranges.size());
  for (const Range word : words.ranges) {
    const auto begin = static_cast<uint32_t>(out.text.size());
    rewrite(out.text, word);
    out.ranges.push_back({begin, static_cast<uint32_t>(out.text.size())});
  }
  words = std::move(out);
}

void WriteAliases(Words& words) {
  RewriteWords(words, [&](AlignedText& out, Range word) {
    for (uint32_t i = word.begin; i < word.end; ++i) {
      out.Append(ByteAlias(static_cast<unsigned char>(words.text.text()[i])),
                 words.text.Origin({i, i + 1}));
    }
  });
}

class SequenceOfPreTokenizers : public PreTokenizer {
 public:
  explicit SequenceOfPreTokenizers(std::vector<std::unique_ptr<PreTokenizer>> steps)
      : steps_(std::move(steps)) {}
  void Split(Words& words) const override {
    for (const auto& step : steps_) {
      if (words.as_aliases) WriteAliases(words);
      step->Split(words);
      words.text.CheckGrowth();
    }
  }

 private:
  std::vector<std::unique_ptr<PreTokenizer>> steps_;
};

class ByteLevel : public PreTokenizer {
 public:
  explicit ByteLevel(const ByteLevelOptions& options) : options_(options) {
    if (options.use_regex) {
      cut_ = std::make_unique<SplitAtPattern>(
          std::make_unique<Regex>(kGpt2Pattern, "the GPT-2 pattern"), SplitBehavior::kIsolated,
          false);
    }
  }

  void Split(Words& words) const override {
    if (options_.add_prefix_space) AddPrefixSpace(words);
    if (cut_) cut_->Split(words);
    words.as_aliases = true;
  }

 private:
  static void AddPrefixSpace(Words& words) {
    RewriteWords(words, [&](AlignedText& out, Range word) {
      if (words.text.text()[word.begin] != ' ') {
        out.AppendInserted(" ", words.text.Origin(word).begin);
      }
      out.AppendPart(words.text, word);
    });
  }

  ByteLevelOptions options_;
  std::unique_ptr<PreTokenizer> cut_;
};

class Metaspace : public PreTokenizer {
 public:
  explicit Metaspace(MetaspaceOptions options)
      : options_(std::move(options)),
        cut_(std::make_unique<LiteralPattern>(options_.replacement), SplitBehavior::kMergedWithNext,
             false) {}

  void Split(Words& words) const override {
    RewriteWords(words, [&](AlignedText& out, Range word) {
      const std::string_view text = TextOf(words, word);
      const uint32_t origin = words.text.Origin(word).begin;
      const bool marked = text[0] == ' ' || text.starts_with(options_.replacement);
      if (!marked && (options_.prepend == PrependScheme::kAlways ||
                      (options_.prepend == PrependScheme::kFirst && origin == 0))) {
        out.AppendInserted(options_.replacement, origin);
      }
      for (uint32_t i = word.begin; i < word.end;) {
        const size_t space = words.text.text().find(' ', i);
        const auto end = static_cast<uint32_t>(std::min<size_t>(space, word.end));
        out.AppendPart(words.text, {i, end});
        if (end < word.end) out.Append(options_.replacement, words.text.Origin({end, end + 1}));
        i = end + 1;
      }
    });
    if (options_.split) cut_.Split(words);
  }

 private:
  MetaspaceOptions options_;
  SplitAtPattern cut_;
};

std::unique_ptr<PreTokenizer> SplitAtCharacters(CharacterPattern::Predicate predicate,
                                                SplitBehavior behavior) {
  return std::make_unique<SplitAtPattern>(std::make_unique<CharacterPattern>(predicate), behavior,
                                          false);
}

SplitBehavior ReadBehavior(const JsonNode& node) {
  const std::string name = node.String();
  if (name == "Removed") return SplitBehavior::kRemoved;
  if (name == "Isolated") return SplitBehavior::kIsolated;
  if (name == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return SplitBehavior::kMergedWithNext;
  if (name == "Contiguous") return SplitBehavior::kContiguous;
  node.Bad("Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous");
}

// Words and runs of other characters, white space dropped: \w+|[^\w\s]+ with the \w of Rust's
// regular expressions.
std::unique_ptr<PreTokenizer> MakeWhitespace() {
  const std::string word = R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\x{200C}\x{200D})";
  const std::string pattern = "[" + word + "]+|[^" + word + "\\s]+";
  return std::make_unique<SplitAtPattern>(
      std::make_unique<Regex>(pattern, "the Whitespace pattern"), SplitBehavior::kRemoved, true);
}

}  // namespace

std::unique_ptr<PreTokenizer> MakeBertPreTokenizer() {
  std::vector<std::unique_ptr<PreTokenizer>> steps;
  steps.push_back(SplitAtCharacters(&IsWhitespace, SplitBehavior::kRemoved));
  steps.push_back(SplitAtCharacters(&IsPunctuation, SplitBehavior::kIsolated));
  return std::make_unique<SequenceOfPreTokenizers>(std::move(steps));
}

std::unique_ptr<PreTokenizer> MakeByteLevel(const ByteLevelOptions& options) {
  return std::make_unique<ByteLevel>(options);
}

std::unique_ptr<PreTokenizer> ReadPreTokenizer(const JsonNode& node) {
  const std::string type = node.Member("type").String();
  if (type == "Sequence") {
    std::vector<std::unique_ptr<PreTokenizer>> steps;
    for (const JsonNode& step : node.Member("pretokenizers").Elements()) {
      steps.push_back(ReadPreTokenizer(step));
    }
    return std::make_unique<SequenceOfPreTokenizers>(std::move(steps));
  }
  if (type == "ByteLevel") {
    return MakeByteLevel({.add_prefix_space = node.BoolOr("add_prefix_space", true),
                          .use_regex = node.BoolOr("use_regex", true)});
  }
  if (type == "Metaspace") return std::make_unique<Metaspace>(ReadMetaspaceOptions(node));
  if (type == "Split") {
    return std::make_unique<SplitAtPattern>(ReadPattern(node.Member("pattern")),
                                            ReadBehavior(node.Member("behavior")),
                                            node.BoolOr("invert", false));
  }
  if (type == "BertPreTokenizer") return MakeBertPreTokenizer();
  if (type == "Whitespace") return MakeWhitespace();
  if (type == "WhitespaceSplit") return SplitAtCharacters(&IsWhitespace, SplitBehavior::kRemoved);
  if (type == "Digits") {
    const bool single = node.BoolOr("individual_digits", false);
    return SplitAtCharacters(&IsNumeric,
                             single ? SplitBehavior::kIsolated : SplitBehavior::kContiguous);
  }
  if (type == "Punctuation") {
    const auto behavior = node.Find("behavior");
    return SplitAtCharacters(&IsPunctuation,
                             behavior ? ReadBehavior(*behavior) : SplitBehavior::kIsolated);
  }
  if (type == "CharDelimiterSplit") {
    return std::make_unique<SplitAtPattern>(
        std::make_unique<LiteralPattern>(ToUtf8(node.Member("delimiter").CodePoint())),
        SplitBehavior::kRemoved, false);
  }
  node.Unsupported("the pre-tokenizer " + type);
}

}  // namespace assay::tokenizer
