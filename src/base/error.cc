#include "base/error.h"

namespace assay::base {

std::string_view ErrorKindName(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kUsage:
      return "usage";
    case ErrorKind::kBadInput:
      return "bad input";
    case ErrorKind::kNotFound:
      return "not found";
    case ErrorKind::kUnsupported:
      return "unsupported";
    case ErrorKind::kIo:
      return "input/output";
    case ErrorKind::kInternal:
      return "internal";
  }
  return "unknown";
}

int ExitCode(ErrorKind kind) { return 2 + static_cast<int>(kind); }

void CheckFailed(const char* condition, const char* file, int line) {
  throw Error(ErrorKind::kInternal, fmt::format("{}:{}: check failed: {}", file, line, condition));
}

}  // namespace assay::base
