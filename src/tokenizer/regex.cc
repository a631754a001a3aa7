#include "tokenizer/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>
#include <optional>

#include "base/error.h"
#include "tokenizer/utf8.h"

namespace assay::tokenizer {

using base::ErrorKind;
using base::Fail;

namespace {

// Oniguruma's sets (doc/RE, Unicode). PCRE2's \s has U+180E besides, its \w lacks marks and
// connectors before 10.43.
constexpr std::string_view kSpaceSet = R"(\p{Z}\t-\r\x{85})";
constexpr std::string_view kWordSet = R"(\p{L}\p{M}\p{Nl}\p{Nd}\p{Pc})";

std::string ErrorText(int code) {
  std::array<PCRE2_UCHAR, 256> text{};
  pcre2_get_error_message(code, text.data(), text.size());
  return reinterpret_cast<const char*>(text.data());
}

class Translator {
 public:
  Translator(std::string_view pattern, std::string_view where) : pattern_(pattern), where_(where) {}

  std::string Run() {
    while (at_ < pattern_.size()) {
      if (pattern_[at_] == '\\') {
        Escape();
      } else if (in_class_) {
        InClass();
      } else {
        OutsideClass();
      }
    }
    return std::move(out_);
  }

 private:
  [[noreturn]] void Unsupported(std::string_view what) const {
    Fail(ErrorKind::kUnsupported, "{}: the pattern '{}' uses {}, which is not supported", where_,
         pattern_, what);
  }
  bool Starts(std::string_view prefix) const { return pattern_.substr(at_).starts_with(prefix); }
  void Copy(size_t count) {
    out_ += pattern_.substr(at_, count);
    at_ += count;
  }

  void Escape() {
    const char kind = at_ + 1 < pattern_.size() ? pattern_[at_ + 1] : '\0';
    const std::string_view set = kind == 's' || kind == 'S'   ? kSpaceSet
                                 : kind == 'w' || kind == 'W' ? kWordSet
                                                              : std::string_view();
    if (kind == 'h' || kind == 'H') Unsupported("\\h (a hexadecimal digit)");
    if (kind == 'Q' || kind == 'E' || kind == 'C') Unsupported(pattern_.substr(at_, 2));
    if (set.empty()) {
      Copy(std::min<size_t>(2, pattern_.size() - at_));
    } else {
      const bool negated = kind == 'S' || kind == 'W';
      if (in_class_ && kind == 'W') Unsupported("\\W inside [ ]");
      if (in_class_ && kind == 'S') {
        out_ += R"(\S)";  // differs from Oniguruma's in U+180E only
      } else {
        out_ += in_class_ ? std::string(set)
                          : std::string(negated ? "[^" : "[").append(set).append("]");
      }
      at_ += 2;
    }
    class_is_empty_ = false;
  }

  void InClass() {
    const char c = pattern_[at_];
    if (c == ']' && !class_is_empty_) in_class_ = false;
    if (c == '[') {
      if (!Starts("[:")) Unsupported("a class inside a class");
      const size_t end = pattern_.find(":]", at_);
      if (end == std::string_view::npos) Unsupported("an unclosed [:");
      Copy(end + 2 - at_);
    } else if (Starts("&&")) {
      Unsupported("&& inside [ ]");
    } else {
      Copy(1);
    }
    class_is_empty_ = false;
  }

  void OutsideClass() {
    if (pattern_[at_] == '[') {
      in_class_ = class_is_empty_ = true;
      Copy(at_ + 1 < pattern_.size() && pattern_[at_ + 1] == '^' ? 2 : 1);
      return;
    }
    if (Starts("(*")) Unsupported("a (*VERB)");
    if (Starts("(?")) RefuseOtherFlags();
    Copy(1);
  }

  // In Oniguruma's Ruby syntax (?m) means what PCRE2 calls (?s).
  void RefuseOtherFlags() const {
    for (size_t i = at_ + 2; i < pattern_.size(); ++i) {
      const char c = pattern_[i];
      if (c == 'm' || c == 's' || c == 'x' || c == 'U' || c == 'J' || c == 'C' || c == 'R') {
        Unsupported(pattern_.substr(at_, i + 1 - at_));
      }
      if (c != 'i' && c != '-') return;
    }
  }

  std::string_view pattern_;
  std::string_view where_;
  std::string out_;
  size_t at_ = 0;
  bool in_class_ = false;
  bool class_is_empty_ = false;  // a ] right after the [ is a character
};

using Code = std::unique_ptr<pcre2_code, decltype(&pcre2_code_free)>;
using MatchData = std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)>;

}  // namespace

struct Regex::Compiled {
  Code code{nullptr, &pcre2_code_free};
};

std::string TranslateOniguruma(std::string_view pattern, std::string_view where) {
  return Translator(pattern, where).Run();
}

Regex::Regex(std::string_view pattern, std::string_view where)
    : compiled_(std::make_unique<Compiled>()), where_(where) {
  const std::string translated = TranslateOniguruma(pattern, where);
  int code = 0;
  PCRE2_SIZE offset = 0;
  compiled_->code.reset(pcre2_compile(
      reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
      PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &code, &offset, nullptr));
  if (!compiled_->code) {
    Fail(ErrorKind::kBadInput, "{}: the pattern '{}' is malformed: {}", where, pattern,
         ErrorText(code));
  }
  // Where no JIT is to be had, matching falls back to PCRE2's interpreter: slower, same matches.
  pcre2_jit_compile(compiled_->code.get(), PCRE2_JIT_COMPLETE);
}

Regex::~Regex() = default;

std::vector<Range> Regex::FindAll(std::string_view text) const {
  if (text.empty()) return {};
  const MatchData data(pcre2_match_data_create(1, nullptr), &pcre2_match_data_free);
  if (!data) Fail(ErrorKind::kInternal, "{}: no memory for matching", where_);
  const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  const auto match = [&](size_t from, uint32_t options) {
    return pcre2_match(compiled_->code.get(), subject, text.size(), from,
                       PCRE2_NO_UTF_CHECK | options, data.get(), nullptr);
  };
  std::vector<Range> matches;
  std::optional<size_t> last_end;
  for (size_t from = 0; from <= text.size();) {
    int rc = match(from, 0);
    // The JIT's stack is small; the interpreter's is on the heap.
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT) rc = match(from, PCRE2_NO_JIT);
    if (rc == PCRE2_ERROR_NOMATCH) break;
    if (rc < 0) {
      Fail(ErrorKind::kBadInput, "{}: matching the pattern against {} bytes failed: {}", where_,
           text.size(), ErrorText(rc));
    }
    const PCRE2_SIZE* bounds = pcre2_get_ovector_pointer(data.get());
    const size_t begin = bounds[0];
    const size_t end = bounds[1];
    if (begin < from || end < begin) {
      Fail(ErrorKind::kUnsupported, "{}: \\K that moves the start of a match backwards", where_);
    }
    if (begin == end && last_end == end) {  // no empty match right after another match
      from = end < text.size() ? end + CodePointLength(text[end]) : end + 1;
      continue;
    }
    matches.push_back({static_cast<uint32_t>(begin), static_cast<uint32_t>(end)});
    from = end;
    last_end = end;
  }
  return matches;
}

}  // namespace assay::tokenizer
