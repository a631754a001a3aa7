// Options of an operation are one plain struct with defaults. A static VisitFields lists each field
// once, with name, help and accepted values; from that one list come the command line (app),
// validation, the run manifest and the page.
//
//   struct PruneOptions {
//     int max_context = 64;
//     std::string method = "token";
//     template <typename Visitor> void VisitFields(Visitor&& visit) {
//       visit("prune-max-context", max_context, "longest left context tried, in tokens", Between(0,
//       4096)); visit("prune-method", method, "how the left context grows", OneOf({"token",
//       "step5"}));
//     }
//   };
//
// Field types: bool, int, int64_t, uint64_t, double, std::string.
#pragma once

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <type_traits>
#include <vector>

#include "base/error.h"

namespace assay::base {

// What a field accepts. Empty: anything of its type.
struct Accepts {
  double low = -INFINITY;
  double high = INFINITY;
  std::vector<std::string> choices;
};
inline Accepts Between(double low, double high) { return {low, high, {}}; }
inline Accepts OneOf(std::vector<std::string> choices) {
  return {-INFINITY, INFINITY, std::move(choices)};
}

// Throws kUsage naming the field, the value and what is accepted.
template <typename Options>
void ValidateFields(const Options& options) {
  Options copy = options;  // VisitFields gives mutable access, which binding needs
  copy.VisitFields([](const char* name, auto& value, const char*, const Accepts& accepts = {}) {
    using T = std::decay_t<decltype(value)>;
    if constexpr (std::is_same_v<T, std::string>) {
      if (accepts.choices.empty()) return;
      for (const std::string& choice : accepts.choices) {
        if (choice == value) return;
      }
      Fail(ErrorKind::kUsage, "--{} is '{}'; expected one of: {}", name, value,
           fmt::join(accepts.choices, ", "));
    } else if constexpr (!std::is_same_v<T, bool>) {
      const auto number = static_cast<double>(value);
      if (!(number >= accepts.low && number <= accepts.high)) {
        Fail(ErrorKind::kUsage, "--{} is {}; expected a value from {} to {}", name, value,
             accepts.low, accepts.high);
      }
    }
  });
}

template <typename Options>
nlohmann::json FieldsToJson(const Options& options) {
  nlohmann::json out = nlohmann::json::object();
  Options copy = options;
  copy.VisitFields(
      [&](const char* name, auto& value, const char*, const Accepts& = {}) { out[name] = value; });
  return out;
}

// Fields absent from `json` keep their values. Throws kBadInput for a field of the wrong type.
template <typename Options>
void FieldsFromJson(const nlohmann::json& json, Options& options) {
  options.VisitFields([&](const char* name, auto& value, const char*, const Accepts& = {}) {
    const auto found = json.find(name);
    if (found == json.end()) return;
    try {
      found->get_to(value);
    } catch (const nlohmann::json::exception& error) {
      Fail(ErrorKind::kBadInput, "option '{}' has the wrong type: {}", name, found->dump());
    }
  });
}

}  // namespace assay::base
