// Regular expressions of tokenizers, through PCRE2 (UTF, UCP, JIT).
// The patterns in the wild are written for Oniguruma, whose syntax differs in places: \w and \s are
// rewritten to Oniguruma's sets, ^ and $ match at line ends, and what cannot be carried over is
// refused rather than guessed. Immutable after construction, const functions are thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "tokenizer/pattern.h"

namespace assay::tokenizer {

class Regex : public Pattern {
 public:
  // Throws kBadInput for a malformed pattern, kUnsupported for Oniguruma syntax that PCRE2 lacks;
  // the message begins with `where`.
  Regex(std::string_view pattern, std::string_view where);
  ~Regex() override;

  // Throws kBadInput when matching needs more steps than PCRE2's limit (runaway backtracking).
  std::vector<Range> FindAll(std::string_view text) const override;

 private:
  struct Compiled;
  std::unique_ptr<Compiled> compiled_;
  std::string where_;
};

// GPT-2's pattern (Radford et al. 2019, encoder.py): contractions, words, numbers, other runs,
// white space.
inline constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

// The pattern in PCRE2's syntax. Exposed for tests. Throws as the constructor.
std::string TranslateOniguruma(std::string_view pattern, std::string_view where);

}  // namespace assay::tokenizer
