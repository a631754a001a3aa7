#include "tokenizer/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <fmt/format.h>
#include <pcre2.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <iterator>
#include <optional>

#include "base/error.h"
#include "tokenizer/utf8.h"

namespace assay::tokenizer {

using base::ErrorKind;
using base::Fail;

namespace {

// Oniguruma's sets, found by asking it about every character. PCRE2's \s has U+180E besides; its \w
// has all numbers but lacks marks and connectors before 10.43.
constexpr std::string_view kSpaceSet = R"(\p{Z}\t-\r\x{85})";
constexpr std::string_view kWordSet = R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc})";
// Outside [ ] Oniguruma looks Latin-1 up in another table, which has the superscripts and fractions
// too.
constexpr std::string_view kLatinWordSet = R"(\xB2\xB3\xB9\xBC-\xBE)";

struct NamedSet {
  std::string_view name, set;
};
constexpr NamedSet kPosixSets[] = {{"[:alpha:]", R"(\p{Alphabetic})"},
                                   {"[:digit:]", R"(\p{Nd})"},
                                   {"[:alnum:]", R"(\p{Alphabetic}\p{Nd})"},
                                   {"[:upper:]", R"(\p{Uppercase})"},
                                   {"[:lower:]", R"(\p{Lowercase})"},
                                   {"[:punct:]", R"(\p{P}\p{S})"},
                                   {"[:space:]", kSpaceSet},
                                   {"[:word:]", kWordSet}};
constexpr std::string_view kPropertiesThatAreNoScript[] = {
    "Any", "Alphabetic", "Uppercase", "Lowercase", "Emoji", "Ideographic"};

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
    class_is_empty_ = false;
    switch (kind) {
      case 's':
      case 'S':
      case 'w':
      case 'W':
        return Set(kind);
      case 'b':
      case 'B':
        if (in_class_) return Copy(2);  // a backspace
        return Boundary(kind == 'b');
      case 'p':
      case 'P':
        return Property();
      case 'h':
      case 'H':
      case 'Q':
      case 'E':
      case 'C':
      case 'K':
      case 'X':
      case 'R':
        Unsupported(pattern_.substr(at_, 2));
      default:
        Copy(std::min<size_t>(2, pattern_.size() - at_));
    }
  }

  void Set(char kind) {
    at_ += 2;
    if (in_class_) {
      if (kind == 'W') Unsupported("\\W inside [ ]");
      out_ += kind == 's' ? kSpaceSet : kind == 'w' ? kWordSet : R"(\S)";
      return;
    }
    out_ += kind == 'S' || kind == 'W' ? "[^" : "[";
    out_ += kind == 's' || kind == 'S' ? kSpaceSet : kWordSet;
    if (kind == 'w' || kind == 'W') out_ += kLatinWordSet;
    out_ += "]";
  }

  void Boundary(bool boundary) {
    const std::string word = std::string("[").append(kWordSet).append(kLatinWordSet).append("]");
    out_ += boundary ? fmt::format("(?:(?<={0})(?!{0})|(?<!{0})(?={0}))", word)
                     : fmt::format("(?:(?<={0})(?={0})|(?<!{0})(?!{0}))", word);
    at_ += 2;
  }

  // A script means the property Script; PCRE2 would take Script_Extensions.
  void Property() {
    const size_t end = pattern_.find('}', at_);
    if (!pattern_.substr(at_ + 2).starts_with('{') || end == std::string_view::npos) return Copy(2);
    std::string_view name = pattern_.substr(at_ + 3, end - at_ - 3);
    const bool negated = name.starts_with('^');
    if (negated) name.remove_prefix(1);
    const bool script =
        name.size() > 2 &&
        std::all_of(name.begin(), name.end(), [](char c) { return std::isalpha(c) || c == '_'; }) &&
        std::ranges::find(kPropertiesThatAreNoScript, name) == std::end(kPropertiesThatAreNoScript);
    out_.append(pattern_.substr(at_, 3)).append(negated ? "^" : "").append(script ? "sc:" : "");
    out_.append(name).append("}");
    at_ = end + 1;
  }

  void InClass() {
    const char c = pattern_[at_];
    if (c == ']' && !class_is_empty_) in_class_ = false;
    if (c == '[') {
      const auto named = std::ranges::find_if(
          kPosixSets, [&](const NamedSet& posix) { return Starts(posix.name); });
      if (named == std::end(kPosixSets)) Unsupported("[ inside [ ]");
      out_ += named->set;
      at_ += named->name.size();
    } else if (Starts("&&")) {
      Unsupported("&& inside [ ]");
    } else {
      Copy(1);
    }
    class_is_empty_ = false;
  }

  void OutsideClass() {
    switch (pattern_[at_]) {
      case '[':
        in_class_ = class_is_empty_ = true;
        return Copy(at_ + 1 < pattern_.size() && pattern_[at_ + 1] == '^' ? 2 : 1);
      case '(':
        if (Starts("(*")) Unsupported("a (*VERB)");
        if (Starts("(?")) RefuseOtherFlags();
        return Copy(1);
      case '{':
        RefuseRubyIntervals();
        return Copy(1);
      default:
        return Copy(1);
    }
  }

  // In Oniguruma's Ruby syntax (?m) means what PCRE2 calls (?s), and (?i)a|b is (?i:a|b).
  void RefuseOtherFlags() const {
    for (size_t i = at_ + 2; i < pattern_.size(); ++i) {
      const char c = pattern_[i];
      const bool group_flag = c == 'i' || c == '-';
      if (std::string_view("msxUJCR").find(c) != std::string_view::npos ||
          (c == ')' && i > at_ + 2 && at_ > 0)) {
        Unsupported(pattern_.substr(at_, i + 1 - at_));
      }
      if (!group_flag) return;
    }
  }

  // {,n} is {0,n}, {n}? is (?:{n})? and {n,m}+ is (?:{n,m})+ there.
  void RefuseRubyIntervals() const {
    const size_t end = pattern_.find('}', at_);
    if (end == std::string_view::npos) return;
    const std::string_view inside = pattern_.substr(at_ + 1, end - at_ - 1);
    if (inside.empty() || inside.find_first_not_of("0123456789,") != std::string_view::npos) return;
    const char next = end + 1 < pattern_.size() ? pattern_[end + 1] : '\0';
    if (inside[0] == ',' || next == '+' ||
        (next == '?' && !(inside.find(',') != std::string_view::npos))) {
      Unsupported(pattern_.substr(at_, end + 2 - at_));
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
    ASSAY_CHECK(from <= begin && begin <= end);  // \K, which could break it, is refused
    if (begin == end && last_end == end) {       // no empty match right after another match
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
