// The text of HTTP/1.1: one request's head read strictly, one answer written. Strict, because what
// two readers understand differently is what attacks are made of: one way to say how long a body
// is, no folded lines, no control characters. Thread-safe: pure functions.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "serve/http.h"

namespace assay::serve {

struct RequestHead {
  std::string method;                                      // "GET"
  std::string target;                                      // "/api/runs?x=1", as sent
  bool keep_alive = true;                                  // HTTP/1.1 without "Connection: close"
  std::map<std::string, std::string> headers;              // lower-case names
  std::vector<std::string> repeated;                       // names that came more than once
  size_t body_bytes = 0;                                   // Content-Length
  const std::string* Find(const std::string& name) const;  // null when absent or repeated
};

// Why a request is not answered as it stands; the connection closes after it.
struct Refusal {
  int status = 400;
  std::string message;
};

constexpr size_t kLongestTarget = 8000;
constexpr size_t kMostHeaders = 100;

// The head up to and including its empty line. Throws Refusal.
RequestHead ParseHead(std::string_view head);

// "%41" to "A"; with `plus`, "+" to " ". Absent when an escape is cut off or not hexadecimal.
std::optional<std::string> DecodePercent(std::string_view text, bool plus);

struct Target {
  std::string path;                          // decoded
  std::map<std::string, std::string> query;  // decoded, the last of each name
};
// Throws Refusal when an escape is broken.
Target ParseTarget(std::string_view target);

// Status line, headers and, unless `head_only`, the body. `date` as HTTP writes it.
std::string FormatReply(const Reply& reply, bool keep_alive, bool head_only,
                        const std::string& date);
std::string HttpDate();  // now

}  // namespace assay::serve
