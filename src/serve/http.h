// What a route gets and gives, free of any HTTP library, so that routes are tested without a
// socket. Thread-safe: plain values.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/unit_id.h"

namespace assay::serve {

using Json = nlohmann::ordered_json;

struct Request {
  std::map<std::string, std::string> path;   // {name} of the route -> its text, decoded
  std::map<std::string, std::string> query;  // the last of each name
  Json body;                                 // null when there is none

  // Parameters of the address. Throw kUsage naming the parameter, the value and what was expected.
  std::string Text(const std::string& name, const std::string& otherwise = "") const;
  bool Flag(const std::string& name) const;  // "true" or "1"; absent, "false", "0": false
  int64_t Integer(const std::string& name, int64_t low, int64_t high,
                  std::optional<int64_t> otherwise = {}) const;
  std::optional<double> Number(const std::string& name, double low, double high) const;
  base::UnitId Unit() const;  // {layer} and {index} of the path

  // A text of the body, at most `limit` bytes. Throws kUsage when it is missing or of another type.
  std::string BodyText(const std::string& name, size_t limit) const;
  std::optional<std::string> OptionalBodyText(const std::string& name, size_t limit) const;
  int64_t BodyInteger(const std::string& name, int64_t low, int64_t high) const;
};

struct Reply {
  int status = 200;
  std::string type = "application/json; charset=utf-8";
  std::string body;
  bool cacheable = false;  // never changes at this address
  std::string allow;       // of a 405: the methods that the address takes
};

// Bytes that are not UTF-8 become U+FFFD.
Reply JsonReply(const Json& json, int status = 200);
// {"error": {"kind": ..., "message": ...}} with the status that belongs to the kind.
Reply ErrorReply(const base::Error& error);
Reply ErrorReply(int status, const std::string& kind, const std::string& message);
Reply MethodReply(const std::string& allow);  // 405

// null when absent or not a number.
Json NumberOrNull(std::optional<double> value);

}  // namespace assay::serve
