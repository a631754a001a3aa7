#include "tokenizer/normalizer.h"

#include <functional>
#include <string>
#include <vector>

#include "tokenizer/byte_level.h"
#include "tokenizer/unicode.h"
#include "tokenizer/utf8.h"

namespace assay::tokenizer {
namespace {

// Calls visit(code_point, range) for each character.
template <typename Visit>
void ForEachCharacter(const AlignedText& text, Visit visit) {
  for (uint32_t i = 0; i < text.size();) {
    const auto end = i + static_cast<uint32_t>(CodePointLength(text.text()[i]));
    visit(CodePointAt(text.text(), i), Range{i, end});
    i = end;
  }
}

AlignedText DropCharacters(const AlignedText& text, bool (*drop)(char32_t)) {
  AlignedText out;
  out.Reserve(text.size());
  ForEachCharacter(text, [&](char32_t c, Range range) {
    if (!drop(c)) out.AppendPart(text, range);
  });
  return out;
}

AlignedText LowerText(const AlignedText& text) {
  AlignedText out;
  out.Reserve(text.size());
  std::string lower;
  ForEachCharacter(text, [&](char32_t c, Range range) {
    lower.clear();
    AppendLowercase(c, lower);
    if (text.text().compare(range.begin, range.end - range.begin, lower) == 0) {
      out.AppendPart(text, range);
    } else {
      out.Append(lower, text.Origin(range));
    }
  });
  return out;
}

// Normalises stretch by stretch, so that a token's origin stays as narrow as the form allows.
AlignedText NormalizeText(const AlignedText& text, NormalForm form) {
  AlignedText out;
  out.Reserve(text.size());
  const std::string_view bytes = text.text();
  for (size_t begin = 0; begin < bytes.size();) {
    const size_t end = NextNormalizationBoundary(bytes, begin, form);
    const Range range{static_cast<uint32_t>(begin), static_cast<uint32_t>(end)};
    const std::string_view part = bytes.substr(begin, end - begin);
    const std::string normal = part.size() == 1 ? std::string(part) : Normalize(part, form);
    if (normal == part) {
      out.AppendPart(text, range);
    } else {
      out.Append(normal, text.Origin(range));
    }
    begin = end;
  }
  return out;
}

class FunctionNormalizer : public Normalizer {
 public:
  explicit FunctionNormalizer(std::function<AlignedText(const AlignedText&)> function)
      : function_(std::move(function)) {}
  AlignedText Apply(AlignedText text) const override { return function_(text); }

 private:
  std::function<AlignedText(const AlignedText&)> function_;
};

std::unique_ptr<Normalizer> FromFunction(std::function<AlignedText(const AlignedText&)> function) {
  return std::make_unique<FunctionNormalizer>(std::move(function));
}

class SequenceOfNormalizers : public Normalizer {
 public:
  explicit SequenceOfNormalizers(std::vector<std::unique_ptr<Normalizer>> steps)
      : steps_(std::move(steps)) {}
  AlignedText Apply(AlignedText text) const override {
    for (const auto& step : steps_) {
      text = step->Apply(std::move(text));
      text.CheckGrowth();
    }
    return text;
  }

 private:
  std::vector<std::unique_ptr<Normalizer>> steps_;
};

class ReplaceNormalizer : public Normalizer {
 public:
  explicit ReplaceNormalizer(const JsonNode& node)
      : pattern_(ReadPattern(node.Member("pattern"))), content_(node.Member("content").String()) {}

  AlignedText Apply(AlignedText text) const override {
    const std::vector<Range> matches = pattern_->FindAll(text.text());
    if (matches.empty()) return text;
    text.CheckGrowth(matches.size() * content_.size());
    AlignedText out;
    out.Reserve(text.size() + matches.size() * content_.size());
    uint32_t done = 0;
    for (const Range match : matches) {
      out.AppendPart(text, {done, match.begin});
      if (match.begin < match.end) {
        out.Append(content_, text.Origin(match));
      } else {
        out.AppendInserted(content_, PositionOf(text, match.begin));
      }
      done = match.end;
    }
    out.AppendPart(text, {done, static_cast<uint32_t>(text.size())});
    return out;
  }

 private:
  // Where in the original an insertion before text[index] stands.
  static uint32_t PositionOf(const AlignedText& text, uint32_t index) {
    return index < text.size() ? text.Origin({index, index + 1}).begin
                               : text.Origin({index - 1, index}).end;
  }

  std::unique_ptr<Pattern> pattern_;
  std::string content_;
};

AlignedText Prepend(const AlignedText& text, const std::string& prefix) {
  if (text.size() == 0) return text;
  const Range all{0, static_cast<uint32_t>(text.size())};
  AlignedText out;
  out.Reserve(text.size() + prefix.size());
  out.AppendInserted(prefix, text.Origin(all).begin);
  out.AppendPart(text, all);
  return out;
}

AlignedText StripSpace(const AlignedText& text, bool left, bool right) {
  const std::string_view bytes = text.text();
  size_t begin = 0;
  size_t end = bytes.size();
  while (left && begin < end && IsWhitespace(CodePointAt(bytes, begin))) {
    begin += CodePointLength(bytes[begin]);
  }
  while (right && end > begin) {
    const size_t previous = PreviousCodePoint(bytes, end);
    if (!IsWhitespace(CodePointAt(bytes, previous))) break;
    end = previous;
  }
  AlignedText out;
  out.AppendPart(text, {static_cast<uint32_t>(begin), static_cast<uint32_t>(end)});
  return out;
}

AlignedText BytesToAliasText(const AlignedText& text) {
  AlignedText out;
  out.Reserve(text.size() + text.size() / 4);
  for (uint32_t i = 0; i < text.size(); ++i) {
    out.Append(ByteAlias(static_cast<unsigned char>(text.text()[i])), text.Origin({i, i + 1}));
  }
  return out;
}

std::unique_ptr<Normalizer> FormNormalizer(NormalForm form) {
  return FromFunction([form](const AlignedText& text) { return NormalizeText(text, form); });
}

// The blocks of Hugging Face tokenizers' BertNormalizer, its gap at U+2B820 included.
bool IsChineseCharacter(char32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
         (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
         (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

bool IsBertSpace(char32_t c) { return c == '\t' || c == '\n' || c == '\r' || IsWhitespace(c); }

bool IsUncleanCharacter(char32_t c) {
  if (c == '\t' || c == '\n' || c == '\r') return false;
  return c == 0 || c == 0xFFFD || IsControl(c);
}

class BertNormalizer : public Normalizer {
 public:
  explicit BertNormalizer(const BertNormalizerOptions& options) : options_(options) {}

  AlignedText Apply(AlignedText text) const override {
    if (options_.clean_text) text = CleanText(text);
    if (options_.handle_chinese_chars) text = SpaceOutChinese(text);
    if (options_.strip_accents) {
      text = DropCharacters(NormalizeText(text, NormalForm::kNfd), &IsNonspacingMark);
    }
    if (options_.lowercase) text = LowerText(text);
    return text;
  }

 private:
  static AlignedText CleanText(const AlignedText& text) {
    AlignedText out;
    out.Reserve(text.size());
    ForEachCharacter(text, [&](char32_t c, Range range) {
      if (IsUncleanCharacter(c)) return;
      if (IsBertSpace(c)) {
        out.Append(" ", text.Origin(range));
      } else {
        out.AppendPart(text, range);
      }
    });
    return out;
  }

  static AlignedText SpaceOutChinese(const AlignedText& text) {
    AlignedText out;
    out.Reserve(text.size());
    ForEachCharacter(text, [&](char32_t c, Range range) {
      const bool chinese = IsChineseCharacter(c);
      const Range origin = text.Origin(range);
      if (chinese) out.AppendInserted(" ", origin.begin);
      out.AppendPart(text, range);
      if (chinese) out.AppendInserted(" ", origin.end);
    });
    return out;
  }

  BertNormalizerOptions options_;
};

std::unique_ptr<Normalizer> ReadBertNormalizer(const JsonNode& node) {
  BertNormalizerOptions options;
  options.clean_text = node.BoolOr("clean_text", true);
  options.handle_chinese_chars = node.BoolOr("handle_chinese_chars", true);
  options.lowercase = node.BoolOr("lowercase", true);
  // Not given means: as lowercase (BERT's uncased models strip accents).
  options.strip_accents = node.BoolOr("strip_accents", options.lowercase);
  return MakeBertNormalizer(options);
}

}  // namespace

std::unique_ptr<Normalizer> MakeBertNormalizer(const BertNormalizerOptions& options) {
  return std::make_unique<BertNormalizer>(options);
}

std::unique_ptr<Normalizer> ReadNormalizer(const JsonNode& node) {
  const std::string type = node.Member("type").String();
  if (type == "Sequence") {
    std::vector<std::unique_ptr<Normalizer>> steps;
    for (const JsonNode& step : node.Member("normalizers").Elements()) {
      steps.push_back(ReadNormalizer(step));
    }
    return std::make_unique<SequenceOfNormalizers>(std::move(steps));
  }
  if (type == "NFC") return FormNormalizer(NormalForm::kNfc);
  if (type == "NFD") return FormNormalizer(NormalForm::kNfd);
  if (type == "NFKC") return FormNormalizer(NormalForm::kNfkc);
  if (type == "NFKD") return FormNormalizer(NormalForm::kNfkd);
  if (type == "Lowercase") return FromFunction(&LowerText);
  if (type == "StripAccents") {
    return FromFunction([](const AlignedText& text) { return DropCharacters(text, &IsMark); });
  }
  if (type == "Strip") {
    const bool left = node.BoolOr("strip_left", true);
    const bool right = node.BoolOr("strip_right", true);
    return FromFunction(
        [left, right](const AlignedText& text) { return StripSpace(text, left, right); });
  }
  if (type == "Prepend") {
    const std::string prefix = node.Member("prepend").String();
    return FromFunction([prefix](const AlignedText& text) { return Prepend(text, prefix); });
  }
  if (type == "Replace") return std::make_unique<ReplaceNormalizer>(node);
  if (type == "BertNormalizer") return ReadBertNormalizer(node);
  if (type == "ByteLevel") return FromFunction(&BytesToAliasText);
  node.Unsupported("the normalizer " + type);
}

}  // namespace assay::tokenizer
