// How operations fail: base::Error is thrown when an operation cannot finish, and ASSAY_CHECK stops
// on our own bugs. Use Error for anything a user, a file or the machine can cause; no user input
// may reach a CHECK. Thread-safe.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <string_view>

namespace assay::base {

enum class ErrorKind {
  kUsage,        // an option or argument is wrong
  kBadInput,     // a file or text has content we cannot accept
  kNotFound,     // a file, unit, run or name does not exist
  kUnsupported,  // valid, but outside what Assay can do
  kIo,           // reading or writing failed (permissions, full disk)
  kInternal,     // a bug of ours
};

// The message says what failed, the value seen and what was expected.
class Error : public std::runtime_error {
 public:
  Error(ErrorKind error_kind, const std::string& message)
      : std::runtime_error(message), kind_(error_kind) {}
  ErrorKind kind() const { return kind_; }

 private:
  ErrorKind kind_;
};

std::string_view ErrorKindName(ErrorKind kind);  // "usage", "bad input", ...
int ExitCode(ErrorKind kind);  // the process exit status of `assay` for this kind, 2..7

template <typename... Args>
[[noreturn]] void Fail(ErrorKind kind, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(kind, fmt::format(format, std::forward<Args>(args)...));
}

[[noreturn]] void CheckFailed(const char* condition, const char* file, int line);

}  // namespace assay::base

#define ASSAY_CHECK(condition) \
  ((condition) ? (void)0 : ::assay::base::CheckFailed(#condition, __FILE__, __LINE__))
