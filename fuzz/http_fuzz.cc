// What a client may send, on arbitrary bytes: a head is read or refused, an address decoded or
// refused, and what was accepted has no line ends in it that an answer or a log could repeat.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "serve/http_message.h"
#include "serve/request_checks.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace assay::serve;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const RequestHead head = ParseHead(text);
    for (const auto& [name, value] : head.headers) {
      if (value.find_first_of("\r\n") != std::string::npos || name.empty()) __builtin_trap();
    }
    if (!head.target.starts_with('/') || head.target.size() > kLongestTarget) __builtin_trap();
    const Target target = ParseTarget(head.target);
    if (!target.path.starts_with('/') || target.path.size() > head.target.size()) __builtin_trap();
    CheckOrigin({"127.0.0.1", 8321, {}}, head, target.path);
  } catch (const Refusal&) {
  }
  return 0;
}
